package proxy

import (
	"fmt"

	"github.com/msctl/msctl/proxy/wire"
)

// maxListed bounds the routes that a problem document lists.
const maxListed = 10

// table is what a stack's front door knows. It is immutable and swapped as a
// whole; the pools in it live on from table to table.
type table struct {
	routes  []*route // as declared
	matcher matcher
	// By service. A service that is gone from the stack keeps its pool: its
	// instances are yet to drain.
	pools map[string]*pool
}

// Match is the route that a request takes.
type Match struct {
	Route Route
	Why   string  // it is this one: "its path is longer than that of /api"
	Over  []Route // that match as well, the most specific first
}

// Match says which route takes a request of the front door, and why. ok is
// false when none does.
func (g *Gateway) Match(h *wire.Head) (m Match, ok bool) {
	t := g.table.Load()
	addr := g.Addr()
	var first *route
	for r := range t.matcher.all(h) {
		switch {
		case first == nil:
			first, m.Route, m.Why = r, t.show(r, addr), "no other route matches"
			continue
		case len(m.Over) == 0:
			_, rule := decide(first, r)
			m.Why = rule + ", compared with " + r.pattern()
		}
		m.Over = append(m.Over, t.show(r, addr))
	}
	return m, first != nil
}

// Routes are the routes of the front door, in the order of declaration.
func (g *Gateway) Routes() []Route {
	t := g.table.Load()
	addr := g.Addr()
	out := make([]Route, 0, len(t.routes))
	for _, r := range t.routes {
		out = append(out, t.show(r, addr))
	}
	return out
}

func (t *table) show(r *route, addr string) Route {
	out := Route{
		Pattern: r.pattern(), URL: r.url(addr), Service: r.service, Strip: r.strip, Declared: r.declare,
		Ready: t.pools[r.service].addresses(),
	}
	for _, o := range t.routes {
		if o != r && compare(o, r) < 0 && o.shadows(r) {
			out.Shadowed = o.pattern()
			break
		}
	}
	return out
}

// front is the door of requests from outside.
type front struct{ g *Gateway }

// Enter implements wire.Door.
func (f front) Enter(h *wire.Head) (wire.Pass, *wire.Terms, *wire.Answer) {
	t := f.g.table.Load()
	r := t.matcher.find(h)
	if r == nil {
		return nil, nil, answer(t.noRoute(h))
	}
	terms := &wire.Terms{Path: h.Path, Query: h.Query, Timeout: r.timeout, Outside: true}
	if r.strip != "" {
		if rest, ok := cutSegments(h.Path, r.strip); ok {
			terms.Prefix, terms.Path = r.strip, rest
			if rest == "" {
				terms.Path = "/"
			}
		}
	}
	return &pass{pool: t.pools[r.service]}, terms, nil
}

// noRoute says what there is instead.
func (t *table) noRoute(h *wire.Head) *wire.Problem {
	p := problem(404, fmt.Sprintf("no route takes %s %s%s", h.Method, h.Host, h.Path))
	for _, r := range t.routes {
		if len(p.Routes) == maxListed {
			break
		}
		p.Routes = append(p.Routes, r.pattern()+" → "+r.service)
	}
	return p
}

// edge is the door of one caller's requests to one callee.
type edge struct{ pool *pool }

// Enter implements wire.Door.
func (e edge) Enter(h *wire.Head) (wire.Pass, *wire.Terms, *wire.Answer) {
	return &pass{pool: e.pool}, &wire.Terms{Path: h.Path, Query: h.Query}, nil
}
