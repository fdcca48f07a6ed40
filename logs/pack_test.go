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

// filesAfter lets drafts have files when they are d old.
func filesAfter(d time.Duration) Option {
	return func(s *Store) { s.fileAfter, s.fileSpread = d, 1 }
}

func openReadOnly(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// writeAs writes text as an instance of a service.
func writeAs(t testing.TB, s *Store, service, instance, text string) {
	t.Helper()
	w := s.Writer(service, instance)
	io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// same checks that two stores have the same from c on, to the last field.
func same(t testing.TB, got, want *Store, c Cursor) {
	t.Helper()
	a, droppedA, endA := readAll(t, got, c, 1)
	b, droppedB, endB := readAll(t, want, c, 1)
	equal := func(a, b Chunk) bool {
		return a.Time.Equal(b.Time) && a.Service == b.Service && a.Instance == b.Instance &&
			bytes.Equal(a.Data, b.Data) && a.Partial == b.Partial && a.Continued == b.Continued
	}
	if !slices.EqualFunc(a, b, equal) || droppedA != nil || droppedB != nil {
		t.Errorf("%s, dropped %v; want %s, dropped %v", chunkText(a), droppedA, chunkText(b), droppedB)
	}
	place := func(a, b Position) bool { return a.Service == b.Service && a.Offset == b.Offset && a.Line == b.Line }
	if !slices.EqualFunc(endA.At, endB.At, place) {
		t.Errorf("ends at %+v, want %+v", endA.At, endB.At)
	}
}

func TestDraftsGoOnWhereTheStoreIsOpenedAgain(t *testing.T) {
	s := openStore(t)
	long := strings.Repeat("a long name ", 9)
	var middle Cursor
	for run := range 4 {
		if run > 0 {
			again := reopen(t, s)
			same(t, again, s, Cursor{})
			same(t, again, s, middle)
			s = again
		}
		one, two := s.Writer("catalog", "catalog-1"), s.Writer("catalog", long)
		other := s.Writer("orders", "orders-1")
		for i := range 3 {
			fmt.Fprintf(one, "one %d.%d\n", run, i)
			fmt.Fprintf(two, "two %d.%d\nand\n", run, i)
			fmt.Fprintf(other, "prompt %d.%d> ", run, i)
		}
		one.Close()
		two.Close()
		_, _, middle = readAll(t, s, Cursor{}, 1)
		other.Close()
		same(t, openReadOnly(t, s.dir), s, Cursor{})
	}
	if got := files(t, s); !slices.Equal(got, []string{packName}) {
		t.Errorf("files %v", got)
	}
	from, err := openReadOnly(t, s.dir).Seek(Query{Services: []string{"catalog"}, Tail: 2})
	if err != nil || from.At[0].Line != 34 {
		t.Errorf("seek: %+v, %v", from, err)
	}

	w := s.Writer("catalog", "catalog-1") // more than a draft takes
	for range 100 {
		io.WriteString(w, strings.Repeat("x", 999)+"\n")
	}
	w.Close()
	if got := files(t, s); !slices.Equal(got, []string{"catalog.idx.1", "catalog.log", packName}) {
		t.Errorf("files %v", got)
	}
	same(t, openReadOnly(t, s.dir), s, Cursor{})
	same(t, reopen(t, s), s, middle)
}

// A kill may leave any part of the last entry, and of the files of a draft.
func TestATornPackCostsNoMoreThanItsEnd(t *testing.T) {
	s := openStore(t)
	path := filepath.Join(s.dir, packName)
	write(t, s, "one\n")
	writeAs(t, s, "orders", "orders-1", "two\n")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, "three\n")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(before); cut <= len(whole); cut++ {
		for _, damage := range []string{"", "\x00", strings.Repeat("junk", 50)} {
			if err := os.WriteFile(path, append(bytes.Clone(whole[:cut]), damage...), 0o644); err != nil {
				t.Fatal(err)
			}
			want := `catalog-1:"one\n" orders-1:"two\n"`
			if cut == len(whole) {
				want += ` catalog-1:"three\n"`
			}
			chunks, _, _ := readAll(t, openReadOnly(t, s.dir), Cursor{}, 1)
			if got := chunkText(chunks); got != want {
				t.Fatalf("cut at %d: %s, want %s", cut, got, want)
			}
			write(t, reopen(t, s), "four\n")
			chunks, dropped, _ := readAll(t, reopen(t, s), Cursor{}, 1)
			if got := chunkText(chunks); got != want+` catalog-1:"four\n"` || dropped != nil {
				t.Fatalf("cut at %d, after more: %s, dropped %v", cut, got, dropped)
			}
		}
	}
}

func TestAKillWhileADraftGetsItsFiles(t *testing.T) {
	for _, test := range []struct {
		name        string
		data, index func([]byte) []byte // what of the files is there; nil is nothing
	}{
		{"no files", nil, nil},
		{"index empty", nil, func([]byte) []byte { return nil }},
		{"half an index", nil, func(b []byte) []byte { return b[:len(b)-40] }},
		{"index only", nil, bytes.Clone},
		{"data empty", func([]byte) []byte { return nil }, bytes.Clone},
		{"half of the data", func(b []byte) []byte { return b[:3] }, bytes.Clone},
		{"both", bytes.Clone, bytes.Clone},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := openStore(t)
			write(t, s, "older\n")
			saved(t, s)
			if err := s.stream("catalog").retire(s.activePath("catalog")); err != nil {
				t.Fatal(err)
			}
			write(t, s, "one\n", "two\n")
			want := openReadOnly(t, s.dir)
			readAll(t, want, Cursor{}, 1)
			pack, err := os.ReadFile(filepath.Join(s.dir, packName))
			if err != nil {
				t.Fatal(err)
			}
			saved(t, s)
			if err := os.WriteFile(filepath.Join(s.dir, packName), pack, 0o644); err != nil {
				t.Fatal(err)
			}
			for path, left := range map[string]func([]byte) []byte{
				s.activePath("catalog"): test.data, s.indexPath("catalog", 2): test.index,
			} {
				if left != nil {
					edit(t, path, left)
				} else if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			same(t, openReadOnly(t, s.dir), want, Cursor{})
			for range 2 {
				s = reopen(t, s)
				same(t, s, want, Cursor{})
			}
			write(t, s, "three\n")
			for range 2 {
				same(t, openReadOnly(t, s.dir), s, Cursor{})
				chunks, _, _ := readAll(t, s, Cursor{}, 1)
				if got := text(chunks); got != "older\none\ntwo\nthree\n" {
					t.Errorf("%q", got)
				}
				saved(t, s)
			}
		})
	}
}

