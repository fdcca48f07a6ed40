package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// through sends b through a real pipe into a new writer, in writes of the
// sizes that size gives.
func through(t testing.TB, s *Store, instance string, b []byte, size func() int) {
	t.Helper()
	r, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sent := make(chan error, 1)
	go func() {
		for len(b) > 0 {
			n := min(len(b), size())
			if _, err := pw.Write(b[:n]); err != nil {
				sent <- err
				return
			}
			b = b[n:]
		}
		sent <- pw.Close()
	}()
	w := s.Writer("catalog", instance)
	if _, err := io.Copy(w, r); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-sent, w.Close()); err != nil {
		t.Fatal(err)
	}
}

// whole checks that chunks are marked for what they are: the pieces of a line
// and only those.
func whole(t *testing.T, chunks []Chunk) {
	t.Helper()
	unfinished := map[string]bool{}
	for i, c := range chunks {
		if got := !bytes.HasSuffix(c.Data, []byte{'\n'}); got != c.Partial {
			t.Errorf("chunk %d: partial %v, ends %q", i, c.Partial, c.Data[max(0, len(c.Data)-10):])
		}
		if c.Continued != unfinished[c.Instance] {
			t.Errorf("chunk %d: continued %v after partial %v", i, c.Continued, unfinished[c.Instance])
		}
		unfinished[c.Instance] = c.Partial
	}
}

func TestLongLinesPassWhole(t *testing.T) {
	long := func(n int) string { return strings.Repeat("0123456789abcdef", n/16+1)[:n] }
	for _, n := range []int{MaxLine - 1, MaxLine} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := openStore(t)
			want := "before\n" + long(n) + "\nafter\n"
			through(t, s, "catalog-1", []byte(want), func() int { return 1 << 20 })
			chunks, _, _ := readAll(t, s, Cursor{}, 1)
			if text(chunks) != want {
				t.Fatalf("read %d bytes, want %d", len(text(chunks)), len(want))
			}
			for i, c := range chunks {
				if c.Partial || c.Continued {
					t.Errorf("chunk %d of %d bytes is cut", i, len(c.Data))
				}
			}
		})
	}
	t.Run("longer", func(t *testing.T) {
		s := openStore(t)
		want := "before\n" + long(5*MaxLine) + "\nafter"
		through(t, s, "catalog-1", []byte(want), func() int { return 1 << 20 })
		chunks, _, _ := readAll(t, s, Cursor{}, 1)
		if text(chunks) != want {
			t.Fatalf("read %d bytes, want %d", len(text(chunks)), len(want))
		}
		whole(t, chunks)
		for _, c := range chunks {
			if len(c.Data) > MaxLine+fullReadSize {
				t.Errorf("a chunk of %d bytes", len(c.Data))
			}
		}
	})
}

func TestJunkIsKeptVerbatim(t *testing.T) {
	s := openStore(t)
	r := rand.NewChaCha8([32]byte{7})
	junk := make([]byte, 3<<20)
	r.Read(junk)
	sizes := rand.New(r)
	through(t, s, "catalog-1", junk, func() int { return 1 + sizes.IntN(200_000) })
	chunks, _, _ := readAll(t, s, Cursor{}, 1<<16)
	if text(chunks) != string(junk) {
		t.Error("junk has changed")
	}
	whole(t, chunks)
	var out bytes.Buffer
	p := NewPrinter(&out, PrinterOptions{NoPrefix: true})
	if err := errors.Join(p.Print(Batch{Chunks: chunks}), p.Close()); err != nil {
		t.Fatal(err)
	}
	if got := bytes.TrimSuffix(out.Bytes(), []byte{'\n'}); !bytes.Equal(got, bytes.TrimSuffix(junk, []byte{'\n'})) {
		t.Error("junk is not printed as it is")
	}
}

func TestInstancesNeverMixWithinALine(t *testing.T) {
	s := openStore(t, WithSegments(100_000, 1000))
	s.idle = time.Hour // a writer may have to wait for its turn in the middle of a line
	const writers, lines = 8, 2000
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			var b bytes.Buffer
			for l := range lines {
				fmt.Fprintf(&b, "w%d %d %s\n", i, l, strings.Repeat("x", l%97))
			}
			sizes := rand.New(rand.NewPCG(1, uint64(i)))
			through(t, s, fmt.Sprintf("catalog-%d", i), b.Bytes(), func() int { return 1 + sizes.IntN(3000) })
		})
	}
	// A reader follows while they write.
	next := map[string]int{}
	var c Cursor
	for total := 0; total < writers*lines; {
		b, err := s.Next(t.Context(), c, 10_000)
		if err != nil || len(b.Dropped) > 0 {
			t.Fatal(err, b.Dropped)
		}
		for _, ch := range b.Chunks {
			if ch.Partial || ch.Continued {
				t.Fatalf("cut: %+v", ch)
			}
			for line := range strings.Lines(string(ch.Data)) {
				l := next[ch.Instance]
				want := fmt.Sprintf("w%s %d %s\n", strings.TrimPrefix(ch.Instance, "catalog-"), l, strings.Repeat("x", l%97))
				if line != want {
					t.Fatalf("%s: %q, want %q", ch.Instance, line, want)
				}
				next[ch.Instance]++
				total++
			}
		}
		c = b.Cursor
		if int64(total) != c.At[0].Line {
			t.Fatalf("%d lines read, the cursor says %d", total, c.At[0].Line)
		}
	}
	wg.Wait()
}

