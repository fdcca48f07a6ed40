package http1

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"github.com/msctl/msctl/proxy/wire"
)

// answerError is what is wrong with an instance's response.
type answerError struct{ *fault }

func (e *answerError) Error() string { return "its response is malformed: " + e.detail }

// respond passes the response on whose head is n bytes long.
func (x *exchange) respond(u *Upstream, n int) (more bool, err error) {
	c, h := x.up, x.head
	if h.status == http.StatusSwitchingProtocols {
		return false, x.switched(c, n)
	}
	b := &x.response
	b.begin(c, h.length, 0)
	x.events = h.length < 0 && IsEvents(h.Get("Content-Type"))
	upClose := h.close || h.length == untilClose
	mode := x.reframe()
	x.outcome.Status = h.status
	head := x.makeResponse(mode)
	c.used(n)
	x.done()
	err = x.relay(head, mode)
	if err != nil && c.ended() {
		if err = x.conclude(err, mode); err == nil {
			upClose = true
		}
	}
	if err != nil {
		x.drop(c)
		if !x.answered {
			return false, x.fail(err)
		}
		if mode == unchunked || mode == asItIs && b.left == untilClose {
			x.reset() // closing it would say that this was all
		}
		return false, x.halted(err)
	}
	if x.uploading {
		// A response that came before the body's end leaves both connections
		// in the middle of it.
		x.stopUpload()
		upClose = upClose || x.uploadErr != nil || !x.request.over
	}
	if x.use(nil) != nil || upClose || len(c.unread()) > 0 { // an abort has cut it
		x.drop(c)
	} else {
		c.release()
		u.put(c)
	}
	if !x.request.over {
		x.linger()
		return false, nil
	}
	return !x.last, nil
}

// halted is why a response ended before its end.
func (x *exchange) halted(err error) error {
	switch {
	case x.aborted() != nil:
		return err // finish knows
	case x.uploadErr != nil:
		return x.uploadErr
	case errors.As(err, new(*writeError)):
		return wire.ErrClientGone
	}
	return x.pass.Broke(err) // too late to be an answer
}

// relay passes the response's body on, its first bytes together with the head.
func (x *exchange) relay(head []byte, mode reframing) error {
	b := &x.response
	b.plain = mode == unchunked || mode == compressed
	switch mode {
	case rechunked:
		return x.rechunk(head)
	case compressed:
		return x.compress(head)
	}
	p, f := b.there()
	if f != nil {
		return &answerError{f}
	}
	x.answered = true
	if err := x.write2(head, p); err != nil {
		return &writeError{err}
	}
	b.from.used(len(p))
	return b.copy(&x.conn, idle)
}

// idle is what happens before each wait for an instance: nothing.
func idle() {}

// rechunk passes a body on whose end is that of its connection, as chunks, so
// that the client's connection can outlive it.
func (x *exchange) rechunk(head []byte) error {
	b := &x.response
	for {
		p, err := b.next()
		if errors.Is(err, io.EOF) {
			x.answered = true
			if err := x.write(append(head, "0\r\n\r\n"...)); err != nil {
				return &writeError{err}
			}
			return nil
		} else if err != nil {
			return err
		}
		head = appendChunk(head, len(p))
		x.answered = true
		if err := x.write2(head, p); err != nil {
			return &writeError{err}
		}
		b.from.used(len(p))
		head = append(x.out[:0], "\r\n"...)
	}
}

var hugeAnswer = &answerError{&fault{http.StatusBadGateway, "its head is larger than 32 KiB"}}

// responseHead waits for a whole head on c, and returns its length.
func responseHead(c *conn) (int, error) {
	for searched := 0; ; {
		b := c.unread()
		if i := bytes.Index(b[max(searched-3, 0):], headEnd); i >= 0 {
			return max(searched-3, 0) + i + len(headEnd), nil
		}
		if len(b) > 0 && hopeless(b, searched) != nil {
			return 0, &answerError{badEnd}
		}
		searched = len(b)
		switch err := c.fill(); {
		case errors.Is(err, errFull):
			return 0, hugeAnswer
		case err != nil:
			return 0, err
		}
	}
}
