package logs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

// windowSize is how much data is read with one system call: enough that the
// call costs little, little enough that the data is still in the processor's
// cache when it is used.
const windowSize = 256 << 10

// buffers holds buffers of windowSize.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, windowSize)
	return &b
}}

var readers = sync.Pool{New: func() any { return new(reader) }}

func (b *Batch) empty() bool { return len(b.Chunks) == 0 && len(b.Dropped) == 0 }

// read returns what there is after c without blocking.
func (s *Store) read(c Cursor, budget int) (b Batch, err error) {
	open, err := s.behind(c)
	defer func() {
		for _, r := range open {
			r.release()
		}
		if err != nil {
			b.Release()
		}
	}()
	if err != nil || len(open) == 0 {
		return b, err
	}
	for used := 0; ; {
		next := earliest(open)
		if next == nil || used > 0 && used+int(next.rec.length) > budget {
			break
		}
		used += int(next.rec.length)
		alone := len(open) == 1
		if err := next.take(&b, max(budget-used, 0), alone); err != nil {
			if err = next.recover(err); err != nil {
				return b, err
			}
		}
		if err := next.peek(); err != nil {
			return b, err
		}
	}
	moved := make([]Position, 0, len(open))
	for _, r := range open {
		moved = append(moved, r.at)
		if r.dropped.Bytes > 0 {
			r.dropped.Service = r.st.service
			b.Dropped = append(b.Dropped, r.dropped)
		}
	}
	b.Cursor = c.with(moved)
	return b, nil
}

// behind opens a reader for each service of which c has not seen all; they are
// the caller's to release, after an error too.
func (s *Store) behind(c Cursor) (open []*reader, err error) {
	for _, st := range s.all() {
		if !c.selects(st.service) {
			continue
		}
		if err := st.load(); err != nil {
			if s.readOnly {
				return open, err
			}
			s.onError(err)
		}
		at, _ := c.position(st.service)
		end := st.lastSegment().end()
		if at.Offset == end.offset {
			continue
		}
		if at.Offset > end.offset || at.Offset < 0 {
			at = Position{Service: st.service} // of a log that was deleted since
		}
		r := newReader(st, at, c.Until)
		open = append(open, r)
		if err := r.peek(); err != nil {
			return open, err
		}
	}
	return open, nil
}

// earliest returns the reader whose chunk comes next, nil when none has one.
func earliest(open []*reader) *reader {
	var first *reader
	for _, r := range open {
		if r.have && (first == nil || r.rec.time < first.rec.time) {
			first = r
		}
	}
	return first
}

// reader goes forward through one service's log.
type reader struct {
	st    *stream
	at    Position
	until int64 // nanoseconds; 0 is none

	seg     segment
	files   handle
	index   index
	rec     record // the chunk at at; offset and length without what at has passed
	have    bool
	window  []byte // data of seg from windowAt on
	began   int64
	dropped Drop
}

func newReader(st *stream, at Position, until time.Time) *reader {
	r := readers.Get().(*reader)
	r.st, r.at = st, at
	if !until.IsZero() {
		r.until = st.store.onClock(until)
	}
	return r
}

// release ends the use of r.
func (r *reader) release() {
	r.files.close()
	r.index.reset(nil, 0)
	r.st, r.seg, r.window, r.until, r.have, r.dropped = nil, segment{}, nil, 0, false, Drop{}
	readers.Put(r)
}

// peek finds the chunk at r.at: rec, if have.
func (r *reader) peek() error {
	r.have = false
	for {
		err := r.find()
		if err == nil {
			return nil
		}
		if err = r.recover(err); err != nil {
			return err
		}
	}
}

// recover goes on after err where that is possible: at the same place when the
// segment was moved or deleted meanwhile, behind a chunk whose data is damaged.
func (r *reader) recover(err error) error {
	switch {
	case gone(err):
		r.files.close()
		r.seg, r.window = segment{}, nil
		return nil
	case errors.Is(err, errDamaged) && r.have:
		block := r.at.block
		m := mark{r.at.Offset + int64(r.rec.length), r.seg.base.line + int64(r.rec.lines)}
		if m.offset > r.seg.end().offset {
			m = r.seg.end() // a place beyond it would be taken for one of another log
		}
		r.drop(m)
		r.at.block = block + 1
		return nil
	}
	return err
}

func (r *reader) find() error {
	for {
		for r.at.Offset >= r.seg.end().offset {
			ok, err := r.enter()
			if !ok {
				return err
			}
		}
		off := r.at.Offset - r.seg.base.offset
		c, err := r.lookup(off)
		if err != nil {
			return err
		}
		if r.at.block == r.index.blocks {
			r.drop(r.seg.end()) // the index ends early
			continue
		}
		if r.until != 0 && c.time > r.until {
			return nil
		}
		if gap := int64(c.offset) - off; gap > 0 {
			block := r.at.block
			r.drop(mark{r.at.Offset + gap, r.at.Line}) // its record is damaged
			r.at.block = block
		} else if gap < 0 {
			c.offset, c.length = uint32(off), uint32(c.end()-off)
			c.flags &^= flagContinued // places inside a chunk are line starts
		}
		r.rec, r.have = c, true
		return nil
	}
}

