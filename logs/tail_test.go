package logs

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	s := openStore(t)
	write(t, s, "of an earlier run\n")
	w, other := s.Writer("catalog", "catalog-1"), s.Writer("catalog", "catalog-2")
	defer other.Close()
	if got := s.Tail("catalog-1", 5); got != nil {
		t.Errorf("before anything was written: %q", got)
	}
	io.WriteString(w, "one\n\x1b[31mtwo\x1b[0m\r\n10%\r20%\n"+strings.Repeat("ü", tailLine)+"\n")
	io.WriteString(other, "noise\n")
	io.WriteString(w, "junk \xff\nunfin")
	io.WriteString(w, "ished")
	long := strings.Repeat("ü", tailLine/2) + "…"
	for _, test := range []struct {
		n    int
		want []string
	}{
		{2, []string{"junk \uFFFD", "unfinished"}},
		{100, []string{"one", "two", "20%", long, "junk \uFFFD", "unfinished"}},
	} {
		if got := s.Tail("catalog-1", test.n); !slices.Equal(got, test.want) {
			t.Errorf("%d: %q, want %q", test.n, got, test.want)
		}
	}
	w.Close()
	if got := s.Tail("catalog-1", 1); !slices.Equal(got, []string{"unfinished"}) {
		t.Errorf("after Close: %q", got)
	}
	if got := s.Tail("nobody", 1); got != nil {
		t.Errorf("%q of nobody", got)
	}
}

func TestTailHasALineOnceWhileItIsWritten(t *testing.T) {
	s := openStore(t)
	w := s.Writer("catalog", "catalog-1")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 20_000 {
			fmt.Fprintf(w, "%d", i)
			fmt.Fprintf(w, " %d\n", i)
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		before := -1
		for _, line := range s.Tail("catalog-1", 3) {
			var i int
			if _, err := fmt.Sscan(line, &i); err != nil || i <= before {
				t.Fatalf("%q after %d: %v", line, before, err)
			}
			before = i
		}
	}
	w.Close()
}
