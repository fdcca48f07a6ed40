// Package waits is who waits for what to change.
package waits

import (
	"context"
	"sync"
)

// Waits are those of one table. Its lock is the table's own.
type Waits struct {
	mu  sync.Locker
	all map[string]*wait // by topic
}

// wait is closed by the change that it is for. It is kept while somebody waits:
// topics of what there is not cost nothing.
type wait struct {
	changed chan struct{}
	readers int
}

// New returns the waits of a table that mu guards.
func New(mu sync.Locker) *Waits { return &Waits{mu: mu, all: map[string]*wait{}} }

// Wake has those look again who wait for a topic. The caller holds the lock.
func (w *Waits) Wake(topic string) {
	if one := w.all[topic]; one != nil {
		delete(w.all, topic)
		close(one.changed)
	}
}

// Await blocks until newer, which is called with the lock held, at first and
// after each change of the topic. Its only error is ctx's.
func (w *Waits) Await(ctx context.Context, topic string, newer func() bool) error {
	for {
		w.mu.Lock()
		if newer() {
			w.mu.Unlock()
			return nil
		}
		one := w.all[topic]
		if one == nil {
			one = &wait{changed: make(chan struct{})}
			w.all[topic] = one
		}
		one.readers++
		w.mu.Unlock()
		select {
		case <-one.changed:
			continue
		case <-ctx.Done():
		}
		w.mu.Lock()
		if one.readers--; one.readers == 0 && w.all[topic] == one {
			delete(w.all, topic)
		}
		w.mu.Unlock()
		return ctx.Err()
	}
}

// Len is how many topics somebody waits for. The caller holds the lock.
func (w *Waits) Len() int { return len(w.all) }
