package watch

import (
	"maps"
	"os"
	"slices"
	"time"
)

const (
	// quietLeast is how long nothing more may happen before a single save is
	// told: its events come within a millisecond or two.
	quietLeast = 8 * time.Millisecond
	// quietMore is that of a batch that has more than one path, and quietEach
	// what each of them adds: tools that write many files pause at times.
	quietMore = 25 * time.Millisecond
	quietEach = time.Millisecond
	quietMost = 150 * time.Millisecond
	// batchMost ends a batch that does not settle, unless git is at work.
	batchMost = 2 * time.Second
	// batchAgain is how soon after a batch a change counts as more of the same,
	// so that a burst that pauses is not cut into many.
	batchAgain = 50 * time.Millisecond
	// holdEach is how often is asked whether that which holds a batch is over.
	holdEach = 20 * time.Millisecond
	// lockMost is how old the lock of git's index may be to hold a batch; an
	// older one was left behind, or waits for somebody to write a message.
	lockMost = 10 * time.Second
	// maxBatch is how many paths of a batch are kept apart; others are counted.
	maxBatch = 1 << 16
)

// mark is what has happened to a path within a batch.
type mark byte

const (
	born    mark = 1 << iota // first of all, it was created
	written                  //
	gone                     // last of all, it was removed

	passing = born | written | gone // it was never there
)

// fewPaths is how many paths are looked at one by one while a batch grows.
const fewPaths = 8

// batch is a Batch that is still growing.
type batch struct {
	first, due time.Time
	paths      map[string]mark
	more       int
	soon       bool // it follows another one closely
}

// changed adds a change to the batch of a scope.
func (s *scope) changed(path string, m mark) {
	now := time.Now()
	b := s.batch
	if b == nil {
		b = &batch{first: now, paths: map[string]mark{}, soon: now.Sub(s.told) < batchAgain}
		s.batch = b
	}
	was, known := b.paths[path]
	switch {
	case known:
		b.paths[path] = was&^gone | m&^born
	case len(b.paths) < maxBatch:
		b.paths[path] = m
	default:
		b.more++
	}
	b.due = now.Add(b.quiet())
	if most := b.first.Add(batchMost); b.due.After(most) {
		b.due = most
	}
}

func (b *batch) quiet() time.Duration {
	n := len(b.paths)
	if n <= fewPaths {
		for _, m := range b.paths {
			if m == passing {
				n-- // a save by way of another file is a single one
			}
		}
	}
	switch {
	case n > 1 || b.soon:
		return min(quietMore+time.Duration(n)*quietEach, quietMost)
	default:
		return quietLeast
	}
}

// tell tells the batches that are due, and returns when the next one is.
func (t *tree) tell(now time.Time) (next time.Time) {
	for _, s := range t.scopes {
		b := s.batch
		if b == nil {
			continue
		}
		if !b.due.After(now) && (s.walking > 0 && now.Before(b.first.Add(batchMost)) || s.locked(now)) {
			b.due = now.Add(holdEach)
		}
		if !b.due.After(now) {
			s.batch = nil
			t.tellBatch(s, b)
			continue
		}
		if next.IsZero() || b.due.Before(next) {
			next = b.due
		}
	}
	return next
}

func (t *tree) tellBatch(s *scope, b *batch) {
	// What came, was written and went within the batch was never there: that is
	// how many programs save, whatever name they choose. One that was created
	// but not written may have replaced another one.
	maps.DeleteFunc(b.paths, func(_ string, m mark) bool { return m == passing })
	if len(b.paths) == 0 {
		return
	}
	paths := slices.Sorted(maps.Keys(b.paths))
	if len(paths) > MaxPaths {
		b.more += len(paths) - MaxPaths
		paths = slices.Clone(paths[:MaxPaths])
	}
	s.told = time.Now()
	s.tellings++
	if t.o.Changed != nil {
		t.o.Changed(Batch{Scope: s.Name, Paths: paths, More: b.more, At: b.first})
	}
}

// locked reports whether git is at work on the files of the scope.
func (s *scope) locked(now time.Time) bool {
	if s.lock == "" {
		return false
	}
	st, err := os.Lstat(s.lock)
	return err == nil && now.Sub(st.ModTime()) < lockMost
}
