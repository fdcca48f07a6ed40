package http2

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/msctl/msctl/proxy/http1"
	"github.com/msctl/msctl/proxy/wire"
)

// Limits of the connections to an instance of HTTP/2.
const (
	upstreamIdle     = 1500 * time.Millisecond // as those of HTTP/1.1: a forgotten one is gone as soon
	maxResponseBytes = 32 << 10                // of a response's header
	maxFrame         = 16 << 10                // of data, unless more was agreed on (RFC 9113 §4.2)
)

// transport is the connections to one address.
type transport struct {
	http.Transport
	engine *Engine

	mu   sync.Mutex
	open map[*open]struct{}
}

// open is a connection that its transport knows until it is closed.
type open struct {
	net.Conn
	of *transport
}

func (o *open) Close() error {
	o.of.mu.Lock()
	delete(o.of.open, o)
	o.of.mu.Unlock()
	return o.Conn.Close()
}

// dial makes a connection to u, unless that has ended.
func (t *transport) dial(ctx context.Context, u *http1.Upstream) (net.Conn, error) {
	c, err := u.Dial(ctx)
	if err != nil {
		return nil, err
	}
	o := &open{c, t}
	t.mu.Lock()
	t.open[o] = struct{}{}
	t.mu.Unlock()
	if u.Ended() {
		_ = o.Close()
		return nil, http1.Replaced()
	}
	return o, nil
}

// transport makes one for u.
func (e *Engine) transport(u *http1.Upstream) *transport {
	t := &transport{engine: e, open: map[*open]struct{}{}}
	t.Protocols = new(http.Protocols)
	t.Protocols.SetUnencryptedHTTP2(true)
	t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return t.dial(ctx, u) }
	t.DisableCompression = true
	t.IdleConnTimeout = upstreamIdle
	t.MaxResponseHeaderBytes = maxResponseBytes
	e.mu.Lock()
	defer e.mu.Unlock()
	e.h2c[t] = struct{}{}
	return t
}

// Close closes the idle connections. Those in use close soon after they become
// idle.
func (t *transport) Close() error {
	t.engine.mu.Lock()
	delete(t.engine.h2c, t)
	t.engine.mu.Unlock()
	t.CloseIdleConnections()
	return nil
}

// Cut closes all connections.
func (t *transport) Cut() {
	t.mu.Lock()
	all := slices.Collect(maps.Keys(t.open))
	t.mu.Unlock()
	for _, o := range all {
		_ = o.Close()
	}
}

// sendH2C sends the request to an instance of HTTP/2, and waits for the head of
// its response.
func (x *exchange) sendH2C(u *http1.Upstream) (response, error) {
	t := u.Beside(func() http1.Beside { return x.engine.transport(u) }).(*transport)
	ctx, cancel := context.WithCancelCause(x.ctx)
	var (
		res  *http.Response
		hint hints
	)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
		hint.pass(x, status, http.Header(h))
		return nil
	}})
	err := x.within(func() (err error) {
		res, err = t.RoundTrip(x.request(u).WithContext(ctx)) //nolint:bodyclose // end closes it
		return err
	}, func() { cancel(wire.ErrTimeout) })
	hint.end()
	if err == nil {
		x.firstByte()
		if res.StatusCode < 500 || !x.repeatable() || !x.pass.Again(x.ctx, res.StatusCode, nil) {
			return &streamed{Response: res, upstream: u, cancel: cancel}, nil
		}
		err = errAgain
	}
	if res != nil {
		_ = res.Body.Close()
	}
	cancel(nil)
	if x.lost(u, err) {
		return nil, x.elsewhere()
	}
	if http1.Unconnected(err) == nil && !errors.Is(err, errAgain) && x.repeatable() && x.ctx.Err() == nil && x.pass.Again(x.ctx, 0, err) {
		err = errAgain
	}
	return nil, err
}

// hints passes informational responses on while the request waits for its own:
// a transport that was cancelled may still be at one.
type hints struct {
	mu    sync.Mutex
	ended bool
}

func (h *hints) pass(x *exchange, status int, header http.Header) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.ended {
		x.inform(status, func(yield func(name, value string) bool) {
			for name, values := range header {
				for _, v := range values {
					if !yield(name, v) {
						return
					}
				}
			}
		})
	}
}

func (h *hints) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
}

// request makes the request that is sent.
func (x *exchange) request(u *http1.Upstream) *http.Request {
	r := &http.Request{
		Method: x.r.Method, URL: &url.URL{Scheme: "http", Host: u.Addr(), RawQuery: x.terms.Query, ForceQuery: x.asks},
		Host: x.host(), Header: make(http.Header, len(x.r.Header)+8), ContentLength: x.r.ContentLength,
		Trailer: x.r.Trailer, // filled while the body is read
	}
	setPath(r.URL, x.terms.Path)
	if r.ContentLength != 0 {
		r.Body = &x.body
	}
	x.each(func(name, value string) { r.Header.Add(name, value) })
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header["User-Agent"] = nil // or the transport would name itself
	}
	return r
}

// setPath makes u ask for path exactly as it is written.
func setPath(u *url.URL, path string) {
	u.Path = path
	if decoded, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = decoded, path
	}
	// Opaque is written as it is, but with the scheme in front of two slashes.
	if !strings.HasPrefix(path, "//") {
		u.Opaque = path
	}
}

var buffers = sync.Pool{New: func() any { return new([maxFrame]byte) }}

// streamed is a response of HTTP/2.
type streamed struct {
	*http.Response
	upstream *http1.Upstream
	cancel   context.CancelCauseFunc
	buf      *[maxFrame]byte
	err      error // that came with the last bytes
}

func (s *streamed) status() int            { return s.StatusCode }
func (s *streamed) length() int64          { return s.ContentLength }
func (s *streamed) ended() bool            { return s.upstream.Ended() }
func (s *streamed) get(name string) string { return s.Header.Get(name) }

func (s *streamed) copyTo(h http.Header, goes func(string) bool) {
	for name, values := range s.Header {
		if goes(name) {
			h[name] = values
		}
	}
	for name := range s.Trailer {
		h.Add("Trailer", name)
	}
}

// there knows of nothing but an end that came with the head.
func (s *streamed) there() ([]byte, error) {
	if s.ContentLength == 0 {
		return nil, io.EOF
	}
	return nil, s.err
}

func (s *streamed) next() ([]byte, error) {
	if s.buf == nil {
		s.buf = buffers.Get().(*[maxFrame]byte)
	}
	for {
		if s.err != nil {
			return nil, s.err
		}
		var n int
		n, s.err = s.Body.Read(s.buf[:])
		if n > 0 {
			return s.buf[:n], nil
		}
	}
}

func (s *streamed) trailers(h http.Header) {
	for name, values := range s.Trailer {
		if len(values) > 0 {
			h[http.TrailerPrefix+name] = values
		}
	}
}

func (s *streamed) end(bool) {
	_ = s.Body.Close()
	s.cancel(nil)
	if s.buf != nil {
		buffers.Put(s.buf)
	}
}
