package proxy

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/msctl/msctl/proxy/balance"
	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
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
	connect  func(addr string, within time.Duration) wire.Upstream
	catchUp  func() // has update called if the registry has changed

	settings atomic.Pointer[settings]

	mu        sync.Mutex
	balancer  *balance.Balancer
	budget    balance.Budget
	ready     []*balance.Host
	all       []*endpoint // with those that left and still have requests in flight
	instances []registry.Instance
	changed   chan struct{} // closed when any of this changes
	freed     chan struct{} // has a token when a request left a full service
	active    int           // requests in flight
	held      int           // requests that wait
	lost      time.Time     // when the last living instance went; zero while there is one, or never was
}

// settings are how a service wants to be reached.
type settings struct {
	balance  stack.Balance
	ejection stack.Ejection
	retries  *stack.Retries
	max      int // requests in flight; 0 without end
	connect  time.Duration
	h2c      bool
}

func newPool(service string) *pool {
	p := &pool{service: service, hold: DefaultHold, catchUp: func() {}, changed: make(chan struct{}), freed: make(chan struct{}, 1)}
	p.configure(&stack.Service{})
	return p
}

// configure makes the pool reach the service as sv says.
func (p *pool) configure(sv *stack.Service) {
	s := settings{
		balance: sv.Balance, ejection: sv.Ejection, retries: sv.Retries,
		max: sv.MaxRequests, connect: sv.ConnectTimeout, h2c: sv.Protocol == stack.H2C,
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.settings.Swap(&s)
	if before != nil && s.balance == before.balance && s.ejection == before.ejection {
		return
	}
	p.balancer = balance.New(balance.Options{
		Policy: string(s.balance.Policy), SlowStart: s.balance.SlowStart,
		Ejection: balance.Ejection{Errors: s.ejection.Errors, Time: s.ejection.Time},
	})
	p.balancer.Update(p.ready)
}

// how is how the service wants to be reached.
func (p *pool) how() *settings { return p.settings.Load() }

// hash is what the balancing goes by for h, if it goes by anything.
func (s *settings) hash(h *wire.Head) (hash uint64, ok bool) {
	if s.balance.By == "" {
		return 0, false
	}
	var text string
	switch kind, name, _ := strings.Cut(s.balance.By, ":"); kind {
	case "client":
		text = h.Client.String()
	case "header":
		text = h.Header.Get(name)
	case "cookie":
		text = cookie(h.Header.Get("Cookie"), name)
	}
	return balance.Hash(text), text != ""
}

// cookie is the value of a cookie in a Cookie field (RFC 6265 §4.2.1).
func cookie(field, name string) string {
	for field != "" {
		var pair string
		pair, field, _ = strings.Cut(field, ";")
		if k, v, ok := strings.Cut(strings.TrimSpace(pair), "="); ok && k == name {
			return v
		}
	}
	return ""
}

// endpoint is one address of an instance, for as long as it takes requests:
// should it come back, it is another.
type endpoint struct {
	balance.Host
	instance string
	addr     string
	gone     bool // takes no more requests
	upstream wire.Upstream
	stale    atomic.Pointer[stale] // nil while its code is the latest
	landed   chan struct{}         // closed when nothing is in flight; nil while nobody waits
	relays   map[*relay]struct{}   // of raw connections
	ending   bool                  // they are to end
}

// update makes the pool what the registry says, and returns the upstreams that
// take no more requests.
func (p *pool) update(instances []registry.Instance, now time.Time) (left []wire.Upstream) {
	instances = current(instances)
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
			e.Weight = max(i.Weight, 1)
			e.stale.Store(newStale(i.Stale))
			if !slices.Contains(before, &e.Host) {
				e.Ready = now
			}
			p.ready = append(p.ready, &e.Host)
		}
	}
	for _, h := range before {
		if !slices.Contains(p.ready, h) {
			e := h.Owner.(*endpoint)
			left = append(left, e.upstream)
			e.gone = true
			if e.Active == 0 {
				p.land(e)
			}
		}
	}
	p.balancer.Update(p.ready)
	close(p.changed)
	p.changed = make(chan struct{})
	return left
}

// same reports whether nothing changed of an instance that the gateway looks at.
func same(a, b registry.Instance) bool {
	return a.ID == b.ID && a.Address == b.Address && a.State == b.State && a.Weight == b.Weight && a.Reason == b.Reason &&
		sameStale(a.Stale, b.Stale)
}

