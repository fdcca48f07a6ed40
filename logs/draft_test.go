package logs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pass lets a bubble's clock go on by d, and all that is due then happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// files returns the names of a store's files.
func files(t testing.TB, s *Store) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(s.dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range paths {
		paths[i] = filepath.Base(p)
	}
	return paths
}

func TestALogIsReadAtOnceAndSavedWithinASecond(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		w, silent := s.Writer("catalog", "catalog-1"), s.Writer("orders", "orders-1")
		io.WriteString(w, "one\n")
		pass(packAfter - time.Millisecond)
		io.WriteString(w, "two\n")
		if got := files(t, s); len(got) > 0 {
			t.Errorf("too early on disk: %v", got)
		}
		b, err := s.Next(t.Context(), Cursor{}, 1<<20)
		if err != nil || chunkText(b.Chunks) != `catalog-1:"one\n" catalog-1:"two\n"` {
			t.Errorf("%s, %v", chunkText(b.Chunks), err)
		}
		if got := s.Tail("catalog-1", 1); !slices.Equal(got, []string{"two"}) {
			t.Errorf("tail %q", got)
		}
		from, err := s.Seek(Query{Tail: 1})
		if err != nil || from.At[0].Line != 1 {
			t.Errorf("seek: %+v, %v", from, err)
		}

		stored := func(want string) {
			t.Helper()
			r, err := OpenReadOnly(dir)
			if err != nil {
				t.Fatal(err)
			}
			chunks, dropped, _ := readAll(t, r, from, 1)
			if got := chunkText(chunks); got != want || dropped != nil {
				t.Errorf("%s, want %s; dropped %v", got, want, dropped)
			}
		}
		pass(time.Millisecond) // counted from the first line
		stored(`catalog-1:"two\n"`)
		io.WriteString(w, "three\n")
		pass(packAfter)
		stored(`catalog-1:"two\n" catalog-1:"three\n"`)
		io.WriteString(w, "four\n")
		pass(packAfter)
		if got := files(t, s); !slices.Equal(got, []string{packName}) {
			t.Errorf("files too early: %v", got)
		}
		pass(fileAfter + fileSpread)
		if got := files(t, s); !slices.Equal(got, []string{"catalog.idx.1", "catalog.log", packName}) {
			t.Errorf("files %v", got)
		}
		if got, err := os.ReadFile(s.activePath("catalog")); err != nil || string(got) != "one\ntwo\nthree\nfour\n" {
			t.Errorf("%q, %v", got, err)
		}
		stored(`catalog-1:"two\n" catalog-1:"three\n" catalog-1:"four\n"`)
		w.Close()
		silent.Close()
		if got := files(t, s); len(got) != 3 {
			t.Errorf("a silent service has files: %v", got)
		}
	})
}

func TestADraftIsBounded(t *testing.T) {
	for _, line := range []string{"\n", "ten bytes\n", strings.Repeat("x", 9999) + "\n"} {
		s := openStore(t)
		w := s.Writer("catalog", "catalog-1")
		defer w.Close()
		n := 0
		for saved := false; !saved; n++ {
			io.WriteString(w, line)
			w.st.writing.Lock()
			d := w.st.draft
			if d != nil && len(d.data)+len(d.index) > draftSize+3*blockSize {
				t.Errorf("%d bytes and %d of index in memory", len(d.data), len(d.index))
			}
			saved = d == nil
			w.st.writing.Unlock()
		}
		if got, err := os.ReadFile(s.activePath("catalog")); err != nil || string(got) != strings.Repeat(line, n) {
			t.Errorf("%d lines of %d bytes: %d bytes on disk, %v", n, len(line), len(got), err)
		}
	}
	s := openStore(t)
	w := s.Writer("catalog", "catalog-1")
	defer w.Close()
	io.WriteString(w, strings.Repeat("y", draftSize)+"\n")
	if info, err := os.Stat(s.activePath("catalog")); err != nil || info.Size() != draftSize+1 {
		t.Errorf("a large chunk is not on disk: %v", err)
	}
}

func TestCloseKeepsWhatAnotherWriterBegan(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		one, two := s.Writer("catalog", "catalog-1"), s.Writer("catalog", "catalog-2")
		defer one.Close()
		io.WriteString(one, "one\n")
		io.WriteString(two, "two\n")
		two.Close()
		r, err := OpenReadOnly(dir)
		if err != nil {
			t.Fatal(err)
		}
		if chunks, _, _ := readAll(t, r, Cursor{}, 1); text(chunks) != "one\ntwo\n" {
			t.Errorf("%q", text(chunks))
		}
		pass(fileAfter + fileSpread) // the other writer sees to the files
		if got, err := os.ReadFile(s.activePath("catalog")); err != nil || string(got) != "one\ntwo\n" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestADraftThatCannotBeSavedIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var reports []error
		s, err := Open(dir, OnError(func(err error) { reports = append(reports, err) }))
		if err != nil {
			t.Fatal(err)
		}
		path := s.activePath("catalog")
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		w := s.Writer("catalog", "catalog-1")
		io.WriteString(w, "one\n")
		pass(fileAfter + fileSpread + 10*diskRetry)
		if len(reports) != 1 || !slices.Equal(files(t, s), []string{"catalog.log", packName}) {
			t.Errorf("reports %v, files %v", reports, files(t, s))
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		pass(diskRetry) // and nothing more is written
		if got, err := os.ReadFile(path); err != nil || string(got) != "one\n" {
			t.Errorf("%q, %v", got, err)
		}
		w.Close()
		chunks, dropped, _ := readAll(t, s, Cursor{}, 1)
		if text(chunks) != "one\n" || dropped != nil {
			t.Errorf("%q, dropped %v", text(chunks), dropped)
		}
	})
}

