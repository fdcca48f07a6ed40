package http1

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/msctl/msctl/proxy/wire"
)

// endLimit is how long what is ended has to do so well: to come to the end of a
// chunk or a frame, and to answer that it closes.
const endLimit = time.Second

// IsEvents reports whether a media type is that of server-sent events. Whoever
// reads them asks again where they end, and drops one that is not whole.
func IsEvents(contentType string) bool {
	const events = "text/event-stream"
	return len(contentType) >= len(events) && strings.EqualFold(contentType[:len(events)], events) &&
		(len(contentType) == len(events) || strings.IndexByte("; \t", contentType[len(events)]) >= 0)
}

// conclude brings a response to its end that broke with err since its instance
// is about to be stopped, if that makes sense to who reads it. Any other has to
// look broken; conclude returns why.
func (x *exchange) conclude(err error, mode reframing) error {
	if errors.As(err, new(*writeError)) || x.aborted() != nil {
		return err
	}
	if !x.events || !x.answered || mode == compressed {
		return wire.ErrReplaced
	}
	last := lastChunk
	switch {
	case x.old: // the connection's end is the response's
		return nil
	case mode == rechunked:
		last = []byte("\r\n0\r\n\r\n")
	default:
		over, err := x.completeChunk()
		if over || err != nil {
			return err
		}
	}
	if err := x.write(last); err != nil {
		return &writeError{err}
	}
	return nil
}

// completeChunk passes on what is still missing of the chunk that was begun.
// over: the response has come to its own end with that.
func (x *exchange) completeChunk() (over bool, err error) {
	b := &x.response
	_ = b.from.SetReadDeadline(time.Now().Add(endLimit))
	for !b.over && (b.chunks.state != inSize || b.chunks.digit > 0) {
		p, err := b.next()
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, wire.ErrReplaced
		}
		if err := x.write(p); err != nil {
			return false, &writeError{err}
		}
		b.from.used(len(p))
	}
	return b.over, nil
}
