package http2

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/msctl/msctl/proxy/http1"
)

// maxHead bounds the head of a request that is sent.
const maxHead = 32 << 10

var scratch = sync.Pool{New: func() any { return new([]byte) }}

// sendHTTP1 sends the request to an instance of HTTP/1.1, and waits for the
// head of its response. It goes over to another connection where an idle one
// turns out to be closed.
func (x *exchange) sendHTTP1(u *http1.Upstream) (response, error) {
	b := scratch.Get().(*[]byte)
	defer scratch.Put(b)
	if *b = x.appendHead((*b)[:0]); len(*b) > maxHead {
		*b = nil
		return nil, refusal(http.StatusRequestHeaderFieldsTooLarge, "the head is larger than 32 KiB")
	}
	for {
		c, err := u.Call(x.ctx, !x.repeatable())
		if err != nil {
			return nil, err
		}
		status := 0
		if err = x.use(c); err == nil {
			err = x.within(func() (err error) {
				status, err = x.ask(c, *b)
				return err
			}, c.Cut)
		}
		if err == nil {
			if status < 500 || !x.repeatable() || !x.pass.Again(x.ctx, status, nil) {
				return &direct{c, x, status}, nil
			}
			err = errAgain
		}
		again := http1.Unanswered(err) && c.Reused
		x.drop(c)
		if x.lost(u, err) {
			return nil, x.elsewhere()
		}
		switch {
		case errors.Is(err, errAgain), !x.repeatable(), x.ctx.Err() != nil:
			return nil, err
		case again:
			continue
		case x.pass.Again(x.ctx, 0, err):
			return nil, errAgain
		}
		return nil, err
	}
}

// ask sends the request on c and reads heads until one is final.
func (x *exchange) ask(c *http1.Call, head []byte) (status int, err error) {
	more := x.r.ContentLength != 0
	if err := c.Ask(head, more); err != nil {
		return 0, err
	}
	if more {
		x.begun = true
		x.uploaded = make(chan struct{})
		go x.upload(c)
	}
	for {
		status, err = c.Head(x.r.Method == http.MethodHead)
		if err != nil {
			return 0, err
		}
		if status >= 200 {
			x.firstByte()
			return status, nil
		}
		x.inform(status, c.Fields())
	}
}

func (x *exchange) firstByte() {
	if x.outcome.FirstByte == 0 {
		x.outcome.FirstByte = time.Since(x.began)
	}
}

// appendHead writes the request's head.
func (x *exchange) appendHead(b []byte) []byte {
	r, t := x.r, x.terms
	b = append(append(append(b, r.Method...), ' '), t.Path...)
	if x.asks || t.Query != "" {
		b = append(append(b, '?'), t.Query...)
	}
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(append(b, x.host()...), "\r\n"...)
	x.each(func(name, value string) {
		b = append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
	})
	switch {
	case x.chunked():
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		for name := range r.Trailer {
			b = append(append(append(b, "Trailer: "...), name...), "\r\n"...)
		}
	case r.ContentLength > 0, len(r.Header["Content-Length"]) > 0:
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, r.ContentLength, 10), "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// chunked: a length leaves no room for trailers (RFC 9112 §6.3).
func (x *exchange) chunked() bool {
	return x.r.ContentLength < 0 || x.r.ContentLength > 0 && len(x.r.Trailer) > 0
}

// upload sends the request's body.
func (x *exchange) upload(c *http1.Call) {
	defer close(x.uploaded)
	length := x.r.ContentLength
	if x.chunked() {
		length = -1
	}
	if c.Upload(&x.body, length, x.r.Trailer) != nil {
		x.cut()
	}
}

// stopUpload waits until nobody sends the body any more, and cuts c, on which
// it goes, when that is still to be stopped.
func (x *exchange) stopUpload(c *http1.Call) (whole bool) {
	if x.uploaded == nil {
		return true
	}
	select {
	case <-x.uploaded:
		x.uploaded = nil
		return !x.body.stopped.Load() && x.body.fault() == nil
	default:
	}
	if c != nil {
		c.Cut()
	}
	x.body.stopped.Store(true)
	_ = x.r.Body.Close()
	<-x.uploaded
	x.uploaded = nil
	return false
}

// use makes c the call that ends with the request's context.
func (x *exchange) use(c *http1.Call) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.call = c
	return x.cause()
}

// cut ends the call in use.
func (x *exchange) cut() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.call != nil {
		x.call.Cut()
	}
}

// drop closes the connection of c.
func (x *exchange) drop(c *http1.Call) {
	_ = x.use(nil)
	x.stopUpload(c)
	c.End(false)
}

// direct is a response of HTTP/1.1.
type direct struct {
	*http1.Call
	x    *exchange
	code int
}

func (d *direct) status() int            { return d.code }
func (d *direct) length() int64          { return d.Length() }
func (d *direct) ended() bool            { return d.Ended() }
func (d *direct) there() ([]byte, error) { return d.There() }
func (d *direct) next() ([]byte, error)  { return d.Next() }
func (d *direct) get(name string) string { return d.Get(name) }
func (d *direct) copyTo(h http.Header, goes func(string) bool) {
	values := make([]string, 0, d.Count())
	for name, v := range d.Fields() {
		name = http.CanonicalHeaderKey(name)
		if !goes(name) {
			continue
		}
		if had := h[name]; len(had) > 0 {
			h[name] = append(had, v)
			continue
		}
		values = append(values, v)
		h[name] = slices.Clip(values[len(values)-1:])
	}
}

func (d *direct) trailers(h http.Header) {
	for name, v := range d.Trailers() {
		h.Add(http.TrailerPrefix+name, v)
	}
}

func (d *direct) end(well bool) {
	if !well {
		d.x.drop(d.Call)
		return
	}
	whole := d.x.stopUpload(d.Call)
	uncut := d.x.use(nil) == nil
	d.End(whole && uncut)
}
