package logs

import (
	"bytes"
	"errors"
	"slices"
	"time"
)

// Query says what of the logs is wanted. The zero Query is all of it.
type Query struct {
	Services []string  `json:"services,omitempty"` // none selects all, those to come included
	Since    time.Time `json:"since,omitzero"`     // not what was written before
	Until    time.Time `json:"until,omitzero"`     // not what was written after
	Tail     int       `json:"tail,omitempty"`     // at most so many lines of each service; 0 is all, None none
	Filter   *Filter   `json:"-"`                  // Tail counts only lines that pass; Next returns the others, too
}

// None as a Query's Tail begins at the end: only what is written from now on.
const None = -1

// retries is how often a search begins again because segments were renamed or
// deleted meanwhile.
const retries = 8

// Seek returns where to begin reading for q. However large the logs are, that
// takes a few system calls for each service; only a Filter with a Tail
// makes it read, backwards, until so many lines have passed.
func (s *Store) Seek(q Query) (Cursor, error) {
	c := Cursor{Services: q.Services, Until: q.Until}
	for _, st := range s.all() {
		if !c.selects(st.service) {
			continue
		}
		if err := st.load(); err != nil {
			if s.readOnly {
				return c, err
			}
			s.onError(err)
		}
		m, err := st.seek(q)
		for try := 0; gone(err) && try < retries; try++ { // a rotation got in between
			m, err = st.seek(q)
		}
		if err != nil {
			return c, err
		}
		c.At = append(c.At, Position{Service: st.service, Offset: m.offset, Line: m.line})
	}
	return c, nil
}

func (st *stream) seek(q Query) (mark, error) {
	s := searcher{st: st, segments: st.snapshot()}
	defer s.files.close()
	if len(s.segments) == 0 {
		return mark{}, nil
	}
	start, end := s.segments[0].base, s.segments[len(s.segments)-1].end()
	if q.Tail < 0 {
		return end, nil
	}
	var err error
	if !q.Until.IsZero() {
		if end, err = s.byTime(st.store.onClock(q.Until) + 1); err != nil {
			return end, err
		}
	}
	if !q.Since.IsZero() {
		if start, err = s.byTime(st.store.onClock(q.Since)); err != nil || start.offset >= end.offset {
			return start, err
		}
	}
	switch {
	case q.Tail == 0:
		return start, nil
	case q.Filter != nil:
		return s.byMatch(q.Filter, q.Tail, start, end)
	case end.line-int64(q.Tail) <= start.line:
		return start, nil
	}
	return s.byLine(end.line - int64(q.Tail))
}

// snapshot returns the segments that hold something.
func (st *stream) snapshot() []segment {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(st.segments), func(g segment) bool { return g.size == 0 })
}

// searcher finds places in a service's log.
type searcher struct {
	st       *stream
	segments []segment
	seg      segment
	files    handle
	index    index
	block    int // what prev has returned
	window   []byte
	began    int64 // the window's place in the segment
}

func (s *searcher) open(g segment) error {
	s.files.close()
	s.window, s.seg = nil, g
	var err error
	if s.files, err = s.st.open(g); err != nil {
		return err
	}
	s.index.reset(s.files.index, g.blocks)
	s.block = g.blocks
	return nil
}

// first returns the first chunk for which found holds, with the mark before
// it; of the segments only the first for which in holds is looked at.
func (s *searcher) first(in func(segment) bool, found func(g segment, c record) bool) (record, mark, error) {
	i := slices.IndexFunc(s.segments, in)
	if i < 0 {
		return record{}, s.segments[len(s.segments)-1].end(), nil
	}
	if err := s.open(s.segments[i]); err != nil {
		return record{}, mark{}, err
	}
	at, err := s.index.search(func(c record) bool { return found(s.seg, c) })
	if err != nil || at == s.index.blocks {
		return record{}, s.seg.end(), err
	}
	c, _, err := s.index.chunk(at)
	if err != nil {
		return c, mark{}, err
	}
	m, err := s.before(c, at)
	return c, m, err
}

