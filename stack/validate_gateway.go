package stack

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// checkRoutes finds routes to nowhere, and two that claim the same requests.
func (l *loader) checkRoutes() {
	first := map[string]claim{}
	take := func(r Route, path string) {
		for _, claimed := range r.claims() {
			if other, ok := first[claimed]; ok {
				l.add(r.Pos, path, "change the path, host, methods, headers or query of one", "want a route of its own, got %s, which is taken by %s", r.pattern(), other)
				return
			}
			first[claimed] = claim{cmp.Or(r.To, "a redirect"), r.Pos}
		}
	}
	for i, r := range l.stack.Gateway.Routes {
		path := fmt.Sprintf("gateway.routes[%d]", i)
		to, ok := l.stack.Service(r.To)
		switch {
		case r.To == "": // it redirects, or was reported
		case !ok:
			l.add(r.Pos, path+".to", l.suggest(r.To), "want the name of a service, got %s", quote(r.To))
		case to.Kind == KindJob || to.Protocol == TCP:
			l.add(r.Pos, path+".to", "", "want a service that speaks HTTP, got %s, which does not", quote(r.To))
		}
		l.checkRouteAuth(r, path)
		take(r, path)
	}
	for i := range l.stack.Services {
		s := &l.stack.Services[i]
		for _, r := range s.Routes {
			l.checkRouteAuth(r, "services."+s.Name+".route")
			take(r, "services."+s.Name+".route")
		}
	}
}

// checkRouteAuth looks at a route that names who may come; one that does not is
// the gateway's matter.
func (l *loader) checkRouteAuth(r Route, path string) {
	if r.Policies.BasicAuth != nil || r.Policies.JWT != nil {
		l.checkAuth(r.Pos, path, r.Policies.Over(l.stack.Gateway.Policies), "switch one off here: `basic_auth: off` or `jwt: off`")
	}
}

// checkAuth wants one use of the Authorization field, of which a request has
// one (RFC 9110 §11.6.2).
func (l *loader) checkAuth(pos Pos, path string, p Policies, hint string) {
	if p.BasicAuth != nil && p.JWT != nil {
		l.add(pos, path, hint, "want basic_auth or jwt, got both, which need the same header of a request")
	}
}

// claims are the sets of requests that r asks for, one a method.
func (r Route) claims() []string {
	methods := r.Methods
	if len(methods) == 0 {
		methods = []string{"*"}
	}
	var fields strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		fmt.Fprintf(&fields, "\n%s: %s", strings.ToLower(name), r.Headers[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Query)) {
		fmt.Fprintf(&fields, "\n?%q=%q", name, r.Query[name])
	}
	var out []string
	for _, m := range methods {
		out = append(out, fmt.Sprintf("%s %s %s~%s %t%s", m, r.Host, r.Path, r.Regexp, r.Exact, fields.String()))
	}
	return out
}

// pattern is the route as a message shows it: "GET,POST api.localhost/x".
func (r Route) pattern() string {
	return strings.TrimSpace(strings.Join(r.Methods, ",") + " " + r.Host + r.Path + r.Regexp)
}

// checkTCP finds what only a service that speaks HTTP can have.
func (l *loader) checkTCP(s *Service) {
	if s.Protocol != TCP {
		return
	}
	refuse := func(key string, pos Pos) {
		l.add(pos, "services."+s.Name+"."+key, "remove "+key+", or protocol: tcp", "want a service that speaks HTTP, got protocol: tcp")
	}
	if len(s.Routes) > 0 {
		refuse("route", s.Routes[0].Pos)
	}
	if s.Retries != nil && s.Retries.Attempts > 0 {
		refuse("retries", s.at("retries"))
	}
	if by := s.Balance.By; by != "" && by != "client" {
		refuse("balance.by", s.at("balance.by"))
	}
}
