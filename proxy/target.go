package proxy

import (
	"strconv"
	"strings"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/stack"
)

// target is the path that the service is asked for, and the prefix that was
// taken off. A strip allocates nothing: path is a part of h's.
func (r *route) target(h *wire.Head) (path, prefix string) {
	path = h.Path
	switch {
	case r.strip != "":
		if rest, ok := cutSegments(path, r.strip); ok {
			path, prefix = rest, r.strip
		}
	case r.rewrite != "":
		path = r.place(r.rewrite, path)
	}
	if path == "" || path[0] != '/' {
		path = "/" + path
	}
	return path, prefix
}

// place puts to in the place of what r matches of path, encoded as it was: of
// all of it, with the groups of a regexp, or of the prefix.
func (r *route) place(to, path string) string {
	switch {
	case r.exact:
		return to
	case r.regexp != nil:
		return r.expand(to, path)
	}
	rest, _ := cutSegments(path, r.path)
	if rest == "" {
		return to
	}
	return strings.TrimRight(to, "/") + rest
}

// expand puts the groups of path into to, where it has $1 and on; $0 is all of
// path. A group that took no part is empty.
func (r *route) expand(to, path string) string {
	groups := r.regexp.FindStringSubmatchIndex(normal(path))
	var out strings.Builder
	for {
		before, after, ok := strings.Cut(to, "$")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		to = strings.TrimLeft(after, "0123456789")
		digits := after[:len(after)-len(to)]
		if digits == "" {
			out.WriteByte('$')
		}
		if n, err := strconv.Atoi(digits); err == nil && n < len(groups)/2 && groups[2*n] >= 0 {
			out.WriteString(path[received(path, groups[2*n]):received(path, groups[2*n+1])])
		}
	}
}

// redirect is a compiled stack.Redirect.
type redirect struct {
	origin string // scheme://authority; "" for that of the request
	path   string
	more   string // its query and fragment
	status int
}

func newRedirect(r *stack.Redirect) *redirect {
	if r == nil {
		return nil
	}
	out := &redirect{status: r.Status}
	if out.status == 0 {
		out.status = stack.DefaultRedirectStatus
	}
	to := escape(r.To)
	if scheme, rest, ok := strings.Cut(to, "://"); ok && !strings.ContainsAny(scheme, "/?#$") {
		// A group begins the path, at the earliest: a request cannot name the
		// host that it is sent to.
		end := strings.IndexAny(rest, "/?#$")
		if end < 0 {
			end = len(rest)
		}
		out.origin, to = scheme+"://"+rest[:end], rest[end:]
	}
	end := strings.IndexAny(to, "?#")
	if end < 0 {
		end = len(to)
	}
	out.path, out.more = to[:end], to[end:]
	return out
}

func (r *redirect) String() string { return strconv.Itoa(r.status) + " " + r.origin + r.path + r.more }

// redirected is the answer of a redirect to h.
func (r *route) redirected(h *wire.Head) *wire.Answer {
	return &wire.Answer{Status: r.redirect.status, Header: []wire.Field{{Name: "Location", Value: r.location(h)}}}
}

// location is where h is sent. A path keeps what comes after the prefix that
// it takes the place of; a URL is all there is. The query is kept when there is
// no other.
func (r *route) location(h *wire.Head) string {
	to := r.redirect
	path, more := to.path, to.more
	switch {
	case r.regexp != nil:
		path, more = r.expand(path, h.Path), r.expand(more, h.Path)
	case to.origin == "":
		path = r.place(path, h.Path)
	}
	if to.origin == "" || path != "" {
		// Two slashes at the beginning would name a host (RFC 3986 §4.2).
		path = "/" + strings.TrimLeft(path, "/")
	}
	if h.Query != "" && !strings.HasPrefix(to.more, "?") {
		more = "?" + h.Query + more
	}
	return escape(to.origin + path + more)
}