func TestAnUnfinishedLineIsHandedOutWhenNothingFollows(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		w := s.Writer("catalog", "catalog-1")
		defer w.Close()
		write := func(text string) {
			if _, err := io.WriteString(w, text); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		write("done\nname")
		b, err := s.Next(t.Context(), Cursor{}, 1)
		if err != nil || text(b.Chunks) != "done\n" || time.Since(began) != 0 {
			t.Fatalf("%q after %s: %v", text(b.Chunks), time.Since(began), err)
		}
		b, err = s.Next(t.Context(), b.Cursor, 1)
		if err != nil || text(b.Chunks) != "name" || !b.Chunks[0].Partial || b.Chunks[0].Continued {
			t.Fatalf("%+v, %v", b.Chunks, err)
		}
		if took := time.Since(began); took != partialAfter {
			t.Errorf("it took %s, want %s", took, partialAfter)
		}
		if b.Cursor.At[0].Line != 2 {
			t.Errorf("line %d, want 2", b.Cursor.At[0].Line)
		}
		write("> joe\nnext\n")
		b, err = s.Next(t.Context(), b.Cursor, 1)
		if err != nil || text(b.Chunks) != "> joe\nnext\n" || b.Chunks[0].Partial || !b.Chunks[0].Continued {
			t.Fatalf("%+v, %v", b.Chunks, err)
		}
		if b.Cursor.At[0].Line != 3 {
			t.Errorf("line %d, want 3", b.Cursor.At[0].Line)
		}
	})
}

func TestTheClockDoesNotGoOnWhileALineArrives(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		w := s.Writer("catalog", "catalog-1")
		for range 10 { // each piece arrives before the last has been idle for long enough
			if _, err := io.WriteString(w, "piece "); err != nil {
				t.Fatal(err)
			}
			pause := time.NewTimer(partialAfter - time.Millisecond)
			<-pause.C
		}
		w.Close()
		chunks, _, _ := readAll(t, s, Cursor{}, 1)
		if len(chunks) != 1 || text(chunks) != strings.Repeat("piece ", 10) {
			t.Errorf("%d chunks: %q", len(chunks), text(chunks))
		}
	})
}

func TestAWriterThatIsClosedTakesNothing(t *testing.T) {
	s := openStore(t)
	w := s.Writer("catalog", "catalog-1")
	io.WriteString(w, "unfinished")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "late\n"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write: %v", err)
	}
	if _, err := w.ReadFrom(strings.NewReader("late\n")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("ReadFrom: %v", err)
	}
	if err := w.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Close: %v", err)
	}
	if chunks, _, _ := readAll(t, s, Cursor{}, 1); text(chunks) != "unfinished" {
		t.Errorf("%q", text(chunks))
	}
}

// FuzzWriter writes input in pieces and expects it back, lines uncut.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("a\nbc\n\n\x00def"), []byte{1, 3, 200}, false)
	f.Add(bytes.Repeat([]byte("x"), 100_000), []byte{255}, true)
	f.Add([]byte("\n\n\n"), []byte{1}, true)
	f.Fuzz(func(t *testing.T, input, sizes []byte, copying bool) {
		s := openStore(t, WithSegments(1000, 1000))
		w := s.Writer("catalog", "catalog-1")
		pieces := &pieces{b: input, sizes: sizes}
		if copying {
			if _, err := w.ReadFrom(pieces); err != nil {
				t.Fatal(err)
			}
		} else {
			for p := pieces.next(1 << 20); p != nil; p = pieces.next(1 << 20) {
				if n, err := w.Write(p); n != len(p) || err != nil {
					t.Fatal(n, err)
				}
			}
		}
		w.Close()
		chunks, dropped, end := readAll(t, s, Cursor{}, 1)
		if text(chunks) != string(input) || dropped != nil {
			t.Errorf("read %q, want %q", text(chunks), input)
		}
		whole(t, chunks)
		lines := int64(bytes.Count(input, []byte{'\n'}))
		if len(input) > 0 && input[len(input)-1] != '\n' {
			lines++
		}
		if len(input) > 0 && end.At[0].Line != lines {
			t.Errorf("%d lines, want %d", end.At[0].Line, lines)
		}
	})
}

// pieces is a reader that gives its bytes in pieces of certain sizes.
type pieces struct {
	b, sizes []byte
	i        int
}

func (p *pieces) next(most int) []byte {
	if len(p.b) == 0 {
		return nil
	}
	n := len(p.b)
	if len(p.sizes) > 0 {
		n = min(n, 1+int(p.sizes[p.i%len(p.sizes)])*17)
		p.i++
	}
	n = min(n, most)
	b := p.b[:n]
	p.b = p.b[n:]
	return b
}

func (p *pieces) Read(b []byte) (int, error) {
	next := p.next(len(b))
	if next == nil {
		return 0, io.EOF
	}
	return copy(b, next), nil
}