// current leaves out the instances that only finish what they have, while
// another has taken their place: "api-1-old1" beside "api-1". They neither
// become ready again nor say why nobody is.
func current(instances []registry.Instance) []registry.Instance {
	replaced := func(i registry.Instance) bool { return i.Beside != "" && i.State == registry.Draining }
	if !slices.ContainsFunc(instances, replaced) {
		return instances
	}
	return slices.DeleteFunc(slices.Clone(instances), replaced)
}

// alive reports whether one of the instances may become ready.
func alive(instances []registry.Instance) bool {
	return slices.ContainsFunc(instances, func(i registry.Instance) bool { return !i.State.Terminal() })
}

// endpoint returns the endpoint of an instance at an address, the one there is
// or a new one. The caller holds mu.
func (p *pool) endpoint(instance, addr string) *endpoint {
	for _, e := range p.all {
		if !e.gone && e.instance == instance && e.addr == addr {
			return e
		}
	}
	e := &endpoint{instance: instance, addr: addr, upstream: p.connect(addr, p.how().connect)}
	e.Key, e.Owner = instance, e
	p.all = append(p.all, e)
	return e
}

// outlook is why there is no endpoint to take.
type outlook struct {
	changed   <-chan struct{}
	full      bool      // as many requests as may be are in flight
	refusing  bool      // there are ready ones, but all were tried
	alive     bool      // one may become ready
	lost      time.Time // when that ended
	instances []registry.Instance
}

// take chooses a ready endpoint that is not among tried and counts a request
// in flight at it, or says why there is none.
func (p *pool) take(w *pass) (*endpoint, outlook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	most := p.how().max
	full := most > 0 && p.active >= most
	if !full {
		var now time.Time
		if !p.balancer.Timeless() {
			now = time.Now()
		}
		if h := p.balancer.Pick(now, w.hash, w.hashed, w.tried); h != nil {
			h.Active++
			p.active++
			return h.Owner.(*endpoint), outlook{}
		}
	}
	return nil, outlook{p.changed, full, len(p.ready) > 0, alive(p.instances), p.lost, p.instances}
}

// verdict is what a request's end says of its endpoint.
type verdict int

const (
	noVerdict verdict = iota // the client's doing
	did
	failed
)

// leave ends a request at e.
func (p *pool) leave(e *endpoint, v verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.Active--
	p.active--
	if e.Active == 0 {
		p.land(e)
	}
	switch {
	case v == noVerdict, e.gone:
	case v == did && p.balancer.Timeless():
		p.balancer.Report(&e.Host, true, time.Time{})
	default:
		p.balancer.Report(&e.Host, v == did, time.Now())
	}
	if p.held > 0 && p.how().max > 0 {
		p.free()
	}
}

// land is called when nothing is in flight at e. The caller holds mu.
func (p *pool) land(e *endpoint) {
	if e.landed != nil {
		close(e.landed)
		e.landed = nil
	}
	if e.gone {
		p.all = slices.DeleteFunc(p.all, func(o *endpoint) bool { return o == e })
	}
}

// free lets one of those that wait for a full service try.
func (p *pool) free() {
	select {
	case p.freed <- struct{}{}:
	default:
	}
}

// drained returns when e has no request in flight. Its only error is ctx's.
func (p *pool) drained(ctx context.Context, e *endpoint) error {
	p.mu.Lock()
	if e.Active == 0 {
		p.mu.Unlock()
		return nil
	}
	if e.landed == nil {
		e.landed = make(chan struct{})
	}
	landed := e.landed
	p.mu.Unlock()
	select {
	case <-landed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retry reports whether the budget has one more attempt; retried must follow.
func (p *pool) retry() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.budget.Allow(p.active)
}

func (p *pool) retried() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.budget.Done()
}

// addresses are those of the ready endpoints.
func (p *pool) addresses() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]string, 0, len(p.ready))
	for _, h := range p.ready {
		out = append(out, h.Owner.(*endpoint).addr)
	}
	return out
}

// at returns the endpoints at an address, those that are gone included.
func (p *pool) at(addr string) []*endpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*endpoint
	for _, e := range p.all {
		if e.addr == addr {
			out = append(out, e)
		}
	}
	return out
}
