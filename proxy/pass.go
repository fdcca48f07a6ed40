package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/msctl/msctl/proxy/wire"
)

// Bounds of holding a request while no instance is ready. Nothing of its body
// is read meanwhile.
const (
	// DefaultHold is how long a request waits for an instance to become ready.
	DefaultHold = 10 * time.Second
	// MaxHeld is how many requests of a service wait at once; Envoy's default
	// for pending requests of a cluster.
	MaxHeld = 1024
)

// settle is how long the word of ready instances that all refuse connections
// is waited for: one that has ended is known to have within milliseconds.
const settle = time.Second

// pass is the way of one request to an instance of a pool. It implements
// wire.Pass.
type pass struct {
	pool  *pool
	at    *endpoint   // where the request is in flight
	tried []*endpoint // that could not be connected to
	until time.Time   // of all its waiting; zero before the first
}

func (p *pass) Next(ctx context.Context, failed error) (wire.Upstream, error) {
	if failed != nil {
		p.tried = append(p.tried, p.at)
		p.leave()
	}
	e, o := p.pool.take(p.tried)
	if e == nil {
		var err error
		if e, err = p.wait(ctx, o, failed); err != nil {
			return nil, err
		}
	}
	p.at = e
	return e.upstream, nil
}

// wait holds the request until there is an endpoint to take, or no hope, or no
// more time.
func (p *pass) wait(ctx context.Context, o outlook, failed error) (*endpoint, error) {
	if !p.pool.enter() {
		return nil, p.pool.unavailable(o, "too many requests wait for it already")
	}
	defer p.pool.leave()
	began := time.Now()
	if p.until.IsZero() {
		p.until = began.Add(p.pool.hold)
	}
	timer := time.NewTimer(p.pool.hold)
	defer timer.Stop()
	for {
		left := time.Until(p.deadline(o, began))
		if left <= 0 {
			if o.refusing {
				return nil, p.pool.refused(p.tried, failed)
			}
			return nil, p.pool.unavailable(o, waited(time.Since(began)))
		}
		timer.Reset(left)
		select {
		case <-o.changed:
			p.tried = p.tried[:0] // what refused may be another process by now
		case <-timer.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		var e *endpoint
		if e, o = p.pool.take(p.tried); e != nil {
			return e, nil
		}
	}
}

// deadline is until when a wait that began at began goes on, with that outlook.
func (p *pass) deadline(o outlook, began time.Time) time.Time {
	var until time.Time
	switch {
	case o.refusing:
		until = began.Add(settle)
	case o.alive:
		return p.until
	case !o.lost.IsZero():
		until = o.lost.Add(restartGap)
	}
	if until.After(p.until) {
		return p.until
	}
	return until
}

// enter reports whether one more request may wait; leave must follow then.
func (p *pool) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held >= MaxHeld {
		return false
	}
	p.held++
	return true
}

func (p *pool) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held--
}

func (p *pass) Broke(err error) *wire.Problem {
	if errors.Is(err, wire.ErrTimeout) {
		return p.pool.slow(p.at)
	}
	return p.pool.broke(p.at, err)
}

// Again implements wire.Pass.
func (p *pass) Again(context.Context, int, error) bool { return false }

// Done implements wire.Pass.
func (p *pass) Done(*wire.Outcome) { p.leave() }

func (p *pass) leave() {
	if p.at != nil {
		p.at.flight.End()
		p.at = nil
	}
}
