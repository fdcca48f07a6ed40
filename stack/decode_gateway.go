package stack

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// gateway takes the front door of the main file.
func (l *loader) gateway(n *node) {
	g := &l.stack.Gateway
	g.Listen = DefaultListen
	if n == nil {
		return
	}
	g.Pos = n.pos()
	if n.isScalar() {
		g.Listen = ""
		return
	}
	if at := n.get("listen"); at != nil {
		g.Listen, g.Pos = at.string(), at.pos()
	}
	g.TLS = l.tls(n.get("tls"))
	if a := n.get("admin"); a.isOff() {
		g.Admin = "off"
	} else if a != nil {
		g.Admin, l.admin = a.string(), a.pos()
	}
	for _, t := range n.get("trust").texts() {
		network, _ := parseNetwork(t)
		g.Trust = append(g.Trust, network.String())
	}
	g.Policies = l.policies(n, "gateway", l.stack.Dir)
	if j := n.get("jwt"); j != nil {
		l.checkAuth(j.pos(), "gateway.jwt", g.Policies.Over(Policies{}), "keep one of them")
	}
	l.routes(n, l.stack.Dir)
}

// included takes what an included file adds to the stack. The policies of its
// gateway are those of its own routes; the main file's are beneath them.
func (l *loader) included(n *node, dir string, vars map[string]string) {
	g := n.get("gateway")
	routes, services := len(l.stack.Gateway.Routes), len(l.stack.Services)
	l.routes(g, dir)
	l.services(n.get("services"), dir, vars)
	policies := l.policies(g, "gateway", dir)
	for i := range l.stack.Gateway.Routes[routes:] {
		r := &l.stack.Gateway.Routes[routes+i]
		r.Policies = r.Policies.inherit(policies)
	}
	for i := range l.stack.Services[services:] {
		own := l.stack.Services[services+i].Routes
		for j := range own {
			own[j].Policies = own[j].Policies.inherit(policies)
		}
	}
}

func (l *loader) tls(n *node) *TLS {
	cert, key := n.get("cert"), n.get("key")
	switch {
	case n == nil, n.isScalar() && !n.bool():
		return nil
	case (cert == nil) != (key == nil):
		l.add(n.pos(), "gateway.tls", "name both; with neither, the local authority makes a certificate", "want cert and key, got one of them")
	}
	return &TLS{
		Cert: l.file(cert, "gateway.tls.cert", l.stack.Dir),
		Key:  l.file(key, "gateway.tls.key", l.stack.Dir), Pos: n.pos(),
	}
}

// file resolves a file that has to be there; "" for none.
func (l *loader) file(n *node, path, dir string) string {
	if n == nil {
		return ""
	}
	full := resolve(dir, n.string())
	i, err := os.Stat(full)
	switch {
	case err != nil:
		l.add(n.pos(), path, "paths are relative to the stack file", "want a file, got %s: %s", quote(n.string()), reason(err))
	case i.IsDir():
		l.add(n.pos(), path, "", "want a file, got %s, which is a folder", quote(n.string()))
	}
	return full
}

func (l *loader) routes(gateway *node, dir string) {
	for i, n := range gateway.get("routes").all() {
		path := fmt.Sprintf("gateway.routes[%d]", i)
		r := l.route(n, path, dir, false)
		r.To = n.get("to").string()
		r.Redirect = l.redirect(n, path, r.Regexp)
		if r.To == "" && r.Redirect == nil && n.isMap() {
			l.add(n.pos(), path, "", "want to, the service that is routed to, or redirect, got neither")
		}
		l.stack.Gateway.Routes = append(l.stack.Gateway.Routes, r)
	}
}

func (l *loader) serviceRoutes(s *Service, n *node, path, dir string) {
	for i, r := range n.all() {
		at := path
		if n.isList() {
			at = fmt.Sprintf("%s[%d]", at, i)
		}
		own := l.route(r, at, dir, true)
		own.To = s.Name
		s.Routes = append(s.Routes, own)
	}
}

// route reads a route; a service's own takes its path off.
func (l *loader) route(n *node, path, dir string, own bool) Route {
	r := Route{Path: "/", Pos: n.pos()}
	if n.isScalar() {
		r.Path = n.string()
	} else {
		r.Path = cmp.Or(n.get("path").string(), "/")
		r.Exact = n.get("exact").bool()
		r.Host = strings.ToLower(n.get("host").string())
		r.Headers = l.fields(n.get("headers"), path+".headers")
		r.Query = n.get("query").pairs(noVariable)
		for _, m := range n.get("methods").texts() {
			r.Methods = append(r.Methods, strings.ToUpper(m))
		}
		r.Policies = l.policies(n, path, dir)
		l.regexp(&r, n, path)
		l.rewrite(&r, n, path)
	}
	l.strip(&r, n.get("strip"), path+".strip", own)
	if !r.Exact && r.Path != "" {
		r.Path = cmp.Or(strings.TrimRight(r.Path, "/"), "/")
	}
	return r
}

func (l *loader) regexp(r *Route, n *node, path string) {
	p := n.get("regexp")
	if p == nil {
		return
	}
	for _, other := range []string{"path", "exact"} {
		if o := n.get(other); o != nil {
			l.add(o.pos(), path+"."+other, "keep one of them", "want no %s beside regexp, which matches the whole path", other)
		}
	}
	r.Regexp, r.Path = p.string(), ""
}

