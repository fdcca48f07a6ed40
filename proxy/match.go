package proxy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/msctl/msctl/proxy/wire"
)

// matcher finds the most specific route of a request, in the order of
// Kubernetes' Gateway API: an exact host before a wildcard, the longest
// wildcard first, before any host; then an exact path, a regexp, and prefixes,
// the longest first; then one with methods before one without, more headers
// before fewer, more query parameters before fewer; and at last the one
// declared first. Where regexps stand is left to who implements it: they go
// before prefixes, as Envoy Gateway and nginx have it, or a stack with a route
// for / would never come to them. How long one is says nothing of what it
// takes, so among regexps the declaration decides.
type matcher struct {
	hosts map[string][]*route // by exact host
	wild  []*route            // of wildcard hosts
	any   []*route
}

func newMatcher(routes []*route) matcher {
	m := matcher{hosts: map[string][]*route{}}
	for _, r := range slices.SortedStableFunc(slices.Values(routes), compare) {
		switch {
		case r.host == "":
			m.any = append(m.any, r)
		case isWild(r.host):
			m.wild = append(m.wild, r)
		default:
			m.hosts[r.host] = append(m.hosts[r.host], r)
		}
	}
	return m
}

// find returns the route that takes h, nil when none does.
func (m *matcher) find(h *wire.Head) *route {
	for r := range m.all(h) {
		return r
	}
	return nil
}

// all yields the routes that match h, the most specific first.
func (m *matcher) all(h *wire.Head) func(yield func(*route) bool) {
	return func(yield func(*route) bool) {
		q := newAsked(h)
		for _, routes := range [...][]*route{m.hosts[q.host], m.wild, m.any} {
			for _, r := range routes {
				if r.takes(&q) && !yield(r) {
					return
				}
			}
		}
	}
}

// asked is a request as routes look at it.
type asked struct {
	*wire.Head
	host   string // without its port
	normal string // the path
}

func newAsked(h *wire.Head) asked { return asked{h, hostname(h.Host), normal(h.Path)} }

func (r *route) takes(q *asked) bool { return r.takesBut(q) && r.takesMethod(q.Method, q.Header) }

// takesBut reports whether r matches but for the method.
func (r *route) takesBut(q *asked) bool {
	return r.takesPath(q) && r.takesHost(q.host) && r.takesHeaders(q.Header) && r.takesQuery(q.Query)
}

func (r *route) takesHost(host string) bool {
	if r.host == "" || r.host == host {
		return true
	}
	return isWild(r.host) && len(host) >= len(r.host) && strings.HasSuffix(host, r.host[1:])
}

// isWild: *.x is all names below x, of any depth, as nginx has it.
func isWild(host string) bool { return strings.HasPrefix(host, "*.") }

func (r *route) takesPath(q *asked) bool {
	switch {
	case r.exact:
		return samePath(q.Path, r.path)
	case r.regexp != nil:
		return strings.HasPrefix(q.normal, "/") && strings.HasPrefix(q.normal, r.literal) && r.regexp.MatchString(q.normal)
	}
	rest, ok := cutSegments(q.Path, r.path)
	return ok && (rest != "" || r.path != "")
}

// takesMethod: whatever answers GET answers HEAD (RFC 9110 §9.3.2), and what
// has a policy for other origins answers when one asks for the method first
// (CORS-preflight fetch, the Fetch standard §4.8). h may be nil.
func (r *route) takesMethod(m string, h wire.Header) bool {
	switch {
	case len(r.methods) == 0 || slices.Contains(r.methods, m):
		return true
	case m == "HEAD":
		return slices.Contains(r.methods, "GET")
	}
	return m == "OPTIONS" && r.policies.CORS != nil && h != nil && h.Get("Origin") != "" &&
		r.takesMethod(h.Get("Access-Control-Request-Method"), nil)
}

func (r *route) takesHeaders(h wire.Header) bool {
	for _, want := range r.headers {
		switch {
		case h == nil:
			return false
		case want.value == anyValue:
			if h.Get(want.name) == "" && !h.Has(want.name, "") {
				return false
			}
		case !h.Has(want.name, want.value):
			return false
		}
	}
	return true
}

func (r *route) takesQuery(query string) bool {
	for _, want := range r.query {
		if !hasParameter(query, want) {
			return false
		}
	}
	return true
}

// hasParameter reports whether one of query's parameters is want.
func hasParameter(query string, want pair) bool {
	for query != "" {
		var parameter string
		parameter, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(parameter, "=")
		if parameter != "" && decodesTo(name, want.name) && (want.value == anyValue || decodesTo(value, want.value)) {
			return true
		}
	}
	return false
}

// decodesTo reports whether s, a part of a query, is text once it is decoded
// (application/x-www-form-urlencoded, the URL standard §5.1).
func decodesTo(s, text string) bool {
	for ; s != ""; text = text[1:] {
		c, size := unit(s)
		switch {
		case c == encodedSlash:
			c = '/'
		case c == '+' && size == 1:
			c = ' '
		}
		if text == "" || int(text[0]) != c {
			return false
		}
		s = s[size:]
	}
	return text == ""
}

// compare orders routes, the most specific first.
func compare(a, b *route) int {
	n, _ := decide(a, b)
	return n
}

// decide orders two routes and names the rule that did.
func decide(a, b *route) (order int, rule string) {
	for _, by := range []struct {
		rule string
		a, b int
	}{
		{"its host is more specific", hostRank(a.host), hostRank(b.host)},
		{"its path is exact", rank(a.exact), rank(b.exact)},
		{"its path is a regexp", rank(a.regexp != nil), rank(b.regexp != nil)},
		{"its path is longer", a.length, b.length},
		{"it names the method", rank(len(a.methods) > 0), rank(len(b.methods) > 0)},
		{"it names more headers", len(a.headers), len(b.headers)},
		{"it names more query parameters", len(a.query), len(b.query)},
	} {
		if by.a != by.b {
			return cmp.Compare(by.b, by.a), by.rule
		}
	}
	return cmp.Compare(a.order, b.order), "it is declared first"
}

func rank(is bool) int {
	if is {
		return 1
	}
	return 0
}

// hostRank grows with how few hosts there are that host stands for.
func hostRank(host string) int {
	switch {
	case host == "":
		return 0
	case isWild(host):
		return len(host)
	}
	return 1 << 20
}
