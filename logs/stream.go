package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// What stands in for a failing disk: so much of each service, in so many segments.
	memorySegmentSize = 64 << 10
	memorySegments    = 4

	// diskRetry is how long after a failure the disk is tried again. Each try
	// costs a few system calls that fail.
	diskRetry = time.Second
)

// stream is the log of one service. Writers hold writing over their system
// calls, so that chunks are in the file in the order of their times; readers
// only ever take mu, which nothing slow is done under.
type stream struct {
	store   *Store
	service string

	writing  sync.Mutex
	writers  int
	files    *activeFiles      // what is appended to; nil before the first chunk, without writers, or when the disk fails
	names    map[string]uint32 // where the instances' names begin in the index that is written
	memory   *memory           // what is appended to while the disk fails
	failed   time.Time
	reported string // the failure that was reported last
	blocks   []byte

	mu       sync.Mutex
	loaded   bool
	loading  error
	segments []segment // oldest first
	named    map[nameKey]string
}

type nameKey struct {
	seq   int
	block uint32
}

// activeFiles are the open files of the segment that is written.
type activeFiles struct{ data, index *os.File }

func (f *activeFiles) close() {
	_ = f.data.Close()
	_ = f.index.Close()
}

// memory is a segment that has no files.
type memory struct{ data, index []byte }

// append writes one chunk. It never fails: what the disk does not take goes
// to memory, and the failure is reported once.
func (st *stream) append(instance string, flags uint8, b []byte) {
	lines := lineStarts(b, flags)
	st.writing.Lock()
	err := st.appendDisk(instance, flags, b, lines)
	if err != nil {
		st.appendMemory(instance, flags, b, lines)
	}
	report := err != nil && !errors.Is(err, errDiskFailed) && err.Error() != st.reported
	if report {
		st.reported = err.Error()
	}
	st.writing.Unlock()
	st.store.notify(st.service)
	if report {
		st.store.onError(fmt.Errorf("write the log of %s: %w", st.service, err))
	}
}

// errDiskFailed says that the disk has failed just now and is not tried.
var errDiskFailed = errors.New("the disk has failed")

func (st *stream) appendDisk(instance string, flags uint8, b []byte, lines uint32) (err error) {
	now := st.store.now()
	if !st.failed.IsZero() && now.Sub(st.failed) < diskRetry {
		return errDiskFailed
	}
	defer func() {
		if err != nil {
			st.failed = now
			st.closeFiles()
		}
	}()
	if st.files == nil {
		if err := st.openFiles(); err != nil {
			return err
		}
	}
	g := st.lastSegment()
	if g.size > 0 && g.size+int64(len(b)) > st.store.segmentSize {
		if err := st.newSegment(); err != nil {
			return err
		}
		g = st.lastSegment()
	}
	r, blocks := st.record(g, instance, flags, b, lines, now)
	if _, err := st.files.data.WriteAt(b, g.size); err != nil {
		_ = st.files.data.Truncate(g.size) // what was taken is not covered by a record: better without it
		return err
	}
	if _, err := st.files.index.WriteAt(blocks, int64(g.blocks)*blockSize); err != nil {
		_ = st.files.data.Truncate(g.size)
		return err
	}
	st.mu.Lock()
	st.segments[len(st.segments)-1].add(r, len(blocks)/blockSize)
	st.mu.Unlock()
	st.failed, st.reported, st.memory = time.Time{}, "", nil
	return nil
}

// record makes the blocks of a chunk that goes to the end of g: its record,
// before it the instance's name where the index does not have it yet.
func (st *stream) record(g segment, instance string, flags uint8, b []byte, lines uint32, now time.Time) (record, []byte) {
	st.blocks = st.blocks[:0]
	name, ok := st.names[instance]
	if !ok {
		name = uint32(g.blocks)
		st.names[instance] = name
		st.blocks = appendName(st.blocks, instance)
	}
	r := record{
		flags:  flags,
		name:   name,
		offset: uint32(g.size),
		length: uint32(len(b)),
		lines:  uint32(g.lines) + lines,
		time:   max(now.UnixNano(), g.last),
	}
	st.blocks = appendRecord(st.blocks, r)
	return r, st.blocks
}

// appendMemory writes a chunk to the segments in memory.
func (st *stream) appendMemory(instance string, flags uint8, b []byte, lines uint32) {
	g := st.lastSegment()
	if st.memory == nil || g.path != "" || g.size > 0 && g.size+int64(len(b)) > memorySegmentSize {
		st.memory = &memory{index: appendHeader(nil, g.end())}
		st.names = map[string]uint32{}
		g = segment{seq: g.seq + 1, base: g.end(), blocks: 1, last: g.last}
		st.mu.Lock()
		st.segments = append(st.segments, g)
		st.forget()
		st.mu.Unlock()
	}
	r, blocks := st.record(g, instance, flags, b, lines, st.store.now())
	m := st.memory
	m.data, m.index = append(m.data, b...), append(m.index, blocks...)
	st.mu.Lock()
	defer st.mu.Unlock()
	last := &st.segments[len(st.segments)-1]
	last.add(r, len(blocks)/blockSize)
	last.data, last.index = bytes.NewReader(m.data), bytes.NewReader(m.index)
}

// forget drops the oldest segments in memory but the newest few. st.mu is held.
func (st *stream) forget() {
	n := 0
	for i := len(st.segments) - 1; i >= 0; i-- {
		if st.segments[i].path != "" {
			continue
		}
		if n++; n > memorySegments {
			st.segments = slices.Delete(st.segments, i, i+1)
		}
	}
}

// lastSegment returns the newest segment, the zero segment when there is none.
func (st *stream) lastSegment() segment {
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.segments) == 0 {
		return segment{}
	}
	return st.segments[len(st.segments)-1]
}

// openFiles opens the newest segment for more, or begins one.
func (st *stream) openFiles() error {
	g := st.lastSegment()
	if g.path != st.store.activePath(st.service) || g.blocks == 0 {
		return st.newSegment()
	}
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
	last := st.lastSegment()
	active := st.store.activePath(st.service)
	if err := st.retire(active); err != nil {
		return err
	}
	if err := os.MkdirAll(st.store.dir, 0o755); err != nil {
		return err
	}
	g := segment{seq: last.seq + 1, base: last.end(), last: last.last, blocks: 1, path: active}
	g.indexPath = st.store.indexPath(st.service, g.seq)
	index, err := os.OpenFile(g.indexPath, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if _, err := index.Write(appendHeader(nil, g.base)); err != nil {
		_ = index.Close()
		return err
	}
	data, err := os.OpenFile(g.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		_ = index.Close()
		return err
	}
	st.mu.Lock()
	st.segments = append(st.segments, g)
	old := st.expired()
	st.mu.Unlock()
	st.use(&activeFiles{data, index})
	for _, g := range old {
		_ = os.Remove(g.path) // what cannot be deleted now is found when the store opens next
		_ = os.Remove(g.indexPath)
	}
	return nil
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

// expired takes the oldest segments on disk out, but for the newest few, and
// returns them. st.mu is held.
func (st *stream) expired() []segment {
	var old []segment
	n := 0
	for i := len(st.segments) - 1; i >= 0; i-- {
		if st.segments[i].path == "" {
			continue
		}
		if n++; n > st.store.segmentCount {
			old = append(old, st.segments[i])
			maps.DeleteFunc(st.named, func(k nameKey, _ string) bool { return k.seq == st.segments[i].seq })
			st.segments = slices.Delete(st.segments, i, i+1)
		}
	}
	return old
}
