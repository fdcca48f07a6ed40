package admin

import (
	"net/url"
	"slices"
	"strings"
)

// mount is where an operation of a service is found through the front door.
type mount struct {
	path   string
	server string // "" is the front door's own
}

// mounts are the places of an operation, the best first: those that are there
// under any host, then those under one. Where another service's route takes the
// requests, there is none.
func (v View) mounts(service, method, path string) []mount {
	var anywhere, hosts []mount
	for _, r := range v.Routes {
		if r.Service != service || !r.plain() || !r.takes(method) {
			continue
		}
		public, ok := r.public(path)
		if !ok || v.taken(r, method, public) {
			continue
		}
		if r.Host == "" {
			anywhere = append(anywhere, mount{path: public})
		} else if server := v.server(r.Host); server != "" {
			hosts = append(hosts, mount{public, server})
		}
	}
	return append(anywhere, hosts...)
}

// plain reports whether a route's requests can be told by host, path and
// method, so that a document can name them.
func (r Route) plain() bool {
	return r.Regexp == "" && len(r.Headers)+len(r.Query) == 0 && r.Shadowed == "" && !strings.Contains(r.Host, "*")
}

func (r Route) takes(method string) bool {
	return len(r.Methods) == 0 || slices.Contains(r.Methods, method) || method == "HEAD" && slices.Contains(r.Methods, "GET")
}

// public is the path that a client asks for to have the service asked for
// path: the route's strip or rewrite, undone.
func (r Route) public(path string) (string, bool) {
	switch {
	case r.Rewrite != "" && r.Exact:
		return r.Path, path == r.Rewrite
	case r.Rewrite != "":
		rest, ok := below(path, r.Rewrite)
		return join(r.Path, rest), ok
	case r.Strip != "":
		path = join(r.Strip, path)
	}
	if r.Exact {
		return path, path == r.Path
	}
	_, ok := below(path, r.Path)
	return path, ok
}

// taken reports whether a route that is more specific than r sends the
// requests for a public path elsewhere.
func (v View) taken(r Route, method, path string) bool {
	return slices.ContainsFunc(v.Routes, func(o Route) bool {
		if o.Service == r.Service || o.Host != r.Host || !o.plain() || !o.takes(method) {
			return false
		}
		if o.Exact {
			return !r.Exact && path == o.Path
		}
		_, ok := below(path, o.Path)
		return ok && !r.Exact && len(o.Path) > len(r.Path)
	})
}

// server is the URL of the front door under another host; "" while it is off.
func (v View) server(host string) string {
	u, err := url.Parse(v.Front)
	if v.Front == "" || err != nil {
		return ""
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	return u.Scheme + "://" + host
}

// below is what follows prefix in path, when that ends where a segment does.
func below(path, prefix string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, strings.TrimRight(prefix, "/"))
	return rest, ok && (rest == "" || rest[0] == '/')
}

func join(prefix, rest string) string {
	prefix = strings.TrimRight(prefix, "/")
	switch {
	case rest == "/" && prefix != "":
		return prefix
	case prefix+rest == "":
		return "/"
	}
	return prefix + rest
}
