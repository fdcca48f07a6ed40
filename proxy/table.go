package proxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/msctl/msctl/proxy/admin"
	"github.com/msctl/msctl/proxy/observe"
	"github.com/msctl/msctl/proxy/policy"
	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/stack"
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
	pools    map[string]*pool
	services []admin.Service // as the admin pages show them, without addresses
	trust    []netip.Prefix  // whose word is believed on who is behind them
	tls      bool            // plain HTTP is redirected
}

// Match is the route that a request takes.
type Match struct {
	Route Route
	Why   string  // it is this one: "its path is longer, compared with /api"
	Over  []Route // that match as well, the most specific first
}

// Match says which route takes a request of the front door, and why. ok is
// false when none does.
func (g *Gateway) Match(h *wire.Head) (m Match, ok bool) {
	t := g.table.Load()
	front := g.URL()
	var first *route
	for r := range t.matcher.all(h) {
		switch {
		case first == nil:
			first, m.Route, m.Why = r, t.show(r, front), "no other route matches"
			continue
		case len(m.Over) == 0:
			_, rule := decide(first, r)
			m.Why = rule + ", compared with " + r.pattern()
		}
		m.Over = append(m.Over, t.show(r, front))
	}
	return m, first != nil
}

// Routes are the routes of the front door, in the order of declaration.
func (g *Gateway) Routes() []Route {
	t := g.table.Load()
	front := g.URL()
	out := make([]Route, 0, len(t.routes))
	for _, r := range t.routes {
		out = append(out, t.show(r, front))
	}
	return out
}

func (t *table) show(r *route, front string) Route {
	out := Route{
		Pattern: r.pattern(), URL: r.url(front), Service: r.service, Strip: r.strip, Rewrite: r.rewrite,
	}
	if r.declared != (stack.Pos{}) {
		out.Declared = r.declared.String()
	}
	if r.redirect != nil {
		out.Redirect = r.redirect.String()
	} else {
		out.Ready = t.pools[r.service].addresses()
	}
	if o := shadow(r, t.routes); o != nil {
		out.Shadowed = o.pattern()
	}
	return out
}

// noRoute says what there is instead: other methods of the same, or other
// routes.
func (t *table) noRoute(h *wire.Head) *wire.Answer {
	p := problem(404, fmt.Sprintf("no route takes %s %s%s", h.Method, h.Host, h.Path))
	q := newAsked(h)
	allow := t.methods(&q)
	if allow != "" {
		p = problem(405, p.Detail+"; its methods are "+allow)
	} else if hosts := t.hosts(); hosts != "" && strings.HasSuffix(q.host, localhost) {
		p.Detail += "; the services' hosts are " + hosts
	}
	for _, r := range t.routes {
		if len(p.Routes) == maxListed {
			break
		}
		if allow == "" || r.takesBut(&q) {
			p.Routes = append(p.Routes, r.leads())
		}
	}
	a := answer(p)
	if allow != "" {
		a.Header = []wire.Field{{Name: "Allow", Value: allow}} // RFC 9110 §15.5.6
	}
	return a
}

// methods lists those of the routes that take q but for its method.
func (t *table) methods(q *asked) string {
	var out []string
	for _, r := range t.routes {
		if !r.takesBut(q) {
			continue
		}
		for _, m := range r.methods {
			if out = append(out, m); m == "GET" {
				out = append(out, "HEAD")
			}
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}

// hosts lists those that services have, a few.
func (t *table) hosts() string {
	var out []string
	for _, r := range t.routes {
		if r.declared == (stack.Pos{}) && r.host == r.service+localhost && len(out) < maxListed {
			out = append(out, r.host)
		}
	}
	return strings.Join(out, ", ")
}

// bind joins the routes with where they lead, and what is done on the way.
func (t *table) bind(st *stack.Stack, r *observe.Recorder) error {
	for _, route := range t.routes {
		p, err := policy.Compile(route.policies, policy.Options{})
		if err != nil {
			return fmt.Errorf("%s: %w", route.pattern(), err)
		}
		route.policy, route.pool = p, t.pools[route.service]
		route.series = r.Series(route.pattern(), "", route.service)
	}
	for _, text := range st.Gateway.Trust {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("gateway.trust: %w", err)
		}
		t.trust = append(t.trust, p)
	}
	t.tls = st.Gateway.TLS != nil
	return nil
}