// lookup returns the chunk that holds offset off of the segment, or the first
// one after it, and makes r.at.block its number.
func (r *reader) lookup(off int64) (record, error) {
	if i := r.at.block; i > 0 && i < r.index.blocks {
		c, i, err := r.index.chunk(i)
		if err == nil && i < r.index.blocks && int64(c.offset) == off {
			r.at.block = i
			return c, nil
		}
	}
	i, err := r.index.search(func(c record) bool { return c.end() > off })
	if errors.Is(err, errDamaged) {
		var c record
		c, r.at.block, err = r.index.scan(off)
		return c, err
	}
	if err != nil {
		return record{}, err
	}
	r.at.block = i
	if i == r.index.blocks {
		return record{}, nil
	}
	c, _, err := r.index.chunk(i)
	return c, err
}

// enter opens the segment that holds r.at or is the first after it; false when
// there is none.
func (r *reader) enter() (bool, error) {
	r.files.close()
	r.window = nil
	seg, files, err := r.st.segmentAt(r.at.Offset)
	if errors.Is(err, errDeleted) {
		r.drop(seg.end())
		return true, nil
	}
	if err != nil || seg.size == 0 {
		return false, err
	}
	if seg.seq != r.seg.seq && r.seg.seq != 0 || seg.base.offset > r.at.Offset {
		r.at.block = 0
	}
	r.seg, r.files = seg, files
	r.index.reset(files.index, seg.blocks)
	r.drop(seg.base)
	return true, nil
}

// drop moves on to m, counting what is passed as dropped.
func (r *reader) drop(m mark) {
	if m.offset <= r.at.Offset {
		return
	}
	r.dropped.Bytes += m.offset - r.at.Offset
	r.dropped.Lines += max(0, m.line-r.at.Line)
	r.at = Position{Service: r.st.service, Offset: m.offset, Line: max(m.line, r.at.Line)}
}

// take appends the chunk that peek found to b and moves behind it. ahead is
// how much more of the log will be wanted in this batch, as far as is known.
func (r *reader) take(b *Batch, ahead int, alone bool) error {
	n := int64(r.rec.length)
	off := int64(r.rec.offset)
	if off < r.began || off+n > r.began+int64(len(r.window)) || r.window == nil {
		if !alone {
			ahead = min(ahead, windowSize/4)
		}
		want := min(max(n, min(n+int64(ahead), windowSize)), r.seg.size-off)
		if want < n {
			return errDamaged
		}
		var buf []byte
		if want > windowSize || want < windowSize/16 {
			buf = make([]byte, want)
		} else {
			p := buffers.Get().(*[]byte)
			b.buffers = append(b.buffers, p)
			buf = (*p)[:want]
		}
		got, err := r.files.data.ReadAt(buf, off)
		if int64(got) < n {
			if errors.Is(err, io.EOF) {
				err = errDamaged // somebody cut the file
			}
			return err
		}
		buf = buf[:got]
		r.window, r.began = buf, off
	}
	name, err := r.st.name(&r.index, r.seg.seq, r.rec.name)
	if err != nil {
		return err
	}
	data := r.window[off-r.began:][:n:n]
	b.Chunks = append(b.Chunks, Chunk{
		Time:      time.Unix(0, r.rec.time),
		Service:   r.st.service,
		Instance:  name,
		Data:      data,
		Partial:   r.rec.flags&flagPartial != 0,
		Continued: r.rec.flags&flagContinued != 0,
	})
	r.at.Offset += n
	r.at.Line = r.seg.base.line + int64(r.rec.lines)
	r.at.block++
	return nil
}

// errDeleted says that somebody else deleted the files of a segment.
var errDeleted = errors.New("deleted log")

// segmentAt returns the segment that holds a place, or the first after it,
// opened; one of size 0 when there is none.
func (st *stream) segmentAt(offset int64) (segment, handle, error) {
	g := st.holding(offset)
	if g.size == 0 {
		return g, handle{}, nil
	}
	h, err := st.open(g)
	return g, h, err
}

// open opens a segment. The error is os.ErrClosed when it is not where it was
// any more, and errDeleted when it should be.
func (st *stream) open(g segment) (handle, error) {
	h, err := g.open()
	if g.path == "" {
		return h, err
	}
	st.mu.Lock()
	moved := !slices.ContainsFunc(st.segments, func(now segment) bool { return now.seq == g.seq && now.path == g.path })
	st.mu.Unlock()
	switch {
	case moved:
		h.close()
		return handle{}, os.ErrClosed // the name may be another segment's by now
	case errors.Is(err, fs.ErrNotExist):
		return handle{}, errDeleted
	}
	return h, err
}

// holding returns the segment that holds a place or the first after it.
func (st *stream) holding(offset int64) segment {
	st.mu.Lock()
	defer st.mu.Unlock()
	i := slices.IndexFunc(st.segments, func(g segment) bool { return g.size > 0 && g.end().offset > offset })
	if i < 0 {
		return segment{}
	}
	return st.segments[i]
}

// name returns the instance whose name begins at a block of a segment's index.
func (st *stream) name(x *index, seq int, block uint32) (string, error) {
	if block == 0 {
		return "", nil
	}
	key := nameKey{seq, block}
	st.mu.Lock()
	name, ok := st.named[key]
	st.mu.Unlock()
	if ok {
		return name, nil
	}
	name, err := x.name(int(block))
	if err != nil {
		return "", err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.named[key] = name
	return name, nil
}
