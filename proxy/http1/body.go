package http1

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// spliceFrom is the length from which the kernel moves a body from socket to
// socket; beneath it, that costs more than copying.
const spliceFrom = 64 << 10

// spliceAt is how much is moved before it is looked at the time.
const spliceAt = 256 << 10

// body is the rest of a message's body on a connection.
type body struct {
	from   *conn
	left   int64 // bytes, chunked or untilClose
	chunks chunks
	plain  bool  // chunks are taken apart: only data is yielded
	limit  int64 // of data; 0 none
	count  int64 // data so far
	over   bool
	span   io.LimitedReader
	tail   *head // gets the trailers of plain chunks; nil drops them
}

// begin makes b the body of that length.
func (b *body) begin(from *conn, length, limit int64) {
	*b = body{from: from, left: length, limit: limit, over: length == 0}
}

// there is what is there of the body, without waiting. Once it was passed on,
// used takes it off. With no error, and nothing there, more has to come.
func (b *body) there() ([]byte, *fault) {
	p := b.from.unread()
	if b.over || len(p) == 0 {
		return nil, nil
	}
	switch b.left {
	case untilClose:
		b.count += int64(len(p))
	case chunked:
		return b.chunk(p)
	default:
		if int64(len(p)) >= b.left {
			p = p[:b.left]
			b.over = true
		}
		b.left -= int64(len(p))
		b.count += int64(len(p))
	}
	return p, nil
}

// chunk is there for a chunked body.
func (b *body) chunk(p []byte) ([]byte, *fault) {
	all := 0
	for all < len(p) && b.chunks.state != inTrailers {
		n, data, err := b.chunks.next(p[all:])
		if err != nil {
			return nil, err
		}
		if data {
			if b.count += int64(n); b.limit > 0 && b.count > b.limit {
				return nil, bodyTooLarge
			}
			if b.plain {
				b.from.r += all
				return p[all : all+n], nil
			}
		}
		all += n
	}
	if b.plain {
		b.from.r += all
		p, all = b.from.unread(), 0
	}
	if b.chunks.state == inTrailers && (all == 0 || len(p) > all) {
		n, err := b.trailers(p[all:], all)
		if err != nil {
			return nil, err
		}
		all += n
	}
	return p[:all], nil
}

// trailers takes the section of trailers off p, if it is all there and nothing
// before it waits to be passed on.
func (b *body) trailers(p []byte, before int) (int, *fault) {
	n := 0
	switch i := bytes.Index(p, headEnd); {
	case bytes.HasPrefix(p, headEnd[:2]):
		n = 2
	case i >= 0:
		n = i + len(headEnd)
		t := b.tail
		if t == nil {
			t = new(head)
		}
		if f := t.parseTrailers(bytes.Clone(p[:n])); f != nil {
			return 0, f
		}
	case len(p) > 0 && before == 0 && hopeless(p, 0) != nil:
		return 0, badTrailer
	default:
		return 0, nil
	}
	b.over = true
	if b.plain {
		b.from.r += n
		return 0, nil
	}
	return n, nil
}

// next is there, but waits for at least one byte; io.EOF at the end.
func (b *body) next() ([]byte, error) {
	for {
		p, f := b.there()
		switch {
		case f != nil:
			return nil, f
		case len(p) > 0:
			return p, nil
		case b.over:
			b.from.release()
			return nil, io.EOF
		}
		switch err := b.from.fill(); {
		case err == nil:
		case errors.Is(err, io.EOF) && b.left == untilClose:
			b.over = true
			return nil, io.EOF
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		case errors.Is(err, errFull):
			return nil, badTrailer
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, tooSlow
		default:
			return nil, err
		}
	}
}

// copy passes the rest on to another connection as it comes. each is called
// before each wait.
func (b *body) copy(to *conn, each func()) error {
	for !b.over {
		if b.left >= spliceFrom && b.from.raw != nil && to.raw != nil && len(b.from.unread()) == 0 {
			if err := b.splice(to, each); err != nil {
				return err
			}
			continue
		}
		each()
		p, err := b.next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := to.write(p); err != nil {
			return &writeError{err}
		}
		b.from.used(len(p))
	}
	return nil
}

// splice has the kernel move a part.
func (b *body) splice(to *conn, each func()) error {
	for b.left > 0 {
		each()
		part := min(b.left, spliceAt)
		to.stalls()
		b.span = io.LimitedReader{R: b.from.tcp, N: part}
		n, err := to.tcp.ReadFrom(&b.span)
		to.moved()
		b.left -= n
		b.count += n
		if err != nil {
			return b.blame(to, err)
		}
		if n < part {
			return io.ErrUnexpectedEOF
		}
	}
	b.over = true
	return nil
}

// blame says which side's an error of splicing is: the system does not.
func (b *body) blame(to *conn, err error) error {
	switch request := b.from.clock != nil; {
	case !request && left(to.socket):
		return &writeError{err}
	case request && b.from.expire.Load() == 0 && errors.Is(err, os.ErrDeadlineExceeded):
		return tooSlow // look has cut it off
	case request && !left(b.from.socket):
		return &writeError{err}
	}
	return err
}

// writeError is a failure of the side that a body goes to.
type writeError struct{ error }

func (w *writeError) Unwrap() error { return w.error }
