package http1

import (
	"context"
	"sync/atomic"
	"time"
)

// Reading the time and arming a timer for each request would cost more than
// parsing it. So there is one clock, moved by one goroutine, which looks at
// all connections each time: whose time has passed, and whose client has left.
// While nothing is in flight it ticks slowly, and without connections not at
// all.
const (
	tick     = 50 * time.Millisecond
	slowTick = time.Second
)

// clock is the engine's time: nanoseconds since base.
type clock struct {
	base  time.Time
	now   atomic.Int64
	awake atomic.Bool // it ticks fast
	wake  chan struct{}
}

// exact is the time without rounding.
func (c *clock) exact() int64 { return int64(time.Since(c.base)) }

// in is when d from now is.
func (c *clock) in(d time.Duration) int64 { return c.now.Load() + int64(d) }

// stir makes the clock tick, if it does not.
func (c *clock) stir() {
	if c.awake.Load() || !c.awake.CompareAndSwap(false, true) {
		return
	}
	c.now.Store(c.exact())
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run keeps the timeouts of all connections until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	timer := time.NewTimer(tick)
	defer timer.Stop()
	var busyAt int64
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-e.clock.wake:
		}
		now := e.clock.exact()
		e.clock.now.Store(now)
		if busy, _ := e.sweep(now); busy {
			busyAt = now
		}
		switch {
		case now-busyAt < int64(slowTick):
			timer.Reset(tick)
		default:
			e.clock.awake.Store(false)
			// What began since the sweep found the clock awake.
			busy, open := e.sweep(now)
			if busy {
				e.clock.stir()
			}
			if open {
				timer.Reset(slowTick)
			} else {
				timer.Stop()
			}
		}
	}
}

// each calls f with every client.
func (e *Engine) each(f func(*client)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.servers {
		s.mu.Lock()
		for c := range s.clients {
			f(c)
		}
		s.mu.Unlock()
	}
}

// sweep ends what has run out of time. It reports whether a request is in
// flight, and whether there is any connection.
func (e *Engine) sweep(now int64) (busy, open bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.servers {
		s.mu.Lock()
		for c := range s.clients {
			busy = c.look(now) || busy
			open = true
		}
		s.mu.Unlock()
	}
	for u := range e.upstreams {
		open = u.reap(now) || open
	}
	return busy, open
}
