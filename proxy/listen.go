package proxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"

	"github.com/msctl/msctl/stack"
)

// place is where the gateway listens, and for what. Two equal places are one
// listener, which goes on as it is when a stack is configured anew.
type place struct {
	listen         string // of the front door
	caller, callee string // of an edge
	protocol       stack.Protocol
	key            string // of an edge's port
}

func (p place) front() bool { return p.listen != "" }

// clashes reports whether l, open at o, has to go before p can come.
func (p place) clashes(o place, l *listener) bool {
	if p.front() != o.front() {
		return false
	}
	if !p.front() {
		return p.key == o.key
	}
	_, want, _ := net.SplitHostPort(p.listen)
	_, have, _ := net.SplitHostPort(l.Addr().String())
	return want == have
}

// listener is an open place.
type listener struct {
	net.Listener
	serve func(ctx context.Context) error // until ctx ends or it is closed
	stop  context.CancelFunc              // nil while it is not served
}

// close frees the address at once; what came in through it is finished
// within the engine's grace.
func (l *listener) close() {
	_ = l.Close()
	if l.stop != nil {
		l.stop()
	}
}

// places are where a gateway of st listens.
func places(st *stack.Stack) []place {
	var out []place
	if st.Gateway.Listen != "" {
		out = append(out, place{listen: st.Gateway.Listen})
	}
	seen := map[place]bool{}
	for _, caller := range st.Services {
		for _, d := range caller.DependsOn {
			callee, ok := st.Service(d.Service)
			if !ok || callee.Kind == stack.KindJob {
				continue
			}
			p := place{
				caller: caller.Name, callee: callee.Name, protocol: callee.Protocol,
				key: filepath.Join(st.Dir, "edge", caller.Name, callee.Name),
			}
			if p.protocol != stack.TCP {
				p.protocol = stack.HTTP
			}
			if !seen[p] {
				seen[p] = true
				out = append(out, p)
			}
		}
	}
	return out
}

// Configure makes routes and listeners those of st, and returns when they
// listen. Listeners that st has as well stay open. An error names the address
// that could not be listened on, and leaves routes and listeners as they were,
// but for one that the new one had to take the place of.
func (g *Gateway) Configure(ctx context.Context, st *stack.Stack) error {
	g.configuring.Lock()
	defer g.configuring.Unlock()
	next := &table{routes: compile(st), pools: maps.Clone(g.table.Load().pools)}
	next.matcher = newMatcher(next.routes)
	for i := range st.Services {
		sv := &st.Services[i]
		p := next.pools[sv.Name]
		if p == nil {
			p = newPool(sv.Name)
			p.hold, p.lastLine, p.connect = g.Hold, g.LastLine, g.upstream
			next.pools[sv.Name] = p
		}
		p.configure(sv)
	}
	if err := next.bind(st, g.recorder); err != nil {
		return err
	}
	g.fill(next)
	if err := g.move(ctx, places(st), next); err != nil {
		return err
	}
	g.table.Store(next)
	g.refresh() // what changed meanwhile was told to the old table
	return nil
}

// move opens the wanted places that are not open and closes those that are no
// longer wanted.
func (g *Gateway) move(ctx context.Context, want []place, t *table) error {
	wanted := map[place]bool{}
	for _, p := range want {
		wanted[p] = true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return errEnded
	}
	opened := map[place]*listener{}
	for _, p := range want {
		if g.listeners[p] != nil {
			continue
		}
		for o, l := range g.listeners {
			if !wanted[o] && p.clashes(o, l) {
				l.close()
				delete(g.listeners, o)
			}
		}
		l, err := g.open(ctx, p, t)
		if err != nil {
			for _, l := range opened {
				l.close()
			}
			return err
		}
		opened[p] = l
	}
	for o, l := range g.listeners {
		if !wanted[o] {
			l.close()
			delete(g.listeners, o)
		}
	}
	for p, l := range opened {
		g.listeners[p] = l
		if g.serve != nil {
			g.serve(l)
		}
	}
	return nil
}

// open listens at p, for the pools of t.
func (g *Gateway) open(ctx context.Context, p place, t *table) (*listener, error) {
	if p.front() {
		var lc net.ListenConfig
		ln, err := lc.Listen(ctx, "tcp", p.listen)
		if err != nil {
			return nil, fmt.Errorf("listen %s: %w", p.listen, cause(err))
		}
		return &listener{Listener: ln, serve: func(ctx context.Context) error { return g.engine.Serve(ctx, ln, front{g}, nil) }}, nil
	}
	ln, err := g.Listen(p.key)
	if err != nil {
		return nil, fmt.Errorf("open the address of %s for %s: %w", p.callee, p.caller, err)
	}
	callee := t.pools[p.callee]
	within := edge{g, callee, g.recorder.Series("", p.caller, p.callee)}
	if p.protocol == stack.TCP {
		return &listener{Listener: ln, serve: func(ctx context.Context) error { return within.relay(ctx, ln) }}, nil
	}
	return &listener{Listener: ln, serve: func(ctx context.Context) error { return g.engine.Serve(ctx, ln, within, nil) }}, nil
}

// cause is what the system said, without the net package's words around it.
func cause(err error) error {
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		return sys.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
