package proxy

import (
	"slices"
	"strings"

	"github.com/msctl/msctl/stack"
)

// Conflict is a route that no request comes to, since another takes all that
// it could.
type Conflict struct {
	Route, By  string // patterns
	Pos, ByPos stack.Pos
}

// Conflicts returns the declared routes of st that are never used, in the order
// of declaration. What it says is so; of regexps, only those are compared that
// have the same text or take all that begins with a text, such as /api.*, and
// routes that are only together more than another are not.
func Conflicts(st *stack.Stack) []Conflict {
	var out []Conflict
	routes := compile(st)
	for _, r := range routes {
		if by := shadow(r, routes); by != nil && r.declared != (stack.Pos{}) {
			out = append(out, Conflict{Route: r.pattern(), By: by.pattern(), Pos: r.declared, ByPos: by.declared})
		}
	}
	return out
}

// shadow returns the route that takes all requests of r, nil when none does.
func shadow(r *route, routes []*route) *route {
	for _, o := range routes {
		if o != r && compare(o, r) < 0 && o.shadows(r) {
			return o
		}
	}
	return nil
}

// shadows reports whether r, which comes before o, takes every request that o
// could take.
func (r *route) shadows(o *route) bool {
	return r.host == o.host && r.shadowsPath(o) && r.shadowsMethods(o) &&
		covers(r.headers, o.headers, strings.EqualFold) &&
		covers(r.query, o.query, func(a, b string) bool { return a == b })
}

func (r *route) shadowsPath(o *route) bool {
	switch begin, all := r.takesAll(); {
	case all && o.regexp != nil:
		return r.path == o.path || strings.HasPrefix(o.literal, begin)
	case all:
		return strings.HasPrefix(normal(o.path), begin) || o.path == "" && begin == "/"
	case r.regexp != nil || o.regexp != nil:
		return r.regexp != nil && o.regexp != nil && r.path == o.path
	}
	return r.exact == o.exact && samePath(r.path, o.path)
}

// takesAll reports whether r is a regexp that takes every path which begins with
// a text, one that is the same encoded or not.
func (r *route) takesAll() (begin string, ok bool) {
	if r.regexp == nil {
		return "", false
	}
	text := strings.TrimSuffix(strings.TrimPrefix(r.path, "^"), "$")
	rest := strings.TrimPrefix(text, r.literal)
	other := func(c rune) bool { return c != '/' && !unreserved(int(c)) }
	return r.literal, (rest == ".*" || rest == "(.*)") && !strings.ContainsFunc(r.literal, other)
}

func (r *route) shadowsMethods(o *route) bool {
	switch {
	case len(r.methods) == 0:
		return true
	case len(o.methods) == 0, o.policies.CORS != nil && r.policies.CORS == nil:
		return false
	}
	return !slices.ContainsFunc(o.methods, func(m string) bool { return !r.takesMethod(m, nil) })
}

// covers reports whether a request that has all of narrow has all of wide.
func covers(wide, narrow []pair, same func(a, b string) bool) bool {
	for _, w := range wide {
		if !slices.ContainsFunc(narrow, func(n pair) bool {
			return same(n.name, w.name) && (n.value == w.value || w.value == anyValue)
		}) {
			return false
		}
	}
	return true
}
