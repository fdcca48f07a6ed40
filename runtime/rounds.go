package runtime

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

const (
	// roundSlot is the grid on which calm probes fall, so that those of many
	// instances share a wake-up: what idling costs is waking, not looking.
	roundSlot = 250 * time.Millisecond
	// roundPatience is how long a round waits for its answers. Who takes longer
	// is asked by a goroutine of its own from then on.
	roundPatience = 50 * time.Millisecond
)

// rounds probes instances that are ready, many at once from one goroutine.
type rounds struct {
	mu      sync.Mutex
	watched map[*watched]struct{}
	added   chan struct{}
}

// watched is an instance that is probed at an interval.
type watched struct {
	look  look
	every time.Duration
	heed  func(error)   // hears each answer, but for late ones
	late  chan struct{} // closed when the answer took too long
	due   time.Time
}

func newRounds() *rounds {
	return &rounds{watched: map[*watched]struct{}{}, added: make(chan struct{}, 1)}
}

// watch has l looked at every interval, and heed hear the answers, until ctx
// ends or an answer is late, which it reports. heed must not block.
func (r *rounds) watch(ctx context.Context, l look, every time.Duration, heed func(error)) (late bool) {
	w := &watched{look: l, every: every, heed: heed, late: make(chan struct{})}
	w.next(time.Now())
	r.mu.Lock()
	r.watched[w] = struct{}{}
	r.mu.Unlock()
	select {
	case r.added <- struct{}{}:
	default: // run will look at all of them
	}
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watched, w)
	}()
	select {
	case <-ctx.Done():
		return false
	case <-w.late:
		return true
	}
}

// next sets when w is due: an interval from now, on the grid.
func (w *watched) next(now time.Time) {
	slot := max(min(roundSlot, w.every/4), time.Millisecond)
	w.due = now.Add(w.every - slot/2).Truncate(slot).Add(slot)
}

// run makes rounds until ctx ends.
func (r *rounds) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-r.added:
		case <-ctx.Done():
			return
		}
		due, next := r.due(time.Now())
		if len(due) > 0 {
			r.round(due)
			_, next = r.due(time.Now())
		}
		if next.IsZero() {
			timer.Stop()
			continue
		}
		timer.Reset(time.Until(next))
	}
}

// due lists who is to be looked at, and says when the next is.
func (r *rounds) due(now time.Time) (due []*watched, next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := range r.watched {
		switch {
		case !w.due.After(now):
			due = append(due, w)
		case next.IsZero() || w.due.Before(next):
			next = w.due
		}
	}
	return due, next
}

// round looks at all that are due, and passes the answers on.
func (r *rounds) round(due []*watched) {
	looks := make([]look, len(due))
	for n, w := range due {
		looks[n] = w.look
	}
	answers := lookAll(looks, roundPatience)
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for n, w := range due {
		w.next(now)
		if _, ok := r.watched[w]; !ok {
			continue // nobody is interested any more
		}
		if errors.Is(answers[n], errLate) {
			delete(r.watched, w)
			close(w.late)
			continue
		}
		w.heed(answers[n])
	}
}

// calm probes at the interval, and takes an instance out after h.Retries
// failures in a row.
func (i *instance) calm(ctx context.Context, h stack.Healthcheck, t probed, ready func()) {
	failures := 0
	heed := func(err error) {
		switch {
		case err == nil:
			if failures >= h.Retries {
				ready()
			}
			failures = 0
		case ctx.Err() == nil:
			failures++
			if failures >= h.Retries {
				i.become(registry.Unready, func(r *registry.Instance) { r.Reason = "probe failed: " + err.Error() })
			}
		}
	}
	if p, ok := i.probe.(looker); ok {
		if l, ok := p.look(t); ok && !i.sup.rounds.watch(ctx, l, h.Interval, heed) {
			return
		}
	}
	for sleep(ctx, h.Interval) {
		heed(attempt(ctx, i.probe, h, t))
	}
}
