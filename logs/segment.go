package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// mark is a place in a log: the bytes and the lines before it.
type mark struct{ offset, line int64 }

// segment is a piece of a service's log with its index. Copies of it are
// handed to readers: what they describe does not change, it only ends.
type segment struct {
	seq    int
	base   mark  // where it begins in the log
	size   int64 // bytes that have a record
	lines  int64 // lines that begin in it
	blocks int   // of the index
	last   int64 // time of the last chunk

	path, indexPath string // "" in memory

	data, index io.ReaderAt // nil where the file is to be opened
}

func (g segment) end() mark { return mark{g.base.offset + g.size, g.base.line + g.lines} }

// add accounts for a chunk that was written, with the blocks it took.
func (g *segment) add(r record, blocks int) {
	g.size, g.lines, g.last = r.end(), int64(r.lines), r.time
	g.blocks += blocks
}

// handle is an open segment.
type handle struct {
	data, index io.ReaderAt
	files       []*os.File
}

func (g *segment) open() (handle, error) {
	h := handle{data: g.data, index: g.index}
	if h.data == nil {
		f, err := os.Open(g.path)
		if err != nil {
			return h, err
		}
		h.data, h.files = f, append(h.files, f)
	}
	if h.index == nil {
		f, err := os.Open(g.indexPath)
		if err != nil {
			h.close()
			return h, err
		}
		h.index, h.files = f, append(h.files, f)
	}
	return h, nil
}

func (h *handle) close() {
	for _, f := range h.files {
		_ = f.Close()
	}
	*h = handle{}
}

// gone reports whether a read failed because the segment was moved or deleted
// under it; looking it up again helps.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, os.ErrClosed)
}

// load completes a segment from its files. An index that does not fit the data
// is rebuilt: on disk when the log is ours, else in memory.
func (g *segment) load(prev mark, write bool) error {
	info, err := os.Stat(g.path)
	if err != nil {
		return err
	}
	ok, err := g.check(info.Size())
	if err != nil || ok {
		return err
	}
	old, err := os.ReadFile(g.indexPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.Open(g.path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	fresh, err := rebuild(f, info.Size(), info.ModTime().UnixNano(), old, prev)
	if err != nil {
		return fmt.Errorf("rebuild the index of %s: %w", g.path, err)
	}
	g.describe(fresh)
	if !write {
		g.index = bytes.NewReader(fresh)
		return nil
	}
	return replaceFile(g.indexPath, fresh)
}

// check completes the segment from its index, if that fits data of size bytes.
func (g *segment) check(size int64) (bool, error) {
	f, err := os.Open(g.indexPath)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	if info.Size()%blockSize != 0 || info.Size() == 0 {
		return false, nil
	}
	var x index
	x.reset(f, int(info.Size()/blockSize))
	head, err := x.block(0, false)
	if err != nil || blockKind(head) != headerBlock {
		return false, err
	}
	base := decodeHeader(head)
	last, _, err := x.before(x.blocks)
	if errors.Is(err, errDamaged) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if last.end() > size { // written between our looks at the two files, or lost by the disk
		if info, err = os.Stat(g.path); err != nil || info.Size() < last.end() {
			return false, err
		}
		size = last.end()
	}
	g.base, g.blocks = base, x.blocks
	g.size, g.lines, g.last = last.end(), int64(last.lines), last.time
	return last.end() == size, nil
}

// describe completes the segment from an index in memory that is whole.
func (g *segment) describe(fresh []byte) {
	var x index
	x.reset(bytes.NewReader(fresh), len(fresh)/blockSize)
	last, _, _ := x.before(x.blocks) // cannot fail: nothing is read, nothing is damaged
	g.base, g.blocks = decodeHeader(fresh), x.blocks
	g.size, g.lines, g.last = last.end(), int64(last.lines), last.time
}

// rebuild returns an index for size bytes of data: what is sound in the old
// one, and records without an instance, at time mtime, for what that leaves
// uncovered. Without a sound header the segment begins at prev.
func rebuild(data io.ReaderAt, size, mtime int64, old []byte, prev mark) ([]byte, error) {
	size = min(size, 1<<32-1) // offsets have 32 bits; our segments are far smaller
	base := prev
	if blockKind(old) == headerBlock {
		base = decodeHeader(old)
	}
	r := rebuilder{data: data, out: appendHeader(nil, base), names: map[uint32]uint32{}}
	r.old.reset(bytes.NewReader(old), len(old)/blockSize)
	for i := 1; i < r.old.blocks; i++ {
		b := old[i*blockSize:]
		if blockKind(b) != chunkBlock {
			continue
		}
		c := decodeRecord(b)
		if int64(c.offset) < r.last.end() || c.end() > size || c.time < r.last.time || c.length == 0 {
			continue
		}
		if err := r.fill(int64(c.offset), c.time); err != nil {
			return nil, err
		}
		r.keep(c)
	}
	if err := r.fill(size, max(mtime, r.last.time)); err != nil {
		return nil, err
	}
	return r.out, nil
}

type rebuilder struct {
	data  io.ReaderAt
	old   index
	out   []byte
	names map[uint32]uint32 // blocks of names, old to new
	last  record
	buf   []byte
}

// keep takes over a record with its name.
func (r *rebuilder) keep(c record) {
	if c.name != 0 {
		at, ok := r.names[c.name]
		if !ok {
			if name, _ := r.old.name(int(c.name)); name != "" { // it is read from memory
				at = uint32(len(r.out) / blockSize)
				r.out = appendName(r.out, name)
			}
			r.names[c.name] = at
		}
		c.name = at
	}
	r.last.lines = max(r.last.lines, c.lines) // filling may have counted more
	c.lines = r.last.lines
	r.out = appendRecord(r.out, c)
	r.last = c
}

// fill writes records for the data up to to, cut at line ends where it can be.
func (r *rebuilder) fill(to, time int64) error {
	var continued uint8
	for r.last.end() < to {
		if r.buf == nil {
			r.buf = make([]byte, MaxLine)
		}
		from := r.last.end()
		b := r.buf[:min(to-from, MaxLine)]
		if _, err := r.data.ReadAt(b, from); err != nil {
			return err
		}
		if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
			b = b[:i+1]
		}
		c := record{flags: continued, offset: uint32(from), length: uint32(len(b)), time: time}
		continued = 0
		if b[len(b)-1] != '\n' {
			c.flags |= flagPartial
			continued = flagContinued
		}
		c.lines = r.last.lines + lineStarts(b, c.flags)
		r.keep(c)
	}
	return nil
}

// lineStarts counts the lines that begin in a chunk.
func lineStarts(b []byte, flags uint8) uint32 {
	n := uint32(bytes.Count(b, []byte{'\n'}))
	if flags&flagPartial != 0 {
		n++
	}
	if flags&flagContinued != 0 {
		n--
	}
	return n
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, b []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, b, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
