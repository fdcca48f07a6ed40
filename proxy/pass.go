package proxy

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/msctl/msctl/proxy/balance"
	"github.com/msctl/msctl/proxy/observe"
	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/stack"
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

// retryPause is Envoy's base_interval of retry_back_off: the first pause is at
// most as long, each that follows at most twice the one before.
const retryPause = 25 * time.Millisecond

// pass is the way of one request to an instance of a pool. It implements
// wire.Pass.
type pass struct {
	pool     *pool
	recorder *observe.Recorder
	terms    wire.Terms
	entry    observe.Entry

	at       *endpoint       // where the request is in flight
	tried    []*balance.Host // that could not be connected to, or failed
	until    time.Time       // of all its waiting; zero before the first
	hash     uint64
	hashed   bool
	retries  *stack.Retries
	repeats  int  // so far
	retrying bool // on the budget of retries
	told     bool // the last of terms.Late is what tell says
	verdict  verdict
}

var passes = sync.Pool{New: func() any { return new(pass) }}

// newPass is the way of the request h to p, counted in s.
func newPass(p *pool, r *observe.Recorder, s *observe.Series, h *wire.Head) *pass {
	w := passes.Get().(*pass)
	w.pool, w.recorder = p, r
	w.terms.Path, w.terms.Query = h.Path, h.Query
	w.entry.Begin(s, h)
	w.entry.Trace = observe.Continue(h.Header.Get("Traceparent"), &w.terms.Traceparent)
	return w
}

// retry has the request repeated as r says; nil is not at all.
func (p *pass) retry(r *stack.Retries) {
	if p.retries = r; r != nil {
		p.terms.TryTimeout = r.PerTryTimeout
	}
}

func (p *pass) Next(ctx context.Context, cause error) (wire.Upstream, error) {
	switch {
	case errors.Is(cause, wire.ErrReplaced):
		p.leave(noVerdict)
	case cause != nil:
		p.tried = append(p.tried, &p.at.Host)
		p.leave(failed)
	}
	p.pool.catchUp()
	e, o := p.pool.take(p)
	if e == nil && len(p.tried) > 0 && p.retrying {
		p.tried = p.tried[:0] // the one that failed is better than none
		e, o = p.pool.take(p)
	}
	if e == nil {
		var err error
		if e, err = p.wait(ctx, o, cause); err != nil {
			return nil, err
		}
	}
	p.at = e
	p.entry.Attempts++
	p.entry.Instance = e.instance
	p.tell(e)
	return e.upstream, nil
}

// wait holds the request until there is an endpoint to take, or no hope, or no
// more time.
func (p *pass) wait(ctx context.Context, o outlook, cause error) (*endpoint, error) {
	if !p.pool.enter() {
		return nil, p.pool.unavailable(o, "too many requests wait for it already")
	}
	defer p.pool.exit()
	p.entry.Hold()
	defer p.entry.Release()
	began := time.Now()
	defer func() { p.entry.Wait += time.Since(began) }()
	if p.until.IsZero() {
		p.until = began.Add(p.pool.hold)
	}
	timer := time.NewTimer(p.pool.hold)
	defer timer.Stop()
	for {
		left := time.Until(p.deadline(o, began))
		if left <= 0 {
			switch {
			case o.full:
				return nil, p.pool.unavailable(o, "as many requests as it takes are in flight")
			case o.refusing:
				return nil, p.pool.refused(p.tried, cause)
			}
			return nil, p.pool.unavailable(o, waited(time.Since(began)))
		}
		timer.Reset(left)
		var freed <-chan struct{} // of no use to one that room does not help
		if o.full {
			freed = p.pool.freed
		}
		select {
		case <-o.changed:
			p.tried = p.tried[:0] // what refused may be another process by now
		case <-freed:
		case <-timer.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		full := o.full
		var e *endpoint
		if e, o = p.pool.take(p); e != nil {
			if full {
				p.pool.free() // there may be room for another
			}
			return e, nil
		}
	}
}

// deadline is until when a wait that began at began goes on, with that outlook.
func (p *pass) deadline(o outlook, began time.Time) time.Time {
	var until time.Time
	switch {
	case o.full:
		return p.until
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

// enter reports whether one more request may wait; exit must follow then.
func (p *pool) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held >= MaxHeld {
		return false
	}
	p.held++
	return true
}

func (p *pool) exit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held--
}

// Again implements wire.Pass.
func (p *pass) Again(ctx context.Context, status int, err error) bool {
	r := p.retries
	if r == nil || p.repeats >= r.Attempts || !worth(r, status, err) {
		return false
	}
	if p.retrying {
		p.retrying = false
		p.pool.retried()
	}
	if !p.pool.retry() {
		return false
	}
	p.retrying = true
	p.tried = append(p.tried, &p.at.Host)
	p.leave(failed)
	pause := time.NewTimer(rand.N(retryPause << min(p.repeats, 4)))
	defer pause.Stop()
	p.repeats++
	select {
	case <-pause.C:
		return true
	case <-ctx.Done():
		return true // Next says why not
	}
}

// worth reports whether r names what happened.
func worth(r *stack.Retries, status int, err error) bool {
	return slices.ContainsFunc(r.On, func(on string) bool {
		switch on {
		case "5xx":
			return status >= 500 || err != nil
		case "gateway-error":
			return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
		case "reset":
			return err != nil
		}
		return false // connect-failure is repeated anyway: nothing was sent
	})
}

func (p *pass) Broke(err error) *wire.Problem {
	p.verdict = failed
	p.untell()
	switch {
	case errors.Is(err, wire.ErrTimeout):
		return p.pool.slow(p.at)
	case errors.Is(err, wire.ErrReplaced) && p.at != nil:
		return p.pool.replaced(p.at)
	}
	return p.pool.broke(p.at, err)
}

func (p *pass) Done(o *wire.Outcome) {
	v := p.verdict
	switch {
	case o == nil || v != noVerdict:
	case o.Status >= 500:
		v = failed
	case o.Err == nil:
		v = did
	}
	p.leave(v)
	if p.retrying {
		p.pool.retried()
	}
	if o != nil {
		p.entry.Outcome = *o
		p.recorder.Add(&p.entry)
	} else {
		p.entry.Abandon()
	}
	p.reset()
	passes.Put(p)
}

// reset forgets all of the request, but for the memory.
func (p *pass) reset() {
	p.pool, p.recorder, p.at = nil, nil, nil
	p.terms = wire.Terms{}
	clear(p.tried)
	p.tried = p.tried[:0]
	p.until = time.Time{}
	p.hash, p.hashed, p.verdict = 0, false, noVerdict
	p.retries, p.repeats, p.retrying, p.told = nil, 0, false, false
}

// leave ends the request at the endpoint where it is.
func (p *pass) leave(v verdict) {
	if p.at == nil {
		return
	}
	p.untell()
	p.pool.leave(p.at, v)
	p.at = nil
}
