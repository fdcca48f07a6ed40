package logs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestADiskThatFailsIsReportedOnceAndMemoryGoesOn(t *testing.T) {
	for _, test := range []struct {
		name  string
		block func(path string) error // make the log unwritable
		after time.Duration           // when a draft is to have files
		pack  bool                    // make the pack unwritable, too
	}{
		{"full", func(path string) error { return os.Symlink("/dev/full", path) }, 1, false},
		{"in the way", func(path string) error { return os.Mkdir(path, 0o755) }, 1, false},
		{"pack full, too", func(path string) error { return os.Symlink("/dev/full", path) }, fileAfter, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := os.Stat("/dev/full"); err != nil && test.name != "in the way" {
				t.Skip("needs /dev/full")
			}
			reports := make(chan error, 100)
			s := openStore(t)
			path := s.activePath("catalog")
			if err := test.block(path); err != nil {
				t.Fatal(err)
			}
			s, err := Open(s.dir, filesAfter(test.after), OnError(func(err error) { reports <- err }))
			if err != nil {
				t.Fatal(err)
			}
			if test.pack {
				if err := os.Symlink("/dev/full", filepath.Join(s.dir, packName)); err != nil {
					t.Fatal(err)
				}
			}
			w := s.Writer("catalog", "catalog-1")
			defer w.Close()
			for i := range 3 {
				if _, err := fmt.Fprintf(w, "line %d\n", i); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-reports; !strings.Contains(err.Error(), "catalog") {
				t.Errorf("reported %v", err)
			}
			b, err := s.Next(t.Context(), Cursor{}, 1<<20)
			if err != nil || text(b.Chunks) != "line 0\nline 1\nline 2\n" {
				t.Fatalf("%q, %v", text(b.Chunks), err)
			}
			if got := s.Tail("catalog-1", 2); !slices.Equal(got, []string{"line 1", "line 2"}) {
				t.Errorf("tail %q", got)
			}
			// Memory is bounded, and says what it dropped.
			big := strings.Repeat("x", 999) + "\n"
			for range 1000 {
				io.WriteString(w, big)
			}
			b, err = s.Next(t.Context(), b.Cursor, 1<<30)
			if err != nil || len(b.Dropped) != 1 || b.Dropped[0].Lines+int64(len(b.Chunks)) != 1000 {
				t.Fatalf("dropped %v and read %d of 1000, %v", b.Dropped, len(b.Chunks), err)
			}
			if kept := len(text(b.Chunks)); kept < draftSize || kept > draftCount*draftSize {
				t.Errorf("kept %d bytes", kept)
			}
			if len(reports) > 0 {
				t.Errorf("reported again: %v", <-reports)
			}
			// The disk works again.
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			w.st.writing.Lock()
			w.st.failed = w.st.failed.Add(-diskRetry)
			w.st.writing.Unlock()
			io.WriteString(w, "back\n")
			chunks, _, _ := readAll(t, s, b.Cursor, 1)
			if text(chunks) != "back\n" {
				t.Errorf("read %q", text(chunks))
			}
			if got, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(got), big+"back\n") {
				t.Errorf("on disk: %q, %v", got, err)
			}
		})
	}
}