// The cause is one, however many files it concerns.
func TestAFailureIsReportedOnceThoughFilesChange(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	synctest.Test(t, func(t *testing.T) {
		var reports []error
		s, err := Open(dir, OnError(func(err error) { reports = append(reports, err) }))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir, nil, 0o644); err != nil { // a file where the folder should be
			t.Fatal(err)
		}
		w := s.Writer("catalog", "catalog-1")
		for range 20 {
			io.WriteString(w, strings.Repeat("x", draftSize-1)+"\n")
			pass(diskRetry)
		}
		w.Close()
		if len(reports) != 1 {
			t.Errorf("%d reports: %v", len(reports), reports)
		}
	})
}

func TestReadersFollowFromMemoryToDisk(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		w := s.Writer("catalog", "catalog-1")
		defer w.Close()
		var c Cursor
		for i := range 100 {
			line := fmt.Sprintf("line %d\n", i)
			go func() {
				pass(7 * time.Millisecond)
				io.WriteString(w, line)
			}()
			b, err := s.Next(t.Context(), c, 1)
			if err != nil || text(b.Chunks) != line || len(b.Dropped) > 0 {
				t.Fatalf("%q, %v, dropped %v; want %q", text(b.Chunks), err, b.Dropped, line)
			}
			c = b.Cursor
		}
	})
}

func TestSegmentsInMemoryAreDeletedWithTheirNeighbours(t *testing.T) {
	s := openStore(t, WithSegments(100, 2))
	w := s.Writer("catalog", "catalog-1")
	defer w.Close()
	line := strings.Repeat("x", 79) + "\n"
	for i := range 20 {
		failed := time.Time{}
		if i == 3 {
			failed = s.now() // this chunk stays in memory
		}
		w.st.writing.Lock()
		w.st.failed = failed
		w.st.writing.Unlock()
		io.WriteString(w, line)
	}
	if n := len(w.st.snapshot()); n > 3 {
		t.Errorf("%d segments are left", n)
	}
}

func TestStoppingAnAlarmWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a alarm
		var ran atomic.Int32
		f := func() {
			ran.Add(1)
			<-time.After(time.Second)
			ran.Add(1)
		}
		a.in(time.Minute, f)
		a.in(time.Second, f) // it moves
		pass(time.Second)
		a.stop()
		if ran.Load() != 2 {
			t.Errorf("stop returned while it ran: %d", ran.Load())
		}
		a.in(0, f)
		pass(time.Minute)
		if ran.Load() != 2 {
			t.Error("it ran after stop")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var a alarm
		a.stop()
		a = alarm{}
		a.in(time.Hour, func() { t.Error("it rang") })
		a.stop()
	})
}

func TestAPieceOfALineIsNotCutInASequence(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		w := s.Writer("catalog", "catalog-1")
		io.WriteString(w, "name \x1b[3")
		pass(partialAfter)
		io.WriteString(w, "1mred gr\xc3")
		pass(partialAfter)
		io.WriteString(w, "\xbcn\x1b[0m\nend\x1b")
		pass(3 * partialAfter)
		chunks, _, _ := readAll(t, s, Cursor{}, 1)
		if got, want := chunkText(chunks), `catalog-1:"name " catalog-1:"\x1b[31mred gr" catalog-1:"ün\x1b[0m\n" catalog-1:"end" catalog-1:"\x1b"`; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		whole(t, chunks)
		w.Close()
	})
}

func TestFinished(t *testing.T) {
	for _, test := range []struct{ held, whole string }{
		{"\x1b", "\x1b[m"},
		{"\x1b[38;5;1", "\x1b[38;5;12m"},
		{"\x1b]8;;http://127.0.0.1/", "\x1b]8;;http://127.0.0.1/\x1b\\"},
		{"\x1b]0;title\x1b", "\x1b]0;title\a"},
		{"\x1b(", "\x1b(B"},
		{"\xe2\x82", "\xe2\x82\xac"},
		{"", "\xff"},
		{"", strings.Repeat("\x1b[1;", maxHeld)},
	} {
		const before = "text \x1b[1m\xff"
		if got := finished([]byte(before + test.held)); got != len(before) {
			t.Errorf("%q: %d, want %d", before+test.held, got, len(before))
		}
		if got := finished([]byte(before + test.whole)); got != len(before+test.whole) && test.held != "" {
			t.Errorf("%q: %d, want all of it", before+test.whole, got)
		}
	}
	if got := finished(bytes.Repeat([]byte{'x'}, MaxLine)); got != MaxLine {
		t.Errorf("%d", got)
	}
}
