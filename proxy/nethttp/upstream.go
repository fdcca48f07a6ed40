package nethttp

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Limits of the connections to an instance.
const (
	connectTimeout = 5 * time.Second // Envoy's default
	maxIdle        = 256
	// A connection is given up before any of the servers in the field does
	// (gunicorn after 2 s, node and uvicorn after 5): a POST on a connection
	// that the server is closing fails, and cannot be repeated.
	upstreamIdle     = 1500 * time.Millisecond
	maxResponseBytes = 1 << 20 // of a response's header; net/http's default is 10 MiB
	continueTimeout  = time.Second
)

// upstream is the connections to one address.
type upstream struct {
	engine *Engine
	addr   string
	http1  *http.Transport
	h2c    *http.Transport // for gRPC, which speaks nothing else
}

// upstream returns the connections to addr.
func (e *Engine) upstream(addr string) *upstream {
	if u, ok := e.upstreams.Load(addr); ok {
		return u.(*upstream)
	}
	u, _ := e.upstreams.LoadOrStore(addr, &upstream{
		engine: e, addr: addr,
		http1: transport(protocols(true, false)),
		h2c:   transport(protocols(false, true)),
	})
	return u.(*upstream)
}

// Addr implements wire.Upstream.
func (u *upstream) Addr() string { return u.addr }

// Forget implements wire.Upstream.
func (u *upstream) Forget() {
	u.engine.upstreams.CompareAndDelete(u.addr, u)
	u.closeIdle()
}

func (u *upstream) closeIdle() {
	u.http1.CloseIdleConnections()
	u.h2c.CloseIdleConnections()
}

func transport(p *http.Protocols) *http.Transport {
	return &http.Transport{
		Protocols:              p,
		DialContext:            dial,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        upstreamIdle,
		MaxResponseHeaderBytes: maxResponseBytes,
		ExpectContinueTimeout:  continueTimeout,
	}
}

var dialer = net.Dialer{Timeout: connectTimeout}

// connectError is a connection that was not made: nothing was sent.
type connectError struct{ error }

func (e *connectError) Unwrap() error { return e.error }

func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, &connectError{err}
	}
	return c, nil
}