// strip reads which part of its path a route takes off.
func (l *loader) strip(r *Route, n *node, path string, own bool) {
	is := n.string()
	switch {
	case n == nil && own && !r.Exact && r.Rewrite == "", is == "true" && r.Regexp == "":
		r.Strip = r.Path
	case n == nil, is == "false":
	case r.Regexp != "":
		l.add(n.pos(), path, "use rewrite", "want no strip beside regexp, got %s", n.what())
	case !under(r.Path, is):
		l.add(n.pos(), path, "", "want a part of the path %s that ends at a segment, true or false, got %s", quote(r.Path), n.what())
	default:
		r.Strip = is
	}
	if n != nil && r.Strip != "" && r.Rewrite != "" {
		l.add(n.pos(), path, "remove one of them", "want strip or rewrite, got both")
	}
	r.Strip = strings.TrimRight(r.Strip, "/") // "/" takes nothing off
}

func (l *loader) rewrite(r *Route, n *node, path string) {
	if to := n.get("rewrite"); to != nil {
		r.Rewrite = to.string()
		l.groups(to, path+".rewrite", r.Regexp)
	}
}

func (l *loader) redirect(n *node, path, regexp string) *Redirect {
	r := n.get("redirect")
	if r == nil {
		return nil
	}
	for _, other := range []string{"to", "rewrite", "strip"} {
		if o := n.get(other); o != nil && o.string() != "false" {
			l.add(o.pos(), path+"."+other, "remove one of them", "want redirect or %s, got both", other)
		}
	}
	to, at, status := r, path+".redirect", DefaultRedirectStatus
	if r.isMap() {
		to, at = r.get("to"), at+".to"
		if s := r.get("status"); s != nil {
			status = s.whole()
		}
	}
	if to == nil {
		l.add(r.pos(), path+".redirect", "", "want to, a path or URL")
		return nil
	}
	l.groups(to, at, regexp)
	if host := hostOf(to.string()); strings.Contains(host, "$") {
		l.add(to.pos(), at, "name the host, and end it with /; groups can follow", "want one host for all requests, got %s", quote(host))
	}
	return &Redirect{To: to.string(), Status: status}
}

// groups checks that the groups that a target names are in the expression, and
// that it names nothing else.
func (l *loader) groups(to *node, path, regexp string) {
	if p := placeholder.FindString(to.string()); p != "" {
		l.add(to.pos(), path, "groups of regexp are $1 and on; write %24 for a dollar sign", "want no placeholder but groups, got %s", quote(p))
	}
	for _, m := range group.FindAllStringSubmatch(to.string(), -1) {
		n, err := strconv.Atoi(m[1])
		switch have := groupsIn(regexp); {
		case regexp == "":
			l.add(to.pos(), path, "its groups are $1 and on", "want regexp beside %s, got none", m[0])
		case err != nil || n > have:
			l.add(to.pos(), path, "", "want a group of regexp, which has %d, got %s", have, m[0])
		}
	}
}

// under reports whether path is prefix, or goes on with a segment.
func under(path, prefix string) bool {
	prefix = strings.TrimRight(prefix, "/")
	return strings.HasPrefix(prefix+"/", "/") && strings.HasPrefix(path+"/", prefix+"/")
}

// reach reads how the gateway reaches a service.
func (l *loader) reach(s *Service, n *node, path string) {
	s.Balance.Policy = LeastRequest
	if b := n.get("balance"); b.isScalar() {
		s.Balance.Policy = Policy(b.string())
	} else if b != nil {
		s.Balance = Balance{
			Policy: Policy(cmp.Or(b.get("policy").string(), string(LeastRequest))),
			By:     b.get("by").string(), SlowStart: b.get("slow_start").duration(),
		}
	}
	hashes := s.Balance.Policy == RingHash || s.Balance.Policy == Maglev
	if by := n.get("balance").get("by"); by != nil && !hashes && slices.Contains(balancePolicies, string(s.Balance.Policy)) {
		l.add(by.pos(), path+".balance.by", "use ring_hash or maglev, or remove it", "want no by, got one: %s does not look at requests", s.Balance.Policy)
	} else if hashes {
		s.Balance.By = cmp.Or(s.Balance.By, "client")
		if slow := n.get("balance").get("slow_start"); slow != nil {
			l.add(slow.pos(), path+".balance.slow_start", "remove it, or use least_request, round_robin or random", "want no slow_start, got one: %s always gives the same requests to an instance", s.Balance.Policy)
		}
	}
	s.Ejection = Ejection{Errors: DefaultEjectionErrors, Time: DefaultEjectionTime}
	if e := n.get("ejection"); e.isOff() {
		s.Ejection = Ejection{}
	} else if e != nil {
		s.Ejection.Errors = cmp.Or(e.get("errors").whole(), DefaultEjectionErrors)
		s.Ejection.Time = cmp.Or(e.get("time").duration(), DefaultEjectionTime)
	}
	s.Retries = l.retries(n.get("retries"), path+".retries")
	s.MaxRequests = cmp.Or(n.get("max_requests").whole(), DefaultMaxRequests)
	s.ConnectTimeout = cmp.Or(n.get("connect_timeout").duration(), DefaultConnectTimeout)
}
