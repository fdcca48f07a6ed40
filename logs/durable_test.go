package logs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// write writes each text as a chunk of catalog-1.
func write(t testing.TB, s *Store, texts ...string) {
	t.Helper()
	w := s.Writer("catalog", "catalog-1")
	for _, text := range texts {
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// saved gives the drafts of services without writers their files.
func saved(t testing.TB, s *Store) {
	t.Helper()
	for _, st := range s.all() {
		st.writing.Lock()
		if st.draft != nil {
			if err := st.save(); err != nil {
				t.Error(err)
			}
			st.closeFiles()
		}
		st.writing.Unlock()
	}
}

func reopen(t testing.TB, s *Store, opts ...Option) *Store {
	t.Helper()
	s, err := Open(s.dir, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func edit(t testing.TB, path string, f func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, f(b), 0o644); err != nil {
		t.Fatal(err)
	}
}

// chunkText is what a chunk looks like in a table of tests.
func chunkText(chunks []Chunk) string {
	var b strings.Builder
	for _, c := range chunks {
		fmt.Fprintf(&b, "%s:%q ", c.Instance, c.Data)
	}
	return strings.TrimSpace(b.String())
}

func TestWhatACrashLeaves(t *testing.T) {
	for _, test := range []struct {
		name        string
		data, index func([]byte) []byte
		want        string
	}{
		{"nothing wrong", nil, nil, `catalog-1:"a\n" catalog-1:"b\nc\n" catalog-1:"d\n"`},
		{"half a record", nil, func(b []byte) []byte { return b[:len(b)-5] }, `catalog-1:"a\n" catalog-1:"b\nc\n" :"d\n"`},
		{"no record", nil, func(b []byte) []byte { return b[:len(b)-blockSize] }, `catalog-1:"a\n" catalog-1:"b\nc\n" :"d\n"`},
		{"data cut off", func(b []byte) []byte { return b[:len(b)-1] }, nil, `catalog-1:"a\n" catalog-1:"b\nc\n" :"d"`},
		{"half a line without a record", func(b []byte) []byte { return append(b, "torn"...) }, nil, `catalog-1:"a\n" catalog-1:"b\nc\n" catalog-1:"d\n" :"torn"`},
		{"index empty", nil, func([]byte) []byte { return nil }, `:"a\nb\nc\nd\n"`},
		{"index of zeros", nil, func(b []byte) []byte { return make([]byte, len(b)) }, `:"a\nb\nc\nd\n"`},
		{"last record damaged", nil, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, `catalog-1:"a\n" catalog-1:"b\nc\n" :"d\n"`},
		{"name damaged, tail torn", nil, func(b []byte) []byte { b[blockSize+9] ^= 1; return b[:len(b)-1] }, `:"a\n" :"b\nc\n" :"d\n"`},
		{"data gone", func([]byte) []byte { return nil }, nil, ``},
	} {
		for _, readOnly := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/readonly=%v", test.name, readOnly), func(t *testing.T) {
				s := openStore(t)
				write(t, s, "a\n", "b\nc\n", "d\n")
				saved(t, s)
				if test.data != nil {
					edit(t, s.activePath("catalog"), test.data)
				}
				if test.index != nil {
					edit(t, s.indexPath("catalog", 1), test.index)
				}
				if readOnly {
					before, _ := os.ReadFile(s.indexPath("catalog", 1))
					r, err := OpenReadOnly(s.dir)
					if err != nil {
						t.Fatal(err)
					}
					chunks, _, _ := readAll(t, r, Cursor{}, 1)
					if got := chunkText(chunks); got != test.want {
						t.Errorf("%s, want %s", got, test.want)
					}
					if after, _ := os.ReadFile(s.indexPath("catalog", 1)); !bytes.Equal(before, after) {
						t.Error("a reader changed the index")
					}
					return
				}
				s = reopen(t, s)
				write(t, s, "new\n")
				want := strings.TrimSpace(test.want + ` catalog-1:"new\n"`)
				for range 2 { // what was rebuilt is on disk, too
					chunks, dropped, _ := readAll(t, s, Cursor{}, 1)
					if got := chunkText(chunks); got != want || dropped != nil {
						t.Errorf("%s, want %s; dropped %v", got, want, dropped)
					}
					s = reopen(t, s)
				}
			})
		}
	}
}

