package watch

import (
	"context"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// sliceEvents and sliceTime bound what is done of one thing before the
	// others are looked at again.
	sliceEvents = 1024
	sliceTime   = 2 * time.Millisecond
	// latePace is how long is rested after each slice of looking for changes
	// that came before a watch: what else starts then is more urgent.
	latePace = 6 * time.Millisecond
	// calmLeast is how long no event has come when there are none that wait to
	// be read, and overlook how wrong that may be on a busy machine.
	calmLeast = 20 * time.Millisecond
	overlook  = time.Second
)

// Run watches until ctx is done, and returns nil then. It is to be called once.
func (w *Watcher) Run(ctx context.Context) error {
	src, err := w.open()
	if err == nil {
		defer src.close()
	}
	t := newTree(w.o, src)
	if err != nil {
		t.source = nil
		t.unopened(err)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for asked := 0; ctx.Err() == nil; {
		if scopes, at, n := w.wanted(); n != asked {
			asked = n
			t.follow(scopes, at)
		}
		t.takeEvents()
		t.slice(t.nextWork)
		if len(t.visits)+len(t.loose)+len(t.links) == 0 && asked > 0 {
			w.ready(asked)
			t.noticeMissing()
		}
		now := time.Now()
		next := sooner(t.tell(now), t.later(now))
		if t.busy() {
			continue
		}
		if timer.Stop(); !next.IsZero() {
			timer.Reset(max(0, time.Until(next)))
		}
		t.wait(ctx, w.wake, timer.C)
		if woken := time.Now(); woken.Sub(now) > calmLeast {
			t.calm = woken
		}
	}
	return nil
}

// busy reports whether there is work that need not be waited for.
func (t *tree) busy() bool {
	return len(t.visits)+len(t.loose)+len(t.links)+len(t.polling.round) > 0
}

// slice does one thing after the other for a short time, while there is one.
func (t *tree) slice(one func() bool) {
	for until := time.Now().Add(sliceTime); one(); {
		if time.Now().After(until) {
			return
		}
	}
}

// nextWork does what keeps the tree as it is to be. Links come last, so that
// folders have the names that they have without them.
func (t *tree) nextWork() bool {
	switch {
	case len(t.loose) > 0:
		t.tie(pop(&t.loose))
	case len(t.visits) > 0:
		t.visitSome()
	case len(t.links) > 0:
		t.tie(pop(&t.links))
	default:
		return false
	}
	return true
}

func (t *tree) nextLate() bool {
	if len(t.late) == 0 {
		return false
	}
	t.lookLate(pop(&t.late))
	return true
}

// later does what has its time, once the tree is as it is to be, and returns
// when there is more of it.
func (t *tree) later(now time.Time) (next time.Time) {
	if len(t.visits)+len(t.loose)+len(t.links) > 0 {
		return now
	}
	if len(t.late) > 0 && !now.Before(t.lateAt) {
		t.slice(t.nextLate)
		t.lateAt = time.Now().Add(latePace)
	}
	if len(t.late) > 0 {
		next = t.lateAt
	}
	t.polling.begin(now)
	t.slice(t.nextLook)
	next = sooner(next, t.polling.due())
	return sooner(next, t.tell(time.Now()))
}

// takeEvents takes in what has come.
func (t *tree) takeEvents() {
	if t.source == nil {
		return
	}
	for range sliceEvents {
		select {
		case e, open := <-t.source.events():
			if !open {
				return
			}
			t.event(e)
		case <-t.source.overflowed():
			t.overflowed()
		default:
			return
		}
	}
}

// wait returns when there is something to do.
func (t *tree) wait(ctx context.Context, wake <-chan struct{}, timer <-chan time.Time) {
	if t.source == nil {
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer:
		}
		return
	}
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer:
	case e := <-t.source.events():
		t.event(e)
	case <-t.source.overflowed():
		t.overflowed()
	}
}

// overflowed has everything be looked at again, since events have been lost.
func (t *tree) overflowed() {
	t.since = t.calm.Add(-overlook)
	for _, f := range t.byPath {
		t.visit(f, visitCompare)
		for _, p := range f.pins {
			t.loosen(p.anchor)
			if st, err := os.Lstat(join(f.path, p.name)); err == nil && changeTime(st).After(t.since) {
				t.atPin(f, p, fsnotify.Write)
			}
		}
	}
}

// sooner returns the earlier of two times, of which zero means never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// pop takes the last one off.
func pop[T any](s *[]T) T {
	last := len(*s) - 1
	v := (*s)[last]
	clear((*s)[last:])
	*s = (*s)[:last]
	return v
}
