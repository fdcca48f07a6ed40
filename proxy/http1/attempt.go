package http1

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/msctl/msctl/proxy/wire"
)

// errAgain says that the request is to be sent once more.
var errAgain = errors.New("again")

// send sends the request and reads the head of its response, which is n bytes
// long, into x.head. It goes over to a new connection where an idle one turns
// out to be closed.
func (x *exchange) send(u *Upstream) (n int, err error) {
	repeat := x.safe && x.whole
	for c := u.take(!repeat); ; c = nil {
		idle := c != nil
		if !idle {
			if c, err = u.dial(x.ctx); err != nil {
				return 0, err
			}
		}
		if err = x.use(c); err != nil {
			_ = c.Close()
			return 0, err
		}
		if c.ended() { // between being chosen and being used
			x.drop(c)
			return 0, Replaced()
		}
		n, err = x.try(c)
		if err == nil && idle && repeat && x.overfull(c, n) {
			err = &answerError{leftBefore}
		}
		if err == nil {
			if x.head.status < 500 || !repeat || !x.pass.Again(x.ctx, x.head.status, nil) {
				return n, nil
			}
			err = errAgain
		}
		x.drop(c)
		switch {
		case !errors.Is(err, errAgain) && c.ended() && x.aborted() == nil:
			if repeat {
				return 0, Replaced()
			}
			return 0, wire.ErrReplaced
		case errors.Is(err, errAgain), !repeat, x.aborted() != nil:
			return 0, err
		case idle && (errors.As(err, new(*unanswered)) || errors.As(err, new(*answerError))):
			continue // that was of the connection's past
		case x.pass.Again(x.ctx, 0, err):
			return 0, errAgain
		}
		return 0, err
	}
}

var leftBefore = &fault{http.StatusBadGateway, "there are bytes behind its response"}

// overfull reports whether more has come than the response whose head is n
// bytes long. Then it may answer nothing: bytes that came when the connection
// was idle are read together with those that answer, and come first.
func (x *exchange) overfull(c *conn, n int) bool {
	there := int64(len(c.unread()) - n)
	switch length := x.head.length; {
	case x.head.status == http.StatusSwitchingProtocols, length == untilClose:
		return false
	case length >= 0:
		return there > length
	}
	var b body
	b.begin(c, chunked, 0)
	c.r += n
	p, f := b.there()
	c.r -= n
	return f == nil && b.over && there > int64(len(p))
}

// drop closes the connection in use.
func (x *exchange) drop(c *conn) {
	x.stopUpload()
	_ = x.use(nil)
	c.r = c.w
	c.release()
	_ = c.Close()
}

// unanswered is a connection that ended before the response began.
type unanswered struct{ error }

func (u *unanswered) Error() string {
	if errors.Is(u.error, io.EOF) {
		return "it closed the connection without an answer"
	}
	return u.error.Error()
}

func (u *unanswered) Unwrap() error { return u.error }

var errHalfAnswered = errors.New("it closed the connection in the middle of its response's head")

// try is ask within the time that an attempt has.
func (x *exchange) try(c *conn) (n int, err error) {
	if x.terms.TryTimeout == 0 {
		return x.ask(c)
	}
	const answered, late = 1, 2
	var end atomic.Int32
	timer := time.AfterFunc(x.terms.TryTimeout, func() {
		if end.CompareAndSwap(0, late) {
			c.cut()
		}
	})
	defer timer.Stop()
	n, err = x.ask(c)
	if !end.CompareAndSwap(0, answered) {
		return 0, wire.ErrTimeout
	}
	return n, err
}

// ask sends the request on c and reads heads until one is final.
func (x *exchange) ask(c *conn) (n int, err error) {
	if x.whole {
		err = c.ask(x.sent)
	} else if err = c.write(x.sent); err == nil {
		x.uploading = true
		go x.upload()
		err = c.fill()
	}
	for {
		if err == nil {
			n, err = responseHead(c)
		}
		if err != nil {
			switch {
			case len(c.unread()) == 0:
				return 0, &unanswered{err}
			case errors.Is(err, io.EOF):
				return 0, errHalfAnswered
			}
			return 0, err
		}
		if f := x.look().parseResponse(c.unread()[:n], x.bodiless); f != nil {
			return 0, &answerError{f}
		}
		if x.head.status >= 200 || x.head.status == http.StatusSwitchingProtocols {
			if x.outcome.FirstByte == 0 {
				x.outcome.FirstByte = time.Duration(x.server.clock.exact() - x.began)
			}
			return n, nil
		}
		if err = x.inform(c, n); err == nil && len(c.unread()) == 0 {
			err = c.fill()
		}
	}
}

// inform passes an informational response on to a client that understands it:
// 100 only to one that waits for it.
func (x *exchange) inform(c *conn, n int) error {
	defer c.used(n)
	h := x.head
	if x.old || h.status == http.StatusContinue && !x.expects {
		return nil
	}
	b := buffer(n)
	defer putBuffer(b)
	p := append(b[:0], "HTTP/1.1"...)
	p = append(p, h.bytes[len("HTTP/1.1"):h.fieldsFrom()]...)
	p = x.copyFields(p, nil, nil, asItIs)
	return x.write(append(p, '\r', '\n'))
}
