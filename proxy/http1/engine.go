// Package http1 is the gateway's engine for HTTP/1.1 and HTTP/1.0, strict and
// cheap: a goroutine a connection, no allocation for a request in the steady
// state, nothing buffered whole. What is HTTP/2 it hands to another engine.
//
// A message that two parties could read in two ways is refused (RFC 9112):
// lines end with CR LF, names are tokens, a body's length is said once.
package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/msctl/msctl/proxy/wire"
)

// Limits of a client's connection.
const (
	headTimeout      = 10 * time.Second // from a head's first byte to its last
	idleTimeout      = 75 * time.Second // nginx's keepalive_timeout
	bodyTimeout      = 60 * time.Second // between two reads of a body; nginx's client_body_timeout
	writeTimeout     = 60 * time.Second // between two writes to a client that does not read; nginx's send_timeout
	handshakeTimeout = 10 * time.Second
	lingerTimeout    = 2 * time.Second // for a client to see a response to a body that was not read
	lingerBytes      = 1 << 20
)

// grace is how long what is in flight may go on once a listener ends.
const grace = 3 * time.Second

// acceptPause keeps a listener that cannot accept, for want of file
// descriptors, from spinning.
const acceptPause = 50 * time.Millisecond

// Options are what an Engine can be told.
type Options struct {
	// Other serves the connections of a listener that are not HTTP/1: those
	// that speak HTTP/2, and those with a request for a service that speaks
	// HTTP/2 only. Each is a *Rest. It returns when ctx has ended and nothing
	// is left.
	Other func(ctx context.Context, ln net.Listener, door wire.Door) error
	// OnError hears of what concerns no single request.
	OnError func(error)
}

// Engine carries requests. It is safe for concurrent use.
type Engine struct {
	Options
	clock clock

	mu        sync.Mutex
	servers   map[*server]struct{}
	upstreams map[*Upstream]struct{}
}

// New makes an engine. Its timeouts are kept while Run runs.
func New(o Options) *Engine {
	return &Engine{
		Options: o, clock: clock{base: time.Now(), wake: make(chan struct{}, 1)},
		servers: map[*server]struct{}{}, upstreams: map[*Upstream]struct{}{},
	}
}

// server is one listener and its connections.
type server struct {
	*Engine
	door   wire.Door
	ending atomic.Bool
	serves sync.WaitGroup
	other  *handover

	mu      sync.Mutex
	clients map[*client]struct{}
}

// Serve carries the requests that come in through ln to where door says, until
// ctx ends or ln is closed. Then it accepts nothing more, and cuts off what has
// not finished within a short grace. It returns when nothing of it is left.
// With a TLS configuration, connections that begin with a TLS handshake speak
// TLS; the others do not, and the door sees which is which.
func (e *Engine) Serve(ctx context.Context, ln net.Listener, door wire.Door, secure *tls.Config) error {
	tuneListener(ln)
	s := &server{Engine: e, door: door, clients: map[*client]struct{}{}}
	s.other = &handover{addr: ln.Addr(), conns: make(chan net.Conn), ended: make(chan struct{})}
	e.mu.Lock()
	e.servers[s] = struct{}{}
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		delete(e.servers, s)
		e.mu.Unlock()
	}()
	requests := context.WithoutCancel(ctx)
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	var err error
	for err == nil {
		var c net.Conn
		c, err = ln.Accept()
		switch {
		case err == nil:
			s.serves.Go(func() { s.serve(ctx, requests, c, secure) })
		case errors.Is(err, net.ErrClosed):
		default:
			e.OnError(fmt.Errorf("accept: %w", err))
			err = nil
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
			}
		}
	}
	s.end()
	defer time.AfterFunc(grace, s.cut).Stop()
	s.serves.Wait()
	return s.other.wait()
}

// serve serves one connection to its end.
func (s *server) serve(ctx, requests context.Context, n net.Conn, secure *tls.Config) {
	c := newClient(requests, s, n)
	defer c.stop()
	s.add(c)
	defer s.remove(c)
	s.clock.stir()
	if secure != nil {
		if err := c.secure(secure); err != nil {
			_ = c.Close()
			return
		}
	}
	if !c.h2 {
		for c.one() {
		}
	}
	if !c.h2 {
		_ = c.Close()
		return
	}
	if s.Other == nil || !s.other.hand(c.rest(), func(ln net.Listener) error { return s.Other(ctx, ln, s.door) }) {
		_ = c.Close()
	}
}

func (s *server) add(c *client) {
	s.mu.Lock()
	s.clients[c] = struct{}{}
	s.mu.Unlock()
	if s.ending.Load() {
		c.cutIdle()
	}
}

func (s *server) remove(c *client) {
	s.mu.Lock()
	delete(s.clients, c)
	s.mu.Unlock()
}

// end lets the connections finish what they are at.
func (s *server) end() {
	s.ending.Store(true)
	s.other.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.clients {
		c.cutIdle()
	}
}

// cut ends all that is left.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.clients {
		c.abort(errEnding)
		c.cut()
	}
}

var errEnding = errors.New("the gateway ends")

// handover is a listener of the connections that another engine serves.
type handover struct {
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	ended chan struct{}
	mu    sync.Mutex
	begun chan error // has what serving ended with; nil before the first connection
}

// hand passes c on, and begins to serve with the first one.
func (h *handover) hand(c net.Conn, serve func(net.Listener) error) bool {
	h.mu.Lock()
	if h.begun == nil {
		begun := make(chan error, 1)
		h.begun = begun
		go func() { begun <- serve(h) }()
	}
	h.mu.Unlock()
	select {
	case h.conns <- c:
		return true
	case <-h.ended:
		return false
	}
}

func (h *handover) end() { h.once.Do(func() { close(h.ended) }) }

// wait returns once serving has ended, if it began.
func (h *handover) wait() error {
	h.mu.Lock()
	begun := h.begun
	h.mu.Unlock()
	if begun == nil {
		return nil
	}
	return <-begun
}

// Accept implements net.Listener.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.ended:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handover) Close() error {
	h.end()
	return nil
}

// Addr implements net.Listener.
func (h *handover) Addr() net.Addr { return h.addr }
