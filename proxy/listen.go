package proxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"

	"github.com/msctl/msctl/proxy/admin"
	"github.com/msctl/msctl/stack"
)

// place is where the gateway listens, and for what. Two equal places are one
// listener, which goes on as it is when a stack is configured anew.
type place struct {
	kind           kind
	listen         string   // "" has the port of key
	key            string   // of a port that stays the same
	tls            tlsFiles // of the front door
	title          string   // of the admin pages
	caller, callee string   // of an edge
	protocol       stack.Protocol
}

type kind int

const (
	frontDoor kind = iota
	adminPages
	edgeOf
)

// key is that of the stack file which names the address.
func (k kind) key() string {
	if k == adminPages {
		return "gateway.admin"
	}
	return "gateway.listen"
}

// clashes reports whether l, open at o, has to go before p can come.
func (p place) clashes(o place, l *listener) bool {
	if p.listen == "" {
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
	if l.stop != nil {
		l.stop()
	}
	_ = l.Close()
}

// places are where a gateway of st listens.
func places(st *stack.Stack) []place {
	var out []place
	if st.Gateway.Listen != "" {
		secure := filesOf(st.Gateway.TLS)
		out = append(out, place{kind: frontDoor, listen: st.Gateway.Listen, tls: secure})
		if st.Gateway.Admin != "off" {
			p := place{kind: adminPages, listen: st.Gateway.Admin, tls: secure, title: st.Name}
			if p.listen == "" {
				p.key = filepath.Join(st.Dir, "admin")
			}
			out = append(out, p)
		}
	}
	seen := map[place]bool{}
	for _, caller := range st.Services {
		for _, d := range caller.DependsOn {
			callee, ok := st.Service(d.Service)
			if !ok || callee.Kind == stack.KindJob {
				continue
			}
			p := place{
				kind: edgeOf, caller: caller.Name, callee: callee.Name, protocol: callee.Protocol,
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
// that could not be listened on (*ListenError), or the certificate that could
// not be read, and leaves routes and listeners as they were, but for one that
// the new one had to take the place of.
func (g *Gateway) Configure(ctx context.Context, st *stack.Stack) error {
	g.configuring.Lock()
	defer g.configuring.Unlock()
	next := &table{routes: compile(st), pools: maps.Clone(g.table.Load().pools), services: shownServices(st)}
	next.matcher = newMatcher(next.routes)
	for i := range st.Services {
		sv := &st.Services[i]
		p := next.pools[sv.Name]
		if p == nil {
			p = newPool(sv.Name)
			p.hold, p.lastLine, p.connect, p.catchUp = g.Hold, g.LastLine, g.upstream, g.catchUp
			next.pools[sv.Name] = p
		}
		p.configure(sv)
	}
	if err := next.bind(st, g.recorder); err != nil {
		return err
	}
	secure, err := g.certificates(st.Gateway.TLS)
	if err != nil {
		return err
	}
	g.fill(next)
	if err := g.move(ctx, places(st), next, secure); err != nil {
		return err
	}
	g.table.Store(next)
	g.refresh() // what changed meanwhile was told to the old table
	g.mu.Lock()
	defer g.mu.Unlock()
	g.serveAll()
	return nil
}

// move opens the wanted places that are not open and closes those that are no
// longer wanted. It serves none.
func (g *Gateway) move(ctx context.Context, want []place, t *table, c certificates) error {
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
		l, err := g.open(ctx, p, t, c)
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
	maps.Copy(g.listeners, opened)
	return nil
}

// serveAll serves the listeners that are not, once Run runs. The caller holds
// mu.
func (g *Gateway) serveAll() {
	for _, l := range g.listeners {
		if g.serve != nil && l.stop == nil {
			g.serve(l)
		}
	}
}

// open listens at p, for the pools of t.
func (g *Gateway) open(ctx context.Context, p place, t *table, c certificates) (*listener, error) {
	ln, err := g.listen(ctx, p)
	if err != nil {
		return nil, err
	}
	l := &listener{Listener: ln}
	switch p.kind {
	case frontDoor:
		l.serve = func(ctx context.Context) error { return g.engine.Serve(ctx, ln, front{g}, c.server) }
	case adminPages:
		pages := admin.Handler(source{g}, admin.Options{Title: p.title, TLS: c.client})
		l.serve = func(ctx context.Context) error { return admin.Serve(ctx, ln, pages) }
	case edgeOf:
		within := edge{g, t.pools[p.callee], g.recorder.Series("", p.caller, p.callee)}
		l.serve = func(ctx context.Context) error { return g.engine.Serve(ctx, ln, within, nil) }
		if p.protocol == stack.TCP {
			l.serve = func(ctx context.Context) error { return within.relay(ctx, ln) }
		}
	}
	return l, nil
}

func (g *Gateway) listen(ctx context.Context, p place) (net.Listener, error) {
	if p.listen != "" {
		var lc net.ListenConfig
		ln, err := lc.Listen(ctx, "tcp", p.listen)
		if err != nil {
			return nil, &ListenError{Key: p.kind.key(), Addr: p.listen, Err: cause(err)}
		}
		return ln, nil
	}
	ln, err := g.Listen(p.key)
	switch {
	case err != nil && p.kind == adminPages:
		return nil, fmt.Errorf("open the address of /_msctl/: %w", err)
	case err != nil:
		return nil, fmt.Errorf("open the address of %s for %s: %w", p.callee, p.caller, err)
	}
	return ln, nil
}

// ListenError is an address of the stack file that could not be listened on.
type ListenError struct {
	Key  string // of the stack file: "gateway.listen"
	Addr string
	Err  error
}

func (e *ListenError) Error() string { return "listen " + e.Addr + ": " + e.Err.Error() }

func (e *ListenError) Unwrap() error { return e.Err }

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
