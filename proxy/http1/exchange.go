package http1

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/msctl/msctl/proxy/wire"
)

// exchange is one request and its response.
type exchange struct {
	*client
	head  *head // that is looked at; nil while the instance is waited for
	pass  wire.Pass
	terms *wire.Terms
	out   []byte // the request as it is sent; then the response's head
	sent  []byte // of out

	// Of the request, once its head is gone.
	old      bool // HTTP/1.0
	bodiless bool // HEAD
	last     bool // no other request follows
	persist  bool // HTTP/1.0 with keep-alive
	expects  bool
	html     bool
	safe     bool   // may be repeated (RFC 9110 §9.2.2)
	whole    bool   // all of it is in sent
	upgrade  string // the protocol asked for; "" none
	accepts  []byte // Accept-Encoding, when the response may be compressed
	coding   string // that it gets; "" none
	varies   bool   // with what the client accepts
	events   bool   // it is a stream of events

	request, response body
	uploading         bool
	stopping          atomic.Bool // the upload is
	uploadErr         error       // the client's fault; read after uploaded
	answered          bool        // the response's head went out
	outcome           wire.Outcome
	began             int64
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// exchange carries the request whose head is the first n bytes, and reports
// whether another may follow.
func (c *client) exchange(n int) (more bool) {
	x := exchanges.Get().(*exchange)
	x.client = c
	x.began = c.server.clock.exact()
	c.server.clock.stir()
	c.busy.Store(max(c.server.clock.now.Load(), 1))
	c.x = x
	more = x.carry(n)
	c.x = nil
	c.busy.Store(0)
	putBuffer(x.out)
	x.release()
	exchanges.Put(x)
	return more && !c.server.ending.Load()
}

// release forgets everything that belongs to this request.
func (x *exchange) release() {
	x.client, x.out, x.sent, x.pass, x.terms = nil, nil, nil, nil, nil
	x.upgrade, x.coding, x.varies, x.accepts = "", "", false, x.accepts[:0]
	x.request.from, x.response.from = nil, nil
	x.uploading, x.uploadErr, x.answered = false, nil, false
	x.outcome = wire.Outcome{}
	x.done()
}

var heads = sync.Pool{New: func() any { return new(head) }}

// look is for parsing a head; done follows. A request that waits for its
// response has none: there may be many.
func (x *exchange) look() *head {
	if x.head == nil {
		x.head = heads.Get().(*head)
	}
	return x.head
}

func (x *exchange) done() {
	if x.head != nil {
		x.head.reset(nil)
		heads.Put(x.head)
		x.head = nil
	}
}

func (x *exchange) carry(n int) (more bool) {
	h := x.look()
	if f := h.parseRequest(x.unread()[:n]); f != nil {
		x.refuse(f)
		return false
	}
	x.request.begin(&x.conn, h.length, 0)
	x.brief = h.length >= 0 && h.length <= smallBuffer
	x.old, x.last, x.persist = h.old, h.close, h.old && h.persist
	x.html, x.expects = h.html, h.expects && !h.old
	method := view(h.method)
	x.bodiless = method == http.MethodHead
	x.safe = repeatable(method)
	proto := "HTTP/1.1"
	if x.old {
		proto = "HTTP/1.0"
	}
	h.view = wire.Head{
		Method: method, Host: view(h.host), Path: view(h.path), Query: view(h.query),
		Header: h, Client: x.remote, Proto: proto, TLS: x.tls, Length: max(h.length, chunked),
	}
	pass, terms, answer := x.server.door.Enter(x.ctx, &h.view)
	if answer != nil {
		x.used(n)
		return x.answer(answer)
	}
	x.pass, x.terms, x.outcome.Proto = pass, terms, proto
	if terms.H2C {
		x.h2 = true
		pass.Done(nil)
		return false
	}
	x.request.limit = terms.MaxBody
	if len(terms.Compress) > 0 {
		x.accepts = append(x.accepts, h.Get("Accept-Encoding")...)
	}
	if f := x.makeRequest(); f != nil {
		x.used(n)
		x.finish(f)
		return x.answer(f.answer())
	}
	x.used(n)
	x.done()
	err := x.take()
	if err == nil {
		if terms.Timeout > 0 {
			x.arm(terms.Timeout)
			defer x.timer.Stop()
		}
		more, err = x.run()
	}
	x.finish(err)
	return more && err == nil
}

// repeatable: idempotent methods (RFC 9110 §9.2.2).
func repeatable(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// finish ends the pass.
func (x *exchange) finish(err error) {
	o := &x.outcome
	total := x.server.clock.exact() - x.began
	o.Began, o.Total = x.server.clock.base.Add(time.Duration(x.began)), time.Duration(total)
	o.Received, o.Sent = x.request.count, x.response.count
	if cause := x.aborted(); cause != nil {
		err = cause
	}
	o.Err = err
	x.pass.Done(o)
}

// arm makes the route's timeout end the request.
func (x *exchange) arm(d time.Duration) {
	c := x.client
	if c.timer == nil {
		c.timer = time.AfterFunc(d, func() { c.abort(wire.ErrTimeout) })
		return
	}
	c.timer.Reset(d)
}

// room makes out large enough for n bytes, or as large as buffers are.
func (x *exchange) room(n int) []byte {
	if cap(x.out) < min(n, bufferSize) {
		putBuffer(x.out)
		x.out = buffer(n)
	}
	return x.out[:0]
}

// take puts behind the head what is there of the body, if that fits.
func (x *exchange) take() error {
	b := &x.request
	for !b.over && len(x.unread()) <= cap(x.sent)-len(x.sent) {
		p, f := b.there()
		if f != nil {
			return x.fail(f)
		}
		if len(p) == 0 {
			break
		}
		x.sent = append(x.sent, p...)
		x.used(len(p))
	}
	x.whole = b.over
	return nil
}

// run sends the request to an instance, to another where that is right, and
// passes the response on.
func (x *exchange) run() (more bool, err error) {
	var failed error
	for {
		up, err := x.pass.Next(x.ctx, failed)
		if err != nil {
			return false, x.fail(err)
		}
		u := up.(*Upstream)
		n, err := x.send(u)
		if err == nil {
			return x.respond(u, n)
		}
		failed = nil
		if !errors.Is(err, errAgain) {
			var unconnected *connectError
			if !errors.As(err, &unconnected) || x.aborted() != nil {
				return false, x.fail(err)
			}
			failed = unconnected.error
		}
	}
}

// fail answers a request that got no response, and returns why.
func (x *exchange) fail(err error) error {
	x.stopUpload()
	if cause := x.aborted(); cause != nil {
		err = cause
	}
	if x.uploadErr != nil {
		err = x.uploadErr
	}
	if x.answered {
		return err
	}
	var (
		problem *wire.Problem
		f       *fault // of the client: those of instances are in an answerError
	)
	switch {
	case errors.As(err, &problem):
	case errors.Is(err, wire.ErrClientGone), errors.Is(err, errEnding), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &f):
		problem = f.problem()
	case x.uploadErr != nil:
		return wire.ErrClientGone // in the middle of the body
	default:
		problem = x.pass.Broke(err)
	}
	x.last = true
	x.answer(&wire.Answer{Status: problem.Status, Problem: problem})
	return err
}
