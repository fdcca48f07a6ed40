package logs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// partialAfter is how long a line may stay unfinished before it is handed
	// out as it is: long enough that a line written in two calls stays whole,
	// short enough that a prompt does not seem to hang.
	partialAfter = 200 * time.Millisecond

	// readSize is how much one read of an instance's output takes at first; it
	// grows to fullReadSize for instances that fill it: a larger one would
	// leave the processor's cache.
	readSize     = 32 << 10
	fullReadSize = 256 << 10

	// minRead is the least room a read is given.
	minRead = 16 << 10

	// cheapMove is what is moved to the front of the buffer before every read:
	// reading to the same place keeps it in the processor's cache.
	cheapMove = 4 << 10
)

// Writer takes the output of one instance. One goroutine may write at a time;
// Close may be called from any. Writing blocks only for the disk and never
// fails because of it. What is written can be read from the store at once; it
// is on disk within a second, and when Close returns: in the pack first, and
// after a few seconds in files of the service's own.
type Writer struct {
	st       *stream
	instance string
	from     mark // where the log was when the writer was opened

	mu         sync.Mutex
	buf        []byte
	start, end int  // what is in buf and not written yet: the beginning of a line
	scanned    int  // buf[start:scanned] has no newline
	began      bool // part of the line is already written
	arrived    time.Time
	closed     bool

	idle alarm // for a line that stays unfinished
}

// Writer returns a writer for what an instance of a service writes. It must be
// closed.
func (s *Store) Writer(service, instance string) *Writer {
	st := s.stream(service)
	w := &Writer{st: st, instance: instance}
	if err := st.load(); err != nil {
		s.onError(err)
	}
	st.enter()
	w.from = st.lastSegment().end()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instances[instance] = w
	return w
}

// Write takes a piece of output. It returns an error only when w is closed.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, os.ErrClosed
	}
	n := len(p)
	if w.start == w.end {
		p = w.direct(p)
	}
	for len(p) > 0 {
		w.room(minRead)
		c := copy(w.buf[w.end:], p)
		w.end += c
		p = p[c:]
		w.drain()
	}
	return n, nil
}

// direct writes the complete lines of p without copying them, and returns what
// is left. Nothing is pending.
func (w *Writer) direct(p []byte) []byte {
	for {
		cut := bytes.LastIndexByte(p[:min(len(p), MaxLine)], '\n') + 1
		if cut == 0 {
			return p
		}
		w.put(p[:cut])
		p = p[cut:]
	}
}

// ReadFrom reads r to its end and writes all of it, which saves a copy:
// io.Copy does it. The error is that of r.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	var total int64
	for {
		w.mu.Lock()
		if w.closed {
			w.mu.Unlock()
			return total, os.ErrClosed
		}
		w.room(minRead)
		free := w.buf[w.end:] // nobody else touches it: idle and Close only move start
		w.mu.Unlock()

		n, err := r.Read(free)

		w.mu.Lock()
		total += int64(n)
		if w.closed {
			err = errors.Join(err, os.ErrClosed)
		} else if n > 0 {
			w.end += n
			w.drain()
			if n == len(free) {
				w.grow(fullReadSize)
			}
		}
		w.mu.Unlock()
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// room makes at least n bytes free behind what is pending.
func (w *Writer) room(n int) {
	switch {
	case w.buf == nil:
		w.buf = make([]byte, readSize)
	case w.start == w.end:
		w.start, w.end, w.scanned = 0, 0, 0
		if len(w.buf) > fullReadSize { // a long line has passed
			w.buf = make([]byte, fullReadSize)
		}
	case len(w.buf)-w.end < n || w.start > 0 && w.end-w.start < cheapMove:
		if w.end-w.start+n > len(w.buf) {
			w.grow(min(2*len(w.buf), MaxLine+fullReadSize))
		}
		copy(w.buf, w.buf[w.start:w.end])
		w.scanned -= w.start
		w.end -= w.start
		w.start = 0
	}
}

// grow makes the buffer n bytes large.
func (w *Writer) grow(n int) {
	if len(w.buf) >= n {
		return
	}
	b := make([]byte, n)
	copy(b, w.buf[:w.end])
	w.buf = b
}

// drain writes the complete lines that are pending, and the beginning of a
// line that has become too long.
func (w *Writer) drain() {
	w.scanned = max(w.scanned, w.start)
	if i := bytes.LastIndexByte(w.buf[w.scanned:w.end], '\n'); i >= 0 {
		cut := w.scanned + i + 1
		w.put(w.buf[w.start:cut])
		w.start = cut
	}
	w.scanned = w.end
	if w.end-w.start > MaxLine {
		w.flush(finished(w.buf[w.start:w.end]))
	}
	if w.start < w.end {
		w.arrived = time.Now()
		w.idle.in(w.st.store.idle, w.expire)
	}
}

// expire writes the partial line that has been pending for long enough, but
// for an escape sequence or a character that is not complete: that is given as
// much time again.
func (w *Writer) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.start == w.end {
		return
	}
	idle := w.st.store.idle
	if left := idle - time.Since(w.arrived); left > 0 {
		w.idle.in(left, w.expire)
		return
	}
	n := finished(w.buf[w.start:w.end])
	if n == 0 {
		n = w.end - w.start
	}
	if w.flush(n); w.start < w.end {
		w.arrived = time.Now()
		w.idle.in(idle, w.expire)
	}
}

// flush writes the first n bytes that are pending, complete or not.
func (w *Writer) flush(n int) {
	if n > 0 {
		w.put(w.buf[w.start : w.start+n])
		w.start += n
	}
}

func (w *Writer) put(b []byte) {
	var flags uint8
	if w.began {
		flags |= flagContinued
	}
	w.began = b[len(b)-1] != '\n'
	if w.began {
		flags |= flagPartial
	}
	w.st.append(w.instance, flags, b)
}

// Close writes a partial line. It does not wait for a ReadFrom.
func (w *Writer) Close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return os.ErrClosed
	}
	w.flush(w.end - w.start)
	w.closed, w.buf, w.start, w.end = true, nil, 0, 0
	w.mu.Unlock()
	w.idle.stop()
	w.st.leave()
	return nil
}
