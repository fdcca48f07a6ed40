package logs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// activeFiles are the open files of the segment that is written.
type activeFiles struct{ data, index *os.File }

func (f *activeFiles) close() {
	_ = f.data.Close()
	_ = f.index.Close()
}

// openFile opens a file, making its folder when that is missing.
func openFile(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags, 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			f, err = os.OpenFile(path, flags, 0o644)
		}
	}
	return f, err
}

// createFile makes a file, or empties it, and writes b. It leaves none behind
// when that fails.
func createFile(path string, b []byte) (*os.File, error) {
	f, err := openFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(b); err != nil {
		_ = f.Close()
		_ = os.Remove(path)
		return nil, err
	}
	return f, nil
}

// continues reports whether the newest segment has files that can be appended to.
func (st *stream) continues() bool {
	g := st.lastSegment()
	return g.path == st.store.activePath(st.service) && g.blocks > 0
}

// openFiles opens the newest segment for more, or begins one.
func (st *stream) openFiles() error {
	if st.draft != nil {
		return st.save()
	}
	if !st.continues() {
		return st.newSegment()
	}
	g := st.lastSegment()
	data, err := os.OpenFile(g.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return st.newSegment() // somebody deleted it
	}
	if err != nil {
		return err
	}
	index, err := os.OpenFile(g.indexPath, os.O_RDWR, 0)
	if err != nil {
		_ = data.Close()
		return err
	}
	st.use(&activeFiles{data, index})
	return nil
}

// use makes f the files of the newest segment, for writing and for reading.
func (st *stream) use(f *activeFiles) {
	st.files, st.names = f, map[string]uint32{}
	st.mu.Lock()
	defer st.mu.Unlock()
	g := &st.segments[len(st.segments)-1]
	g.data, g.index = f.data, f.index
}

func (st *stream) closeFiles() {
	if st.files == nil {
		return
	}
	st.mu.Lock()
	for i := range st.segments {
		if st.segments[i].data == io.ReaderAt(st.files.data) {
			st.segments[i].data, st.segments[i].index = nil, nil
		}
	}
	st.mu.Unlock()
	st.files.close()
	st.files = nil
}

// newSegment ends the segment that is written and begins the next. The files
// are closed for the renaming: not every system renames open ones.
func (st *stream) newSegment() error {
	st.closeFiles()
	st.begin()
	return st.save()
}

// retire gives the segment that has the active name its own. Readers that are
// about to open it look up the name under st.mu, so that is held.
func (st *stream) retire(active string) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	i := slices.IndexFunc(st.segments, func(g segment) bool { return g.path == active })
	if i < 0 {
		return nil
	}
	g := &st.segments[i]
	path := st.store.retiredPath(st.service, g.seq)
	err := os.Rename(active, path)
	if g.size == 0 && g.blocks > 0 || errors.Is(err, fs.ErrNotExist) {
		_ = os.Remove(path) // it was begun on a failing disk, or deleted by somebody: nothing to keep
		_ = os.Remove(g.indexPath)
		st.segments = slices.Delete(st.segments, i, i+1)
		return nil
	}
	if err != nil {
		return err
	}
	g.path = path
	return nil
}

// expired takes the oldest segments out, but for the newest few that are on
// disk, and returns those that have files. st.mu is held.
func (st *stream) expired() []segment {
	inMemory := func(g segment) bool { return g.path == "" }
	kept := 0
	for i := len(st.segments) - 1; i > 0; i-- {
		if inMemory(st.segments[i]) {
			continue
		}
		if kept++; kept == st.store.segmentCount {
			old := slices.DeleteFunc(slices.Clone(st.segments[:i]), inMemory)
			st.remove(0, i)
			return old
		}
	}
	return nil
}

// remove takes segments from to to out. st.mu is held.
func (st *stream) remove(from, to int) {
	for _, g := range st.segments[from:to] {
		maps.DeleteFunc(st.named, func(k nameKey, _ string) bool { return k.seq == g.seq })
	}
	st.segments = slices.Delete(st.segments, from, to)
}
