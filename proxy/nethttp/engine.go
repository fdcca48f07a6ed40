// Package nethttp is an engine of the gateway on net/http: HTTP/1.1, and
// HTTP/2 in clear text with prior knowledge.
package nethttp

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/msctl/msctl/proxy/wire"
)

// Limits of a client's connection.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 75 * time.Second // nginx's keepalive_timeout
	maxHeaderBytes    = 60 << 10         // Envoy's max_request_headers_kb
)

// grace is how long what is in flight may go on once a listener ends.
const grace = 3 * time.Second

// Engine carries requests. It is safe for concurrent use.
type Engine struct {
	log       *log.Logger
	upstreams sync.Map // address → *upstream
}

// New makes an engine that reports to onError what concerns no single request.
func New(onError func(error)) *Engine {
	return &Engine{log: log.New(reporter(onError), "", 0)}
}

// reporter makes an error of each line that is logged.
type reporter func(error)

func (r reporter) Write(p []byte) (int, error) {
	r(errors.New(strings.TrimSpace(string(p))))
	return len(p), nil
}

// Serve carries the requests that come in through ln to where door says, until
// ctx ends or ln is closed. Then it accepts nothing more, and cuts off what has
// not finished within a short grace. It returns when nothing of it is left.
func (e *Engine) Serve(ctx context.Context, ln net.Listener, door wire.Door) error {
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	h := &handler{engine: e, door: door}
	server := &http.Server{
		Handler:           h,
		Protocols:         protocols(true, true),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          e.log,
		BaseContext:       func(net.Listener) context.Context { return requests },
	}
	ended := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer ended()
	err := server.Serve(ln)
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	limited, done := context.WithTimeout(requests, grace)
	defer done()
	shut(requests, server)
	_ = h.flight.Wait(limited)
	cut()
	_ = server.Close()
	return errors.Join(err, h.flight.Wait(context.WithoutCancel(ctx)))
}

// shut tells the clients that server ends. A connection that no request came
// on yet, as browsers open them ahead, would have it wait for 5 s.
func shut(ctx context.Context, server *http.Server) {
	brief, done := context.WithTimeout(ctx, 100*time.Millisecond)
	defer done()
	_ = server.Shutdown(brief)
}

// Close closes the connections to all addresses.
func (e *Engine) Close() {
	e.upstreams.Range(func(_, u any) bool {
		u.(*upstream).Forget()
		return true
	})
}

func protocols(http1, h2c bool) *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(http1)
	p.SetUnencryptedHTTP2(h2c)
	return &p
}
