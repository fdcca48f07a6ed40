package nethttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

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
	if r.Method == http.MethodConnect {
		answer(w, r, &wire.Problem{
			Status: http.StatusNotImplemented, Title: http.StatusText(http.StatusNotImplemented),
			Detail: "this is a gateway to the services of a stack, not a proxy to elsewhere",
		})
		return
	}
	pass, terms, no := h.door.Enter(r.Context(), &wire.Head{
		Method: r.Method, Host: r.Host, Path: path(r), Query: r.URL.RawQuery, Header: fields(r.Header),
		Client: client(r), Proto: r.Proto, TLS: r.TLS != nil, Length: r.ContentLength,
	})
	if no != nil {
		answer(w, r, no.Problem)
		return
	}
	defer pass.Done(&wire.Outcome{})
	x := &exchange{engine: h.engine, writer: w, pass: pass, terms: terms}
	x.serve(r)
}

// exchange is one request on its way to an instance and back. It is the
// transport of its own reverse proxy: where the request goes is decided as
// late as its first byte is sent.
type exchange struct {
	engine  *Engine
	writer  http.ResponseWriter
	pass    wire.Pass
	terms   *wire.Terms
	timeout *time.Timer // nil without
	body    body
	proxy   httputil.ReverseProxy
	grpc    bool
	upgrade bool // the instance has switched protocols
}

func (x *exchange) serve(r *http.Request) {
	if x.terms.Timeout > 0 {
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		x.timeout = time.AfterFunc(x.terms.Timeout, func() { cancel(wire.ErrTimeout) })
		defer x.timeout.Stop()
		r = r.WithContext(ctx)
	}
	x.grpc = isGRPC(r)
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		// Or the server would read the rest of the body before the response.
		_ = http.NewResponseController(x.writer).EnableFullDuplex()
	}
	refuseH2CUpgrade(r.Header)
	x.proxy = httputil.ReverseProxy{
		Rewrite:        x.rewrite,
		Transport:      x,
		FlushInterval:  -1,
		ModifyResponse: x.response,
		ErrorHandler:   x.fail,
		ErrorLog:       discard,
		BufferPool:     buffers{},
	}
	x.proxy.ServeHTTP(interim{x.writer, r.ProtoAtLeast(1, 1)}, r)
}

// client is who the connection comes from.
func client(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

// fields implements wire.Header.
type fields http.Header

func (f fields) Get(name string) string { return http.Header(f).Get(name) }

func (f fields) Has(name, value string) bool {
	return slices.Contains(http.Header(f).Values(name), value)
}

// interim drops the informational responses that are not the gateway's to pass
// on: 100, which the server sends once the instance's wish makes the transport
// read the body, and all of them to a client that knows none.
type interim struct {
	http.ResponseWriter
	understood bool
}

func (i interim) WriteHeader(status int) {
	if status == http.StatusContinue || status < 200 && status != http.StatusSwitchingProtocols && !i.understood {
		return
	}
	i.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (i interim) Unwrap() http.ResponseWriter { return i.ResponseWriter }

// RoundTrip implements http.RoundTripper. It goes on to another instance only
// when no connection was made, so that nothing was sent.
func (x *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		x.body.from = r.Body
		r.Body = &x.body
	}
	var failed error
	for {
		to, err := x.pass.Next(r.Context(), failed)
		if err != nil {
			return nil, err
		}
		u := x.engine.upstream(to.Addr())
		r.URL.Host = u.addr
		t := u.http1
		if x.grpc {
			t = u.h2c
		}
		res, err := t.RoundTrip(r)
		var unconnected *connectError
		if errors.As(err, &unconnected) && r.Context().Err() == nil {
			failed = unconnected.error
			continue
		}
		return res, err
	}
}

// response looks at the instance's response before it is passed on.
func (x *exchange) response(r *http.Response) error {
	if _, ok := r.Header["Content-Type"]; !ok {
		x.writer.Header()["Content-Type"] = nil // or the server would guess one
	}
	if r.ContentLength == 0 {
		// A flush would part the header from the end of the stream, and gRPC
		// tells its status there when it sends nothing else.
		x.proxy.FlushInterval = 0
	}
	if r.StatusCode == http.StatusSwitchingProtocols {
		if !strings.EqualFold(r.Header.Get("Upgrade"), r.Request.Header.Get("Upgrade")) {
			return errors.New("it switched to protocol " + r.Header.Get("Upgrade") + ", which nobody asked for")
		}
		x.upgrade = true
		if x.timeout != nil {
			x.timeout.Stop()
		}
	}
	return nil
}

// fail answers a request that got no response.
func (x *exchange) fail(w http.ResponseWriter, r *http.Request, err error) {
	var problem *wire.Problem
	switch {
	case errors.As(err, &problem):
	case errors.Is(context.Cause(r.Context()), wire.ErrTimeout):
		problem = x.pass.Broke(wire.ErrTimeout)
	case r.Context().Err() != nil, x.upgrade:
		panic(http.ErrAbortHandler) // the client left: nobody is there to answer, and no instance is to blame
	case x.body.broke.Load():
		problem = &wire.Problem{
			Status: http.StatusBadRequest, Title: http.StatusText(http.StatusBadRequest),
			Detail: "the request's body could not be read to its end",
		}
	default:
		problem = x.pass.Broke(err)
	}
	answer(w, r, problem)
}

// body is a request's body that outlives failed attempts: a transport closes
// it even when it could not connect.
type body struct {
	from  io.Reader
	broke atomic.Bool // reading failed: no instance is to blame
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if err != nil && err != io.EOF {
		b.broke.Store(true)
	}
	return n, err
}

func (b *body) Close() error { return nil }

// buffers implements httputil.BufferPool.
type buffers struct{}

var bufferPool = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func (buffers) Get() []byte  { return bufferPool.Get().(*[32 << 10]byte)[:] }
func (buffers) Put(b []byte) { bufferPool.Put((*[32 << 10]byte)(b)) }