func TestFilesThatSomebodyDeletesDoNotComeBackFromThePack(t *testing.T) {
	s := openStore(t)
	write(t, s, "one\n")
	writeAs(t, s, "orders", "orders-1", "keep\n")
	st := s.stream("catalog")
	if err := st.save(); err != nil {
		t.Fatal(err)
	}
	st.closeFiles()
	for _, path := range []string{s.activePath("catalog"), s.indexPath("catalog", 1)} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if got := s.Services(); !slices.Equal(got, []string{"orders"}) && s.readOnly {
			t.Errorf("services %v", got)
		}
		s = openReadOnly(t, s.dir)
	}
	s = reopen(t, s)
	write(t, s, "new\n") // segment 1 again
	chunks, _, _ := readAll(t, openReadOnly(t, s.dir), Cursor{}, 1)
	if got := chunkText(chunks); got != `orders-1:"keep\n" catalog-1:"new\n"` {
		t.Error(got)
	}
}

func TestWritersGoOnWhenSomebodyDeletesThePack(t *testing.T) {
	s := openStore(t)
	w := s.Writer("catalog", "catalog-1")
	defer w.Close()
	for i := range 3 {
		fmt.Fprintf(w, "line %d\n", i)
		writeAs(t, s, "catalog", "catalog-2", "more\n") // packs both
		same(t, openReadOnly(t, s.dir), s, Cursor{})
		if err := os.RemoveAll(s.dir); err != nil {
			t.Fatal(err)
		}
	}
}

func TestThePackIsRewrittenWhenLittleOfItIsNeeded(t *testing.T) {
	s := openStore(t)
	s.pack.slack = 100_000
	path := filepath.Join(s.dir, packName)
	writeAs(t, s, "orders", "orders-1", "keep\n")
	writeAs(t, s, "orders", "orders-1", "this\n")
	line := strings.Repeat("x", 9999) + "\n"
	for i := range 200 {
		write(t, s, line)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if most := s.pack.slack + 2*draftSize; info.Size() > most {
			t.Fatalf("after %d lines: %d bytes, want at most %d", i, info.Size(), most)
		}
	}
	same(t, openReadOnly(t, s.dir), s, Cursor{})
	if s.pack.file != nil {
		t.Error("it is open without a writer")
	}

	saved(t, s)
	again := reopen(t, s)
	same(t, again, s, Cursor{})
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Errorf("nothing is needed, and %d bytes are there, %v", info.Size(), err)
	}
	write(t, again, "last\n")
	same(t, openReadOnly(t, s.dir), again, Cursor{})
}

