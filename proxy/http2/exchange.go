package http2

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/msctl/msctl/proxy/http1"
	"github.com/msctl/msctl/proxy/wire"
)

// handler serves the requests of one door.
type handler struct {
	engine *Engine
	door   wire.Door
	flight wire.Flight
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.flight.Begin()
	defer h.flight.End()
	x := &exchange{engine: h.engine, w: w, r: r, peer: r.Context().Value(peerKey{}).(*peer), began: time.Now()}
	if wrong := x.look(); wrong != nil {
		x.answer(&wire.Answer{Status: wrong.Status, Problem: wrong})
		return
	}
	pass, terms, no := h.door.Enter(r.Context(), &x.head)
	if no != nil {
		x.answer(no)
		return
	}
	x.pass, x.terms = pass, terms
	x.carry()
}

// exchange is one request and its response.
type exchange struct {
	engine *Engine
	w      http.ResponseWriter
	r      *http.Request
	peer   *peer
	head   wire.Head
	pass   wire.Pass
	terms  *wire.Terms
	ctx    context.Context // ends with the request's time, and when its client leaves

	asks      bool   // the target has a question mark
	grpc      bool   // the instance has to speak HTTP/2
	nominated string // the fields that Connection names
	coding    string // that the response gets; "" none

	body     body
	begun    bool          // the body is being sent: the request cannot be sent anew
	uploaded chan struct{} // closed when the upload has ended; nil without

	mu   sync.Mutex
	call *http1.Call // that ends with ctx

	answered bool // the response's head went out
	aborted  bool // the response cannot be ended well
	began    time.Time
	outcome  wire.Outcome
}

// carry sends the request on and the response back.
func (x *exchange) carry() {
	x.ctx = x.r.Context()
	if x.terms.Timeout > 0 {
		ctx, cancel := context.WithCancelCause(x.ctx)
		defer cancel(nil)
		defer time.AfterFunc(x.terms.Timeout, func() { cancel(wire.ErrTimeout) }).Stop()
		x.ctx = ctx
	}
	x.body.from, x.body.limit = x.r.Body, x.terms.MaxBody
	if x.r.ProtoMajor == 1 {
		x.nominated = joined(x.r.Header["Connection"])
		if x.r.ContentLength != 0 {
			// Or the server would read the rest of the body before the response.
			_ = http.NewResponseController(x.w).EnableFullDuplex()
		}
	}
	err := x.run()
	o := &x.outcome
	o.Began, o.Total, o.Proto, o.Err = x.began, time.Since(x.began), x.r.Proto, err
	o.Received = x.body.count.Load()
	x.pass.Done(o)
	if x.aborted {
		panic(http.ErrAbortHandler)
	}
}

// run sends the request to an instance, to another where that is right, and
// passes the response on.
func (x *exchange) run() error {
	send := x.sendHTTP1
	if x.grpc || x.terms.H2C {
		send = x.sendH2C
	} else {
		defer context.AfterFunc(x.ctx, x.cut)()
	}
	var failed error
	for {
		up, err := x.pass.Next(x.ctx, failed)
		if err != nil {
			return x.fail(err)
		}
		res, err := send(up.(*http1.Upstream))
		if err == nil {
			return x.respond(res)
		}
		failed = nil
		if !errors.Is(err, errAgain) {
			if failed = http1.Unconnected(err); failed == nil || x.ctx.Err() != nil {
				return x.fail(err)
			}
		}
	}
}

// errAgain says that the request is to be sent once more.
var errAgain = errors.New("again")

// repeatable: an idempotent method (RFC 9110 §9.2.2), and nothing of the body
// is gone.
func (x *exchange) repeatable() bool {
	switch x.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return !x.begun && x.body.count.Load() == 0
	}
	return false
}

// within runs f, and calls late if that takes longer than an attempt may.
func (x *exchange) within(f func() error, late func()) error {
	if x.terms.TryTimeout == 0 {
		return f()
	}
	const done, passed = 1, 2
	var end atomic.Int32
	defer time.AfterFunc(x.terms.TryTimeout, func() {
		if end.CompareAndSwap(0, passed) {
			late()
		}
	}).Stop()
	err := f()
	if !end.CompareAndSwap(0, done) {
		return wire.ErrTimeout
	}
	return err
}

// cause is why the request was ended from outside, nil if it was not.
func (x *exchange) cause() error {
	err := context.Cause(x.ctx)
	if err == nil || errors.Is(err, wire.ErrTimeout) || errors.Is(err, errEnding) {
		return err
	}
	return wire.ErrClientGone
}

// fail answers a request that got no response, and returns why.
func (x *exchange) fail(err error) error {
	x.stopUpload(nil)
	if cause := x.cause(); cause != nil {
		err = cause
	}
	if errors.Is(err, wire.ErrClientGone) || errors.Is(err, errEnding) {
		x.aborted = true
		return err
	}
	var problem *wire.Problem
	if fault := x.body.fault(); fault != nil {
		problem, err = fault, fault
	} else if !errors.As(err, &problem) {
		problem = x.pass.Broke(err)
	}
	x.answer(&wire.Answer{Status: problem.Status, Problem: problem})
	if x.body.broke.Load() && (&writer{x}).Flush() != nil {
		// A connection that ends breaks the bodies off before it ends the
		// requests.
		x.outcome.Status, x.outcome.Sent, x.aborted = 0, 0, true
		return wire.ErrClientGone
	}
	return err
}

// halted is why a response ended before its end.
func (x *exchange) halted(err error) error {
	x.aborted = true
	if cause := x.cause(); cause != nil {
		return cause
	}
	if fault := x.body.fault(); fault != nil {
		return fault
	}
	if errors.As(err, new(*writeError)) {
		return wire.ErrClientGone
	}
	return x.pass.Broke(err) // too late to be an answer
}

// writeError is a failure of the client's side.
type writeError struct{ error }

func (w *writeError) Unwrap() error { return w.error }