// before returns the mark before chunk c at block i.
func (s *searcher) before(c record, i int) (mark, error) {
	prev, _, err := s.index.before(i)
	return mark{s.seg.base.offset + int64(c.offset), s.seg.base.line + int64(prev.lines)}, err
}

// byTime finds the first chunk that is not before t.
func (s *searcher) byTime(t int64) (mark, error) {
	_, m, err := s.first(
		func(g segment) bool { return g.last >= t },
		func(_ segment, c record) bool { return c.time >= t })
	return ignoreDamage(m, s.seg.base, err)
}

// byLine finds the beginning of a line, counted from the beginning of the log.
func (s *searcher) byLine(line int64) (mark, error) {
	c, m, err := s.first(
		func(g segment) bool { return g.end().line > line },
		func(g segment, c record) bool { return g.base.line+int64(c.lines) > line })
	if err != nil || c.length == 0 {
		return ignoreDamage(m, s.seg.base, err)
	}
	b, err := s.read(c)
	if err != nil {
		return ignoreDamage(m, s.seg.base, err)
	}
	if c.flags&flagContinued == 0 {
		if m.line == line {
			return m, nil
		}
		m.line++ // the line that the chunk begins with
	}
	for i := 0; ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return m, nil
		}
		i += n + 1
		if m.line == line {
			return mark{m.offset + int64(i), line}, nil
		}
		m.line++
	}
}

// ignoreDamage makes the beginning of a segment the answer of a search in one
// that is damaged or that somebody deleted: rather too much than an error.
func ignoreDamage(m, base mark, err error) (mark, error) {
	if errors.Is(err, errDamaged) || errors.Is(err, errDeleted) {
		return base, nil
	}
	return m, err
}

// prev returns the chunk before the one it returned last, going back through
// all segments; a length of 0 says that there is none.
func (s *searcher) prev() (record, error) {
	for {
		if s.files.index == nil {
			if len(s.segments) == 0 {
				return record{}, nil
			}
			last := len(s.segments) - 1
			g := s.segments[last]
			s.segments = s.segments[:last]
			if err := s.open(g); errors.Is(err, errDeleted) {
				continue
			} else if err != nil {
				return record{}, err
			}
		}
		c, at, err := s.index.before(s.block)
		if err == nil && at > 0 {
			s.block = at
			return c, nil
		}
		if err != nil && !errors.Is(err, errDamaged) {
			return record{}, err
		}
		s.files.close() // at the beginning, or where the index is damaged
	}
}

// read returns the data of a chunk, valid until the next call; it reads what is
// before it, too.
func (s *searcher) read(c record) ([]byte, error) {
	from, to := int64(c.offset), c.end()
	if from < s.began || to > s.began+int64(len(s.window)) {
		s.began = min(from, max(0, to-windowSize/4))
		s.window = slices.Grow(s.window[:0], int(to-s.began))[:to-s.began]
		if n, err := s.files.data.ReadAt(s.window, s.began); n < len(s.window) {
			s.window = s.window[:0]
			if !gone(err) {
				err = errDamaged
			}
			return nil, err
		}
	}
	return s.window[from-s.began : to-s.began], nil
}

// byMatch finds the last n lines between start and end that pass f.
func (s *searcher) byMatch(f *Filter, n int, start, end mark) (mark, error) {
	for offsets := []int(nil); ; {
		c, err := s.prev()
		if err != nil {
			return start, err
		}
		from := s.seg.base.offset + int64(c.offset)
		if c.length == 0 || from < start.offset {
			return start, nil
		}
		if from >= end.offset {
			continue
		}
		b, err := s.read(c)
		if err != nil {
			return ignoreDamage(start, start, err)
		}
		offsets = f.matches(offsets[:0], b)
		if len(offsets) == 0 {
			continue
		}
		n -= len(offsets)
		at := offsets[max(0, -n)]
		if n <= 0 {
			m, err := s.before(c, s.block)
			m.offset += int64(at)
			if at > 0 {
				m.line += int64(lineStarts(b[:at], c.flags&flagContinued))
			}
			return m, err
		}
	}
}
