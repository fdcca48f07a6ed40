package proxy

import (
	"slices"
	"sync"
	"time"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/registry"
)

// restartGap is how long a service may be without any living instance in the
// course of a restart: the old one is gone, the new one not yet in the table.
const restartGap = 250 * time.Millisecond

// pool is the instances of one service, as its requests see them. Choosing an
// instance and counting the request is one step under its lock, and so is
// taking one out: an instance that left is never chosen after.
type pool struct {
	service  string
	hold     time.Duration
	lastLine func(instanceID string) string
	upstream func(addr string) wire.Upstream

	mu        sync.Mutex
	ready     []*endpoint
	all       []*endpoint // with those that left and still have requests in flight
	instances []registry.Instance
	changed   chan struct{} // closed when any of this changes
	held      int           // requests that wait
	lost      time.Time     // when the last living instance went; zero while there is one, or never was
}

// endpoint is one address of an instance.
type endpoint struct {
	instance string
	upstream wire.Upstream
	addr     string
	weight   int
	current  int // of the smooth weighted round robin
	flight   wire.Flight
}

// update makes the pool what the registry says, and returns the addresses that
// take no more requests.
func (p *pool) update(instances []registry.Instance, now time.Time) (left []wire.Upstream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.EqualFunc(p.instances, instances, same) {
		return nil
	}
	if lived := alive(p.instances); alive(instances) {
		p.lost = time.Time{}
	} else if lived {
		p.lost = now
	}
	before := p.ready
	p.instances, p.ready = instances, nil
	for _, i := range instances {
		if i.State == registry.Ready && i.Address != "" {
			e := p.endpoint(i.ID, i.Address)
			e.weight = max(i.Weight, 1)
			p.ready = append(p.ready, e)
		}
	}
	for _, e := range before {
		if !slices.Contains(p.ready, e) {
			left = append(left, e.upstream)
		}
	}
	p.all = slices.DeleteFunc(p.all, func(e *endpoint) bool {
		return !slices.Contains(p.ready, e) && e.flight.Count() == 0
	})
	close(p.changed)
	p.changed = make(chan struct{})
	return left
}

// same reports whether nothing changed of an instance that the gateway looks at.
func same(a, b registry.Instance) bool {
	return a.ID == b.ID && a.Address == b.Address && a.State == b.State && a.Weight == b.Weight && a.Reason == b.Reason
}

// alive reports whether one of the instances may become ready.
func alive(instances []registry.Instance) bool {
	return slices.ContainsFunc(instances, func(i registry.Instance) bool { return !i.State.Terminal() })
}

// endpoint returns the endpoint of an instance at an address, the one there is
// or a new one. The caller holds mu.
func (p *pool) endpoint(instance, addr string) *endpoint {
	for _, e := range p.all {
		if e.instance == instance && e.addr == addr {
			return e
		}
	}
	e := &endpoint{instance: instance, addr: addr, upstream: p.upstream(addr)}
	p.all = append(p.all, e)
	return e
}

// outlook is why there is no endpoint to take.
type outlook struct {
	changed   <-chan struct{}
	refusing  bool      // there are ready ones, but all were tried
	alive     bool      // one may become ready
	lost      time.Time // when that ended
	instances []registry.Instance
}

// take chooses a ready endpoint that is not among tried and counts a request
// in flight at it, or says why there is none.
func (p *pool) take(tried []*endpoint) (*endpoint, outlook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := choose(p.ready, tried); e != nil {
		e.flight.Begin()
		return e, outlook{}
	}
	return nil, outlook{p.changed, len(p.ready) > 0, alive(p.instances), p.lost, p.instances}
}

// choose is nginx's smooth weighted round robin: each endpoint gains its
// weight, the richest is taken and pays all that was gained.
func choose(from, except []*endpoint) *endpoint {
	var best *endpoint
	total := 0
	for _, e := range from {
		if len(except) > 0 && slices.Contains(except, e) {
			continue
		}
		total += e.weight
		e.current += e.weight
		if best == nil || e.current > best.current {
			best = e
		}
	}
	if best != nil {
		best.current -= total
	}
	return best
}

// addresses are those of the ready endpoints.
func (p *pool) addresses() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]string, 0, len(p.ready))
	for _, e := range p.ready {
		out = append(out, e.addr)
	}
	return out
}

// of returns the endpoints of an instance, those that it has left included.
func (p *pool) of(instance string) []*endpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*endpoint
	for _, e := range p.all {
		if e.instance == instance {
			out = append(out, e)
		}
	}
	return out
}
