package http1

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of the connections to an instance.
const (
	maxIdle  = 1024
	maxDials = 32 // at once
	// A connection is given up before any of the servers in the field does
	// (gunicorn after 2 s, node and uvicorn after 5): a POST on a connection
	// that the server is closing fails, and cannot be repeated.
	upstreamIdle = 1500 * time.Millisecond
)

// Upstream is the connections to one address. It implements wire.Upstream.
type Upstream struct {
	engine *Engine
	addr   string
	dialer net.Dialer
	dials  chan struct{} // has a token for each dial under way
	ended  atomic.Bool   // what is under way is to end

	mu        sync.Mutex
	idle      []*conn // the one used last is the last
	forgotten bool
	calls     map[*Call]struct{} // under way
	beside    Beside             // of another engine; nil without
}

// Upstream returns the connections to addr, which are made within connect.
func (e *Engine) Upstream(addr string, connect time.Duration) *Upstream {
	u := &Upstream{engine: e, addr: addr, dialer: net.Dialer{Timeout: connect}, dials: make(chan struct{}, maxDials)}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.upstreams[u] = struct{}{}
	return u
}

// Addr implements wire.Upstream.
func (u *Upstream) Addr() string { return u.addr }

// Forget implements wire.Upstream.
func (u *Upstream) Forget() {
	u.engine.mu.Lock()
	delete(u.engine.upstreams, u)
	u.engine.mu.Unlock()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.forgotten = true
	if u.beside != nil {
		_ = u.beside.Close()
	}
	for _, c := range u.idle {
		_ = c.Close()
	}
	u.idle = nil
}

// End implements wire.Upstream. Whoever is at it learns of it where they wait
// for the instance; only a request that has no connection yet asks.
func (u *Upstream) End(cut bool) {
	u.ended.Store(true)
	u.engine.each(func(c *client) { c.end(u, cut) })
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.calls {
		c.Cut()
	}
	if u.beside != nil {
		u.beside.Cut()
	}
}

// connectError is a connection that was not made: nothing was sent.
type connectError struct{ error }

func (e *connectError) Unwrap() error { return e.error }

// take returns an idle connection, the one that was used last, nil without
// one. sure: one that the other side has not closed meanwhile. Whatever has been
// idle for longer than a tick is looked at, too: the other side may have said
// what nobody asked for.
func (u *Upstream) take(sure bool) *conn {
	now := u.engine.clock.now.Load()
	oldest := now - int64(upstreamIdle)
	for {
		u.mu.Lock()
		n := len(u.idle)
		if n == 0 {
			u.mu.Unlock()
			return nil
		}
		c := u.idle[n-1]
		u.idle[n-1] = nil
		u.idle = u.idle[:n-1]
		u.mu.Unlock()
		if c.since >= oldest && (!sure && c.since == now || c.alive()) {
			return c
		}
		_ = c.Close()
	}
}

// dial makes a connection.
func (u *Upstream) dial(ctx context.Context) (*conn, error) {
	select {
	case u.dials <- struct{}{}:
	case <-ctx.Done():
		return nil, &connectError{context.Cause(ctx)}
	}
	// Dialing needs a deep stack. A goroutine of its own gives it back.
	made := make(chan dialed, 1)
	go func() {
		n, err := u.dialer.DialContext(ctx, "tcp", u.addr)
		made <- dialed{n, err}
		<-u.dials
	}()
	d := <-made
	if d.err != nil {
		return nil, &connectError{d.err}
	}
	c := newConn(d.conn)
	c.of = u
	return c, nil
}

type dialed struct {
	conn net.Conn
	err  error
}

// put gives a connection back on which a response has ended.
func (u *Upstream) put(c *conn) {
	c.since = u.engine.clock.now.Load()
	u.mu.Lock()
	if u.forgotten || len(u.idle) >= maxIdle {
		u.mu.Unlock()
		_ = c.Close()
		return
	}
	u.idle = append(u.idle, c)
	u.mu.Unlock()
}

// reap closes the connections that have been idle for too long, and reports
// whether there are others.
func (u *Upstream) reap(now int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := 0
	for n < len(u.idle) && now-u.idle[n].since > int64(upstreamIdle) {
		_ = u.idle[n].Close()
		n++
	}
	if n > 0 {
		rest := copy(u.idle, u.idle[n:])
		clear(u.idle[rest:])
		u.idle = u.idle[:rest]
	}
	return len(u.idle) > 0
}