func TestDamageInsideAnIndexCostsNoMoreThanItCovers(t *testing.T) {
	s := openStore(t)
	write(t, s, "a\n", "b\nc\n", "d\n", "e\n")
	saved(t, s)
	edit(t, s.indexPath("catalog", 1), func(b []byte) []byte { b[3*blockSize+8] ^= 1; return b })
	s = reopen(t, s)
	chunks, dropped, c := readAll(t, s, Cursor{}, 1)
	if got, want := chunkText(chunks), `catalog-1:"a\n" catalog-1:"d\n" catalog-1:"e\n"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if len(dropped) != 1 || dropped[0].Bytes != 4 {
		t.Errorf("dropped %v", dropped)
	}
	if c.At[0].Line != 5 {
		t.Errorf("line %d, want 5", c.At[0].Line)
	}
	for _, q := range []Query{{Tail: 1}, {Tail: 4}, {Since: time.Unix(0, 1)}} { // none fails
		if _, err := s.Seek(q); err != nil {
			t.Errorf("seek %+v: %v", q, err)
		}
	}
}

func TestFilesThatSomebodyDeletesAreDropped(t *testing.T) {
	s := openStore(t, WithSegments(10, 100))
	write(t, s, "first 1\n", "second 2\n", "third 3\n")
	if err := os.Remove(s.retiredPath("catalog", 2)); err != nil {
		t.Fatal(err)
	}
	chunks, dropped, _ := readAll(t, s, Cursor{}, 1)
	if got, want := chunkText(chunks), `catalog-1:"first 1\n" catalog-1:"third 3\n"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if want := []Drop{{"catalog", 1, 9}}; !slices.Equal(dropped, want) {
		t.Errorf("dropped %v, want %v", dropped, want)
	}
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	filter, err := NewFilter("first", false, Unknown)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []Query{{Tail: 1}, {Tail: 2}, {Tail: 1, Filter: filter}, {Since: time.Unix(0, 1)}} { // none fails
		if _, err := s.Seek(q); err != nil {
			t.Errorf("seek %+v: %v", q, err)
		}
	}
	write(t, s, "fourth\n")
	chunks, _, _ = readAll(t, s, Cursor{}, 1)
	if got, want := chunkText(chunks), `catalog-1:"fourth\n"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestASlowReaderIsToldWhatRotationTook(t *testing.T) {
	s := openStore(t, WithSegments(1000, 3))
	w := s.Writer("catalog", "catalog-1")
	defer w.Close()
	line := func(i int) string { return fmt.Sprintf("line %05d\n", i) }
	const size = 11
	put := func(from, to int) {
		for i := from; i < to; i++ {
			io.WriteString(w, line(i))
		}
	}
	put(0, 10)
	b, err := s.Next(t.Context(), Cursor{}, 1<<20)
	if err != nil || text(b.Chunks) != text([]Chunk{{Data: []byte(strings.Join(lines(0, 10, line), ""))}}) {
		t.Fatal(text(b.Chunks), err)
	}
	put(10, 5000)
	chunks, dropped, c := readAll(t, s, b.Cursor, 100)
	if len(dropped) != 1 || dropped[0].Lines == 0 || dropped[0].Bytes != dropped[0].Lines*size {
		t.Fatalf("dropped %+v", dropped)
	}
	first := 10 + int(dropped[0].Lines)
	if got := text(chunks); got != strings.Join(lines(first, 5000, line), "") {
		t.Errorf("after %d dropped lines: %q…", dropped[0].Lines, got[:50])
	}
	if c.At[0].Line != 5000 || c.At[0].Offset != 5000*size {
		t.Errorf("cursor %+v", c)
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "*"))
	if err != nil || len(files) != 6 {
		t.Errorf("%d files, want 3 segments: %v, %v", len(files), files, err)
	}
	// What is left reads the same after the store was opened again, and goes on.
	again := reopen(t, s, WithSegments(1000, 3))
	chunks2, dropped2, _ := readAll(t, again, b.Cursor, 1<<20)
	if text(chunks2) != text(chunks) || !slices.Equal(dropped2, dropped) {
		t.Errorf("opened again: %d bytes, dropped %v; want %d, %v", len(text(chunks2)), dropped2, len(text(chunks)), dropped)
	}
}

func lines(from, to int, line func(int) string) []string {
	var l []string
	for i := from; i < to; i++ {
		l = append(l, line(i))
	}
	return l
}

func TestRotationWhileReadersFollow(t *testing.T) {
	s := openStore(t, WithSegments(4096, 1000))
	w := s.Writer("catalog", "catalog-1")
	const n = 20_000
	go func() {
		defer w.Close()
		for i := range n {
			fmt.Fprintf(w, "line %d\n", i)
		}
	}()
	done := make(chan error, 4)
	for range cap(done) {
		go func() {
			var c Cursor
			for i := 0; i < n; {
				b, err := s.Next(t.Context(), c, 2000)
				if err != nil || len(b.Dropped) > 0 {
					done <- fmt.Errorf("%w, dropped %v", err, b.Dropped)
					return
				}
				for l := range strings.Lines(text(b.Chunks)) {
					if want := fmt.Sprintf("line %d\n", i); l != want {
						done <- fmt.Errorf("%q, want %q", l, want)
						return
					}
					i++
				}
				c = b.Cursor
				b.Release()
			}
			done <- nil
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestNamesOfFiles(t *testing.T) {
	s := openStore(t)
	for _, name := range []string{"catalog", "catalog.log", "catalog.log.7", "drafts", "a b/c:d", "..", "ü", "%41"} {
		w := s.Writer(name, name+"-1")
		io.WriteString(w, name+"\n")
		w.Close()
	}
	for range 2 { // in the pack, and in files
		s = reopen(t, s)
		if got := s.Services(); len(got) != 8 {
			t.Errorf("services %q", got)
		}
		for _, name := range s.Services() {
			chunks, _, _ := readAll(t, s, Cursor{Services: []string{name}}, 1)
			if text(chunks) != name+"\n" || chunks[0].Instance != name+"-1" {
				t.Errorf("%q: %+v", name, chunks)
			}
		}
		saved(t, s)
	}
}

func FuzzFileName(f *testing.F) {
	f.Add("catalog.log.7")
	f.Add("catalog.idx.08")
	f.Add("%2E.log")
	f.Fuzz(func(t *testing.T, file string) {
		service, kind, seq, ok := parseName(file)
		if !ok {
			return
		}
		back := fileName(service) + "." + kind
		if seq > 0 {
			back += fmt.Sprintf(".%d", seq)
		}
		if back != file {
			t.Errorf("%q is taken for %q", file, back)
		}
	})
}

// FuzzRebuild gives rebuild any index: what it makes is sound and covers the data.
func FuzzRebuild(f *testing.F) {
	good := appendHeader(nil, mark{100, 3})
	good = appendName(good, "catalog-1")
	good = appendRecord(good, record{name: 1, length: 4, lines: 2, time: 5})
	good = appendRecord(good, record{name: 1, offset: 4, length: 3, lines: 3, time: 7, flags: flagPartial})
	f.Add(good, []byte("a\nb\nabc"))
	f.Add(good[:len(good)-7], []byte("a\nb\nabcdef\ng"))
	f.Add([]byte{}, []byte("junk"))
	f.Fuzz(func(t *testing.T, old, data []byte) {
		fresh, err := rebuild(bytes.NewReader(data), int64(len(data)), 9, old, mark{7, 8})
		if err != nil {
			t.Fatal(err)
		}
		var x index
		x.reset(bytes.NewReader(fresh), len(fresh)/blockSize)
		if len(fresh)%blockSize != 0 || blockKind(fresh) != headerBlock {
			t.Fatal("no header")
		}
		var last record
		for i := 1; ; i++ {
			c, at, err := x.chunk(i)
			if err != nil {
				t.Fatal(err)
			}
			if at == x.blocks {
				break
			}
			i = at
			if int64(c.offset) != last.end() || c.length == 0 || c.time < last.time || c.lines < last.lines {
				t.Fatalf("%+v after %+v", c, last)
			}
			last = c
		}
		if last.end() != int64(len(data)) {
			t.Errorf("covers %d of %d bytes", last.end(), len(data))
		}
	})
}

func TestANameThatCannotBeReadIsNotForgotten(t *testing.T) {
	s := openStore(t)
	write(t, s, "one\n")
	saved(t, s)
	st := s.stream("catalog")
	h, err := st.segments[0].open()
	if err != nil {
		t.Fatal(err)
	}
	var x index
	x.reset(h.index, st.segments[0].blocks)
	h.close() // as a rotation does
	if name, err := st.name(&x, 1, 1); !gone(err) {
		t.Errorf("%q, %v", name, err)
	}
	chunks, _, _ := readAll(t, s, Cursor{}, 1)
	if got := chunkText(chunks); got != `catalog-1:"one\n"` {
		t.Error(got)
	}
}

func TestDataThatSomebodyCutsOffIsDropped(t *testing.T) {
	s := openStore(t, WithSegments(10, 100))
	write(t, s, "a\n", "b\n", "c\n", "another one\n")
	if err := os.Truncate(s.retiredPath("catalog", 1), 3); err != nil {
		t.Fatal(err)
	}
	chunks, dropped, _ := readAll(t, s, Cursor{}, 1)
	if got, want := chunkText(chunks), `catalog-1:"a\n" catalog-1:"another one\n"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	total := Drop{}
	for _, d := range dropped {
		total.Lines, total.Bytes = total.Lines+d.Lines, total.Bytes+d.Bytes
	}
	if total != (Drop{"", 2, 4}) {
		t.Errorf("dropped %v", dropped)
	}
}
