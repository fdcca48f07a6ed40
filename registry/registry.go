package registry

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
)

// Registry is the table. It is safe for concurrent use.
type Registry struct {
	mu       sync.Mutex
	table    []Instance    // sorted by service and replica
	revision atomic.Uint64 // grows under mu
	latest   *Snapshot     // of revision, once somebody asked for it
	newer    chan struct{} // closed when revision grows; nil while nobody waits
}

// New returns an empty table, at revision 1: a reader that has seen nothing
// (after 0) learns at once that it is empty.
func New() *Registry {
	r := &Registry{}
	r.revision.Store(1)
	return r
}

// Put inserts i, or replaces the instance with its ID, which always is the same
// service's and replica's. It never waits for
// readers, who may miss intermediate states. A Put of what is there already
// makes no revision.
func (r *Registry) Put(i Instance) { r.Edit(nil, i) }

// Delete takes an instance out; one that is not there makes no revision.
func (r *Registry) Delete(id string) { r.Edit([]string{id}) }

// Edit deletes and puts in one revision: no reader sees one without the other.
func (r *Registry) Edit(gone []string, put ...Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.revision.Load() + 1
	changed := false
	for _, id := range gone {
		if at := slices.IndexFunc(r.table, func(i Instance) bool { return i.ID == id }); at >= 0 {
			r.table = slices.Delete(r.table, at, at+1)
			changed = true
		}
	}
	for _, i := range put {
		i = i.clone()
		at, found := slices.BinarySearchFunc(r.table, i, byService)
		if found {
			if i.Revision = r.table[at].Revision; reflect.DeepEqual(r.table[at], i) {
				continue
			}
		} else {
			r.table = slices.Insert(r.table, at, i)
		}
		i.Revision = next
		r.table[at] = i
		changed = true
	}
	if changed {
		r.advance()
	}
}

// advance begins the next revision. The caller holds mu.
func (r *Registry) advance() {
	r.revision.Add(1)
	r.latest = nil
	if r.newer != nil {
		close(r.newer)
		r.newer = nil
	}
}

// Revision is the table's. It is cheap enough to be asked for at each request.
func (r *Registry) Revision() uint64 { return r.revision.Load() }

// Snapshot returns the table as it is now.
func (r *Registry) Snapshot() Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snapshot()
}

// Next blocks until the table is newer than revision after, and returns it as
// it is then. Its only error is ctx's.
func (r *Registry) Next(ctx context.Context, after uint64) (Snapshot, error) {
	for {
		r.mu.Lock()
		if r.revision.Load() > after {
			s := r.snapshot()
			r.mu.Unlock()
			return s, nil
		}
		if r.newer == nil {
			r.newer = make(chan struct{})
		}
		newer := r.newer
		r.mu.Unlock()
		select {
		case <-newer:
		case <-ctx.Done():
			return Snapshot{}, ctx.Err()
		}
	}
}

// snapshot makes the snapshot of a revision once, for all who read it. The
// caller holds mu.
func (r *Registry) snapshot() Snapshot {
	if r.latest == nil {
		s := Snapshot{Revision: r.revision.Load(), Instances: slices.Clone(r.table)}
		r.latest = &s
	}
	return *r.latest
}

func byService(a, b Instance) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Replica, b.Replica), cmp.Compare(a.ID, b.ID))
}

// clone makes i independent of whoever passed it.
func (i Instance) clone() Instance {
	i.Output = slices.Clone(i.Output)
	i.Tags = slices.Clone(i.Tags)
	i.Meta = maps.Clone(i.Meta)
	if i.Exit != nil {
		e := *i.Exit
		i.Exit = &e
	}
	if i.Stale != nil {
		s := *i.Stale
		s.Output = slices.Clone(s.Output)
		i.Stale = &s
	}
	return i
}

// Instance returns the instance with the given ID.
func (s Snapshot) Instance(id string) (Instance, bool) {
	n := slices.IndexFunc(s.Instances, func(i Instance) bool { return i.ID == id })
	if n < 0 {
		return Instance{}, false
	}
	return s.Instances[n], true
}

// Service returns the instances of a service, by replica.
func (s Snapshot) Service(name string) []Instance {
	from, _ := slices.BinarySearchFunc(s.Instances, name, func(i Instance, name string) int { return cmp.Compare(i.Service, name) })
	to := from
	for to < len(s.Instances) && s.Instances[to].Service == name {
		to++
	}
	return s.Instances[from:to:to]
}
