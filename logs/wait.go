package logs

import (
	"context"
	"io"
	"time"
)

// Next returns what the selected services wrote after c: at least one chunk
// (or a report of dropped ones), then more while they are within max bytes in
// all. Chunks are in the order of their times, those of an instance always as
// they were written. It blocks until there is something; io.EOF says that
// nothing will come: the cursor's Until has passed, or the store is read-only
// and at its end. When ctx is done, Next still returns what there is, and the
// error of ctx when there is nothing.
//
// A reader may be as slow as it likes: nobody waits for it. What was deleted
// before it came is counted in Dropped.
func (s *Store) Next(ctx context.Context, c Cursor, max int) (Batch, error) {
	if b, err := s.read(c, max); err != nil || !b.empty() {
		return b, err
	}
	if s.readOnly {
		return Batch{}, io.EOF
	}
	w := s.wait(c)
	defer s.leave(w)
	var until <-chan time.Time
	if !c.Until.IsZero() {
		t := time.NewTimer(time.Until(c.Until) + 1)
		defer t.Stop()
		until = t.C
	}
	for ended := false; ; {
		b, err := s.read(c, max)
		switch {
		case err != nil || !b.empty():
			return b, err
		case ended:
			return Batch{}, io.EOF
		case ctx.Err() != nil:
			return Batch{}, ctx.Err()
		}
		select {
		case <-w.wake:
		case <-until:
			ended = true // what came before it is still read
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		}
	}
}

// waiter is a Next that blocks.
type waiter struct {
	cursor Cursor
	wake   chan struct{} // of capacity 1
}

// notify wakes those who wait for a service.
func (s *Store) notify(service string) {
	if s.waiting.Load() == 0 {
		return // one that begins to wait from now on sees the chunk
	}
	s.waitMu.Lock()
	defer s.waitMu.Unlock()
	for w := range s.waiters {
		if w.cursor.selects(service) {
			select {
			case w.wake <- struct{}{}:
			default:
			}
		}
	}
}

func (s *Store) wait(c Cursor) *waiter {
	w := &waiter{cursor: c, wake: make(chan struct{}, 1)}
	s.waitMu.Lock()
	defer s.waitMu.Unlock()
	s.waiters[w] = struct{}{}
	s.waiting.Store(int32(len(s.waiters)))
	return w
}

func (s *Store) leave(w *waiter) {
	s.waitMu.Lock()
	defer s.waitMu.Unlock()
	delete(s.waiters, w)
	s.waiting.Store(int32(len(s.waiters)))
}
