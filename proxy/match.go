package proxy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/msctl/msctl/proxy/wire"
)

// matcher finds the most specific route of a request: an exact host before a
// wildcard, the longest wildcard first, before any host; then the longer path,
// an exact one before a prefix, one with methods before one without, more
// headers before fewer (the order of Kubernetes' Gateway API), and at last the
// one declared first.
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
		host := hostname(h.Host)
		for _, routes := range [...][]*route{m.hosts[host], m.wild, m.any} {
			for _, r := range routes {
				if r.takes(h, host) && !yield(r) {
					return
				}
			}
		}
	}
}

// takes reports whether r matches h, whose hostname is host.
func (r *route) takes(h *wire.Head, host string) bool {
	return r.takesHost(host) && r.takesPath(h.Path) && r.takesMethod(h.Method) && r.takesHeaders(h.Header)
}

func (r *route) takesHost(host string) bool {
	if r.host == "" || r.host == host {
		return true
	}
	return isWild(r.host) && len(host) >= len(r.host) && strings.HasSuffix(host, r.host[1:])
}

// isWild: *.x is all names below x, of any depth, as nginx has it.
func isWild(host string) bool { return strings.HasPrefix(host, "*.") }

func (r *route) takesPath(path string) bool {
	if r.exact {
		return samePath(path, r.path)
	}
	rest, ok := cutSegments(path, r.path)
	return ok && (rest != "" || r.path != "")
}

func (r *route) takesHeaders(have wire.Header) bool {
	for name, want := range r.headers {
		if have == nil || !have.Has(name, want) {
			return false
		}
	}
	return true
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
		{"its path is longer", a.length, b.length},
		{"its path is exact", rank(a.exact), rank(b.exact)},
		{"it names the method", rank(len(a.methods) > 0), rank(len(b.methods) > 0)},
		{"it names more headers", len(a.headers), len(b.headers)},
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