// While files cannot be made the pack has what memory has, and no more.
func TestThePackIsBoundedWhenFilesCannotBeMade(t *testing.T) {
	s := openStore(t)
	s.pack.slack = 0
	if err := os.Mkdir(s.activePath("catalog"), 0o755); err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("x", 9999) + "\n"
	for range 200 {
		write(t, s, line)
	}
	if n := len(s.stream("catalog").snapshot()); n != draftCount {
		t.Errorf("%d drafts", n)
	}
	info, err := os.Stat(filepath.Join(s.dir, packName))
	if most := int64(2 * (draftCount + 1) * draftSize); err != nil || info.Size() > most {
		t.Errorf("%d bytes, want at most %d, %v", info.Size(), most, err)
	}
	from, err := s.Seek(Query{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, openReadOnly(t, s.dir), s, from)
	again := reopen(t, s)
	same(t, again, s, from)
	if err := os.Remove(s.activePath("catalog")); err != nil {
		t.Fatal(err)
	}
	saved(t, again)
	same(t, again, s, from)
	chunks, _, _ := readAll(t, openReadOnly(t, s.dir), Cursor{}, 1)
	if len(chunks) == 0 || len(text(chunks)) > draftSize {
		t.Errorf("saved are %d bytes", len(text(chunks)))
	}
}

// FuzzPack opens a store with any pack: nothing panics, what is found is read
// alike by all, and can be added to. With seal the checksums are right.
func FuzzPack(f *testing.F) {
	index := appendRecord(appendName(appendHeader(nil, mark{}), "catalog-1"), record{name: 1, length: 4, lines: 1, time: 5})
	first := appendEntry(nil, entry{service: "catalog", seq: 1, data: []byte("one\n"), index: index})
	second := appendEntry(bytes.Clone(first), entry{
		service: "catalog", seq: 1, from: lengths{4, len(index)},
		data: []byte("two\n"), index: appendRecord(nil, record{name: 1, offset: 4, length: 4, lines: 2, time: 6}),
	})
	for _, b := range [][]byte{
		nil, first, second, second[:len(second)-1], second[len(first):],
		appendEntry(bytes.Clone(second), entry{service: "catalog", seq: 1}),
		appendEntry(bytes.Clone(first), entry{service: "catalog", seq: 7, data: []byte("gap\n")}),
		appendEntry(nil, entry{service: "", seq: 1<<32 - 1, data: []byte("any"), index: []byte("junk")}),
	} {
		f.Add(b, true)
		f.Add(b, false)
	}
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal {
			b = resealed(b)
		}
		s := openStore(t)
		if err := os.WriteFile(filepath.Join(s.dir, packName), b, 0o644); err != nil {
			t.Fatal(err)
		}
		r := openReadOnly(t, s.dir)
		before, _, _ := readAll(t, r, Cursor{}, 10)
		if len(text(before)) > len(b) {
			t.Errorf("%d bytes of %d", len(text(before)), len(b))
		}
		s = reopen(t, s)
		writeAs(t, s, "catalog", "catalog-1", "new\n")
		chunks, _, _ := readAll(t, s, Cursor{}, 10)
		if got, want := len(text(chunks)), len(text(before))+len("new\n"); got != want {
			t.Errorf("%d bytes, want %d", got, want)
		}
		again, _, _ := readAll(t, openReadOnly(t, s.dir), Cursor{}, 10)
		if chunkText(again) != chunkText(chunks) {
			t.Errorf("%s, before %s", chunkText(again), chunkText(chunks))
		}
	})
}

// resealed gives the entries of a pack the checksums that they should have.
func resealed(b []byte) []byte {
	var out []byte
	for len(b) >= entryHead {
		e, n := decodeFields(b)
		if n == 0 {
			break
		}
		out, b = appendEntry(out, e), b[n:]
	}
	return append(out, b...)
}
