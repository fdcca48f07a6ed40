package proxy

import (
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/msctl/msctl/stack"
)

// Route is a route of the front door, as it is shown.
type Route struct {
	Pattern  string   // "POST shop.localhost/orders"
	URL      string   // "" while the front door is off
	Service  string   // where it goes
	Strip    string   // the prefix taken off; "" none
	Declared string   // file:line:col; "" for a route that every service has
	Ready    []string // addresses of ready instances
	Shadowed string   // the pattern that takes all its requests; "" none
}

// route is a compiled stack.Route.
type route struct {
	host    string // lower case; "*.x" or exact; "" any
	path    string // without its last slash, unless exact
	exact   bool
	methods []string
	headers map[string]string
	strip   string
	timeout time.Duration
	service string
	declare string
	order   int
	length  int // of path, in units
}

// compile returns the routes of the front door in the order of declaration:
// the gateway's, each service's, then {service}.localhost for all of them.
func compile(st *stack.Stack) []*route {
	var out []*route
	add := func(r stack.Route, to string) {
		if sv, ok := st.Service(to); !ok || sv.Protocol == stack.TCP {
			return
		}
		c := &route{
			host: hostname(r.Host), path: r.Path, exact: r.Exact, headers: r.Headers,
			strip: strings.TrimRight(r.Strip, "/"), timeout: r.Policies.Timeout, service: to, order: len(out),
		}
		for _, m := range r.Methods {
			c.methods = append(c.methods, strings.ToUpper(m))
		}
		if !c.exact {
			c.path = strings.TrimRight(c.path, "/")
		}
		if r.Pos != (stack.Pos{}) {
			c.declare = r.Pos.String()
		}
		c.length = units(c.path)
		out = append(out, c)
	}
	for _, r := range st.Gateway.Routes {
		add(r, r.To)
	}
	for _, sv := range st.Services {
		for _, r := range sv.Routes {
			add(r, sv.Name)
		}
	}
	for _, sv := range st.Services {
		if sv.Kind != stack.KindJob {
			add(stack.Route{Host: sv.Name + ".localhost", Path: "/"}, sv.Name)
		}
	}
	return out
}

// pattern is the route in one line.
func (r *route) pattern() string {
	var b strings.Builder
	if len(r.methods) > 0 {
		b.WriteString(strings.Join(r.methods, ",") + " ")
	}
	b.WriteString(r.host)
	b.WriteString(r.shownPath())
	if r.exact {
		b.WriteString(" (exact)")
	}
	for _, k := range slices.Sorted(maps.Keys(r.headers)) {
		b.WriteString(" [" + k + ": " + r.headers[k] + "]")
	}
	return b.String()
}

func (r *route) shownPath() string {
	if r.path == "" {
		return "/"
	}
	return r.path
}

// url is where the route is reached through the front door at addr.
func (r *route) url(addr string) string {
	if addr == "" {
		return ""
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	if r.host != "" {
		host = r.host
	}
	if port == "80" {
		port = ""
	}
	return "http://" + joinPort(host, port) + r.shownPath()
}

func joinPort(host, port string) string {
	switch {
	case port != "":
		return net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		return "[" + host + "]"
	}
	return host
}

// shadows reports whether r, which comes before o, takes every request that o
// could take.
func (r *route) shadows(o *route) bool {
	if r.host != o.host || r.exact != o.exact || !samePath(r.path, o.path) {
		return false
	}
	if len(r.methods) > 0 && (len(o.methods) == 0 || slices.ContainsFunc(o.methods, func(m string) bool { return !r.takesMethod(m) })) {
		return false
	}
	for k, v := range r.headers {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(o.headers)), func(name string) bool {
			return strings.EqualFold(name, k) && o.headers[name] == v
		}) {
			return false
		}
	}
	return true
}

// takesMethod: whatever answers GET answers HEAD (RFC 9110 §9.3.2).
func (r *route) takesMethod(m string) bool {
	return len(r.methods) == 0 || slices.Contains(r.methods, m) || m == "HEAD" && slices.Contains(r.methods, "GET")
}

// hostname is a Host field without its port, in lower case and without the
// last dot of a fully qualified name.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
