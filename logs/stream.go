package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// diskRetry is how long after a failure the disk is tried again. Each try
// costs a few system calls that fail.
const diskRetry = time.Second

// stream is the log of one service. Writers hold writing over their system
// calls, so that chunks are in the file in the order of their times; those of
// other services have their own. Readers only ever take mu, which nothing slower
// than a rename is done under.
type stream struct {
	store   *Store
	service string

	writing  sync.Mutex
	writers  int
	files    *activeFiles      // of the newest segment; nil before the first chunk, without writers, or when the disk fails
	draft    *draft            // the newest segment when it has no files
	due      *alarm            // for the draft; nil without writers
	names    map[string]uint32 // where the instances' names begin in the index that is written
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

// enter and leave count the writers.
func (st *stream) enter() {
	st.store.pack.enter()
	st.writing.Lock()
	defer st.writing.Unlock()
	if st.writers++; st.writers == 1 {
		st.due = new(alarm)
	}
}

// leave returns when all that was written is on disk, even if that has failed
// just now.
func (st *stream) leave() {
	var due *alarm
	st.writing.Lock()
	st.failed = time.Time{}
	err := st.keep(false)
	news := st.news(err)
	if st.writers--; st.writers == 0 {
		st.closeFiles()
		due, st.due = st.due, nil
	}
	st.writing.Unlock()
	st.report(err, news)
	if due != nil {
		due.stop()
	}
	st.store.pack.leave()
}

// append writes one chunk. It never fails: what the disk does not take stays
// in memory, and the failure is reported once.
func (st *stream) append(instance string, flags uint8, b []byte) {
	lines := lineStarts(b, flags)
	st.writing.Lock()
	var err error
	if st.drafts(len(b)) {
		st.appendDraft(instance, flags, b, lines)
	} else if err = st.try(func() error { return st.appendDisk(instance, flags, b, lines) }); err != nil {
		st.appendDraft(instance, flags, b, lines)
	}
	news := st.news(err)
	st.writing.Unlock()
	st.store.notify(st.service)
	st.report(err, news)
}

// errDiskFailed says that the disk has failed just now and is not tried.
var errDiskFailed = errors.New("the disk has failed")

// try runs f, which writes to the disk, unless that has failed just now.
func (st *stream) try(f func() error) error {
	if !st.failed.IsZero() && st.store.now().Sub(st.failed) < diskRetry {
		return errDiskFailed
	}
	if err := f(); err != nil {
		st.failed = st.store.now()
		st.closeFiles()
		return err
	}
	st.failed, st.reported = time.Time{}, ""
	return nil
}

// news reports whether err is to be reported, and takes it for reported then.
// The same cause is not, be it with another file: a failing log goes through many.
func (st *stream) news(err error) bool {
	if err == nil || errors.Is(err, errDiskFailed) {
		return false
	}
	cause := err
	var path *fs.PathError
	var link *os.LinkError
	if errors.As(err, &path) {
		cause = path.Err
	} else if errors.As(err, &link) {
		cause = link.Err
	}
	known := st.reported == cause.Error()
	st.reported = cause.Error()
	return !known
}

func (st *stream) report(err error, news bool) {
	if news {
		st.store.onError(fmt.Errorf("write the log of %s: %w", st.service, err))
	}
}

func (st *stream) appendDisk(instance string, flags uint8, b []byte, lines uint32) error {
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
	r, blocks := st.record(g, instance, flags, b, lines)
	if _, err := st.files.data.WriteAt(b, g.size); err != nil {
		_ = st.files.data.Truncate(g.size) // what was taken is not covered by a record: better without it
		return err
	}
	if _, err := st.files.index.WriteAt(blocks, int64(g.blocks)*blockSize); err != nil {
		_ = st.files.data.Truncate(g.size)
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.segments[len(st.segments)-1].add(r, len(blocks)/blockSize)
	return nil
}

// record makes the blocks of a chunk that goes to the end of g: its record,
// before it the instance's name where the index does not have it yet.
func (st *stream) record(g segment, instance string, flags uint8, b []byte, lines uint32) (record, []byte) {
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
		time:   max(st.store.now().UnixNano(), g.last),
	}
	st.blocks = appendRecord(st.blocks, r)
	return r, st.blocks
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
