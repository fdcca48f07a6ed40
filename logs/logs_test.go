package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(spewLines)); err == nil {
		spew(n)
		return
	}
	if dir := os.Getenv(storeDir); dir != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(dir))
		os.Exit(1)
	}
	if dir := os.Getenv(draftsDir); dir != "" {
		fmt.Fprintln(os.Stderr, writeDraftsUntilKilled(dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func openStore(t testing.TB, opts ...Option) *Store {
	t.Helper()
	s, err := Open(t.TempDir(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// readAll reads what a store has now, following its own cursors.
func readAll(t testing.TB, s *Store, c Cursor, max int) (chunks []Chunk, dropped []Drop, end Cursor) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for {
		b, err := s.Next(ctx, c, max)
		if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
			return chunks, dropped, c
		}
		if err != nil {
			t.Fatal(err)
		}
		chunks, dropped, c = append(chunks, b.Chunks...), append(dropped, b.Dropped...), b.Cursor
	}
}

func text(chunks []Chunk) string {
	var b strings.Builder
	for _, c := range chunks {
		b.Write(c.Data)
	}
	return b.String()
}

func TestWhatIsWrittenIsReadAndOnDisk(t *testing.T) {
	s := openStore(t)
	w := s.Writer("catalog", "catalog-1")
	var want bytes.Buffer
	for i := range 1000 {
		line := fmt.Sprintf("line %d %s\n", i, strings.Repeat("x", i%200))
		want.WriteString(line)
		if _, err := io.WriteString(w, line); err != nil {
			t.Fatal(err)
		}
	}
	onDisk, err := os.ReadFile(s.activePath("catalog"))
	if err != nil || !bytes.Equal(onDisk, want.Bytes()) {
		t.Errorf("the file is not what was written (%v)", err)
	}
	for _, max := range []int{1, 1000, 1 << 20} {
		chunks, dropped, _ := readAll(t, s, Cursor{}, max)
		if got := text(chunks); got != want.String() || dropped != nil {
			t.Errorf("max %d: read %d bytes, want %d; dropped %v", max, len(got), want.Len(), dropped)
		}
		for _, c := range chunks {
			if c.Service != "catalog" || c.Instance != "catalog-1" || c.Partial || c.Continued {
				t.Fatalf("chunk %+v", c)
			}
		}
	}
	w.Close()
	r, err := OpenReadOnly(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	chunks, _, _ := readAll(t, r, Cursor{}, 1<<20)
	if got := text(chunks); got != want.String() {
		t.Errorf("another store reads %d bytes, want %d", len(got), want.Len())
	}
}

func TestNextBlocksUntilThereIsSomething(t *testing.T) {
	s := openStore(t)
	w := s.Writer("catalog", "catalog-1")
	defer w.Close()
	other := s.Writer("orders", "orders-1")
	defer other.Close()
	c := Cursor{Services: []string{"catalog"}}
	for i := range 200 {
		line := fmt.Sprintf("%d\n", i)
		go func() {
			io.WriteString(other, "noise\n")
			io.WriteString(w, line)
		}()
		b, err := s.Next(t.Context(), c, 1)
		if err != nil || text(b.Chunks) != line {
			t.Fatalf("%q, %v; want %q", text(b.Chunks), err, line)
		}
		c = b.Cursor
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.Next(ctx, c, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's error", err)
	}
}
