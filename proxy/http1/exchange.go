package http1

import (
	"bytes"
	"context"
	"errors"
	"io"
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

// uploadBody sends the rest of the request's body.
func (c *client) uploadBody() {
	x := c.x
	c.mu.Lock()
	up := c.up
	c.mu.Unlock()
	err := x.request.copy(up, c.pace)
	c.expire.Store(0)
	if err != nil {
		x.request.over = false // also when its last bytes are there, but did not go out
	}
	var w *writeError
	if err != nil && !errors.As(err, &w) && !x.stopping.Load() {
		x.uploadErr = err
		up.cut()
	}
	c.uploaded <- struct{}{}
}

// pace gives the client time for its next bytes.
func (c *client) pace() { c.expire.Store(c.server.clock.in(bodyTimeout)) }

// stopUpload ends the sending of the body and waits for that. It may be waiting
// for the client, or for an instance that reads no more.
func (x *exchange) stopUpload() {
	if !x.uploading {
		return
	}
	x.uploading = false
	select {
	case <-x.uploaded:
		return
	default:
	}
	x.stopping.Store(true)
	_ = x.SetReadDeadline(past)
	_ = x.up.SetWriteDeadline(past)
	<-x.uploaded
	x.stopping.Store(false)
	_ = x.SetReadDeadline(time.Time{})
	_ = x.up.SetWriteDeadline(time.Time{})
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
