// Package proxy is the gateway: the one front door of a stack, and the
// loopback address at which each service reaches each of those it depends on.
//
// It holds the routes and, for every service, the pool of instances that the
// registry names; it chooses one for each request, holds requests while none
// is ready, and knows when an instance has finished what it was given. How
// requests are written on connections it leaves to an engine behind the seam
// of package wire.
package proxy

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/msctl/msctl/proxy/http1"
	"github.com/msctl/msctl/proxy/http2"
	"github.com/msctl/msctl/proxy/observe"
	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// Options are what a Gateway can be told. The zero value serves.
type Options struct {
	// Listen listens on loopback for an edge or the admin pages, on the same
	// port for the same key as far as it is free; ports.Listen does. By
	// default any free port.
	Listen func(key string) (net.Listener, error)
	// Hold is how long a request waits for an instance to become ready;
	// DefaultHold when it is 0.
	Hold time.Duration
	// LastLine is the last line that an instance logged. It may be nil.
	LastLine func(instanceID string) string
	// OnError hears of what concerns no single request. It may be nil.
	OnError func(error)
}

// Gateway routes requests to the ready instances of a stack's services. It is
// safe for concurrent use.
type Gateway struct {
	Options
	registry *registry.Registry
	engine   *http1.Engine
	other    *http2.Engine // of what is HTTP/2
	recorder *observe.Recorder
	unrouted *observe.Series // of what no route takes
	table    atomic.Pointer[table]

	configuring sync.Mutex    // one Configure at a time
	refreshing  sync.Mutex    // one fill at a time, so that none overtakes a newer one
	filled      atomic.Uint64 // the registry's revision that the pools have

	mu        sync.Mutex
	listeners map[place]*listener
	serve     func(*listener) // set while Run serves
	ended     bool            // Run has
}

var errEnded = errors.New("the gateway has ended")

// New makes a gateway for what reg holds. It listens once it is configured and
// serves while Run does.
func New(reg *registry.Registry, o Options) *Gateway {
	if o.Listen == nil {
		o.Listen = func(string) (net.Listener, error) {
			return net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a loopback listen does not block
		}
	}
	if o.Hold == 0 {
		o.Hold = DefaultHold
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	g := &Gateway{Options: o, registry: reg, other: http2.New(o.OnError), recorder: observe.New(), listeners: map[place]*listener{}}
	g.unrouted = g.recorder.Series("", "", "")
	g.engine = http1.New(http1.Options{Other: g.other.Serve, OnError: o.OnError})
	g.table.Store(&table{pools: map[string]*pool{}})
	return g
}

// Run serves what Configure has made listen until ctx ends. Then nothing new
// is accepted, and what is in flight has a short grace before it is cut off.
// It returns when nothing is left, and may be called once.
func (g *Gateway) Run(ctx context.Context) error {
	group, running := errgroup.WithContext(ctx)
	g.mu.Lock()
	if g.serve != nil || g.ended {
		g.mu.Unlock()
		return errors.New("the gateway was run before")
	}
	g.serve = func(l *listener) {
		serving, stop := context.WithCancel(running)
		l.stop = stop
		group.Go(func() error {
			defer stop()
			return l.serve(serving)
		})
	}
	g.serveAll()
	g.mu.Unlock()

	group.Go(func() error { return g.engine.Run(running) })
	group.Go(func() error { return g.follow(running) })
	<-running.Done()
	g.mu.Lock()
	g.ended = true
	for _, l := range g.listeners {
		l.close()
	}
	clear(g.listeners)
	g.mu.Unlock()
	err := group.Wait()
	g.other.Close()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// follow keeps the pools as the registry has them, until ctx ends.
func (g *Gateway) follow(ctx context.Context) error {
	for after := uint64(0); ; {
		s, err := g.registry.Next(ctx, after)
		if err != nil {
			return err
		}
		after = s.Revision
		g.refresh()
	}
}

// catchUp is refresh if the registry has changed, for a request to go by a table
// at least as new as it: follow may be late on a busy machine.
func (g *Gateway) catchUp() {
	if g.registry.Revision() != g.filled.Load() {
		g.refresh()
	}
}

// refresh makes the pools what the registry says at this moment.
func (g *Gateway) refresh() { g.fill(g.table.Load()) }

func (g *Gateway) fill(t *table) {
	g.refreshing.Lock()
	defer g.refreshing.Unlock()
	s := g.registry.Snapshot()
	now := time.Now()
	for _, p := range t.pools {
		for _, u := range p.update(s.Service(p.service), now) {
			u.Forget()
		}
	}
	g.filled.Store(s.Revision)
}

// Drain returns when no request is in flight at an instance's address: the
// whole of each exchange, with streams, upgraded and relayed connections,
// whichever instance the registry has at the address by now. What the registry
// says when Drain is called holds for every request that comes after, so none
// goes to an address that was taken out or marked as draining before. When ctx
// ends, what is left is closed the way its protocol closes, within endLimit, and
// the error is ctx's.
func (g *Gateway) Drain(ctx context.Context, addr string) error {
	g.refresh()
	var (
		ending sync.WaitGroup
		ended  error
	)
	for _, p := range g.table.Load().pools {
		for _, e := range p.at(addr) {
			if err := p.drained(ctx, e); err != nil {
				ended = err
				ending.Go(func() { p.end(context.WithoutCancel(ctx), e) })
			}
		}
	}
	ending.Wait()
	return ended
}

// Addr is the host:port of the front door, "" while it is off.
func (g *Gateway) Addr() string {
	_, addr := g.at(frontDoor)
	return addr
}

// URL is that of the front door, without a path; "" while it is off.
func (g *Gateway) URL() string {
	p, addr := g.at(frontDoor)
	if addr == "" {
		return ""
	}
	return origin(p.tls.on, addr)
}

// URLs are where the declared routes of each service are reached through the
// front door, first those declared at the service itself.
func (g *Gateway) URLs() map[string][]string {
	front, out := g.URL(), map[string][]string{}
	for _, own := range []bool{true, false} {
		for _, r := range g.table.Load().routes {
			u := r.url(front)
			if u != "" && r.own == own && r.declared != (stack.Pos{}) && r.service != "" && !slices.Contains(out[r.service], u) {
				out[r.service] = append(out[r.service], u)
			}
		}
	}
	return out
}

// AdminURL is where the pages under /_msctl/ are, "" for nowhere.
func (g *Gateway) AdminURL() string {
	_, addr := g.at(adminPages)
	if addr == "" {
		return ""
	}
	return origin(false, addr) + "/_msctl/"
}

// at is the open place of a kind that there is one of, and its address.
func (g *Gateway) at(k kind) (p place, addr string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for p, l := range g.listeners {
		if p.kind == k {
			return p, reachable(l.Addr())
		}
	}
	return place{}, ""
}

// Edge is the host:port at which caller reaches callee.
func (g *Gateway) Edge(caller, callee string) (addr string, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for p, l := range g.listeners {
		if p.kind == edgeOf && p.caller == caller && p.callee == callee {
			return l.Addr().String(), true
		}
	}
	return "", false
}

// reachable is where a listener on all addresses is reached from here.
func reachable(a net.Addr) string {
	if t, ok := a.(*net.TCPAddr); ok && t.IP.IsUnspecified() {
		return (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: t.Port}).String()
	}
	return a.String()
}

// upstream is the connections to addr, each made within connect.
func (g *Gateway) upstream(addr string, connect time.Duration) wire.Upstream {
	return g.engine.Upstream(addr, cmp.Or(connect, stack.DefaultConnectTimeout))
}
