package logs

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A second after another, ten chunks of two lines, in memory, in one segment
// or in several: wherever they are, they are found.
func TestSeek(t *testing.T) {
	for _, size := range []int64{DefaultSegmentSize, 30} {
		for _, saved := range []bool{false, true} {
			dir := t.TempDir()
			t.Run(fmt.Sprintf("segments of %d/saved %v", size, saved), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { seek(t, dir, size, saved) })
			})
		}
	}
}

func seek(t *testing.T, dir string, size int64, saved bool) {
	t.Helper()
	s, err := Open(dir, WithSegments(size, 100))
	if err != nil {
		t.Fatal(err)
	}
	w := s.Writer("catalog", "catalog-1")
	began := time.Now()
	step := time.Second
	if !saved {
		step = packAfter / 20 // before it is saved
	}
	for i := range 10 {
		fmt.Fprintf(w, "line %d\nodd %d\n", 2*i, 2*i+1)
		if i < 9 {
			pass(step)
		}
	}
	at := func(i int) time.Time { return began.Add(time.Duration(i) * step) }
	odd, err := NewFilter("^odd", false, Unknown)
	if err != nil {
		t.Fatal(err)
	}
	none, err := NewFilter("nothing", false, Unknown)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		q           Query
		first, last int // lines; first > last is none
	}{
		{Query{}, 0, 19},
		{Query{Tail: 1}, 19, 19},
		{Query{Tail: 4}, 16, 19},
		{Query{Tail: 19}, 1, 19},
		{Query{Tail: 1000}, 0, 19},
		{Query{Tail: None}, 1, 0},
		{Query{Since: at(3)}, 6, 19},
		{Query{Since: at(3).Add(1)}, 8, 19},
		{Query{Since: at(100)}, 1, 0},
		{Query{Since: began.Add(-time.Hour)}, 0, 19},
		{Query{Until: at(3)}, 0, 7},
		{Query{Since: at(2), Until: at(3), Tail: 1}, 7, 7},
		{Query{Since: at(2), Until: at(3), Tail: 9}, 4, 7},
		{Query{Since: at(3), Until: at(2)}, 1, 0},
		{Query{Until: began.Add(-time.Hour)}, 1, 0},
		{Query{Tail: 2, Filter: odd}, 17, 19},
		{Query{Tail: 2, Filter: odd, Until: at(3)}, 5, 7},
		{Query{Tail: 99, Filter: odd, Since: at(3)}, 6, 19},
		{Query{Tail: 2, Filter: none}, 0, 19},
		{Query{Services: []string{"orders"}}, 1, 0},
	} {
		c, err := s.Seek(test.q)
		if err != nil {
			t.Fatalf("%+v: %v", test.q, err)
		}
		chunks, dropped, _ := readAll(t, s, c, 1)
		var want strings.Builder
		for i := test.first; i <= test.last; i++ {
			fmt.Fprintf(&want, "%s %d\n", []string{"line", "odd"}[i%2], i)
		}
		if got := text(chunks); got != want.String() || dropped != nil {
			t.Errorf("%+v: %q, want %q; dropped %v", test.q, got, want.String(), dropped)
		}
	}
	w.Close()
}

func TestACursorOfADeletedLogBeginsAgain(t *testing.T) {
	s := openStore(t)
	write(t, s, "one\n")
	for _, p := range []Position{{Service: "catalog", Offset: 1 << 40}, {Service: "catalog", Offset: -5}} {
		if chunks, dropped, _ := readAll(t, s, Cursor{At: []Position{p}}, 1); text(chunks) != "one\n" || dropped != nil {
			t.Errorf("%+v: %q, dropped %v", p, text(chunks), dropped)
		}
	}
}

func TestUntilEndsAReader(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		w := s.Writer("catalog", "catalog-1")
		c := Cursor{Until: time.Now().Add(time.Minute)}
		var writing sync.WaitGroup
		writing.Go(func() {
			<-time.After(time.Minute - time.Second)
			io.WriteString(w, "in time\n")
			<-time.After(2 * time.Second)
			io.WriteString(w, "late\n")
			w.Close()
		})
		var got strings.Builder
		for {
			b, err := s.Next(t.Context(), c, 1)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got.WriteString(text(b.Chunks))
			c = b.Cursor
		}
		writing.Wait()
		if got.String() != "in time\n" {
			t.Errorf("%q", got.String())
		}
	})
}
