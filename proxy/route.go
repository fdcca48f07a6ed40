package proxy

import (
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/msctl/msctl/proxy/observe"
	"github.com/msctl/msctl/proxy/policy"
	"github.com/msctl/msctl/stack"
)

// Route is a route of the front door, as it is shown.
type Route struct {
	Pattern  string   // "POST shop.localhost/orders"
	URL      string   // "" while the front door is off, for a regexp and a wildcard host
	Service  string   // where it goes; "" for a redirect
	Strip    string   // the prefix taken off; "" none
	Rewrite  string   // what takes the place of the matched path; "" none
	Redirect string   // "308 https://shop.localhost/"; "" none
	Declared string   // file:line:col; "" for a route that every service has
	Ready    []string // addresses of ready instances
	Shadowed string   // the pattern that takes all its requests; "" none
}

// route is a compiled stack.Route.
type route struct {
	host     string // lower case; "*.x" or exact; "" any
	path     string // without its last slash, unless exact; as written for a regexp
	exact    bool
	regexp   *regexp.Regexp // of the whole path; nil without
	literal  string         // what every path begins with that regexp matches
	methods  []string
	headers  []pair
	query    []pair
	strip    string
	rewrite  string
	redirect *redirect
	policies stack.Policies
	policy   *policy.Policy
	service  string // "" for a redirect
	own      bool   // declared at its service
	pool     *pool
	series   *observe.Series
	declared stack.Pos
	order    int
	length   int // of a prefix, in units
}

// pair is a header or a parameter that a request must have.
type pair struct{ name, value string }

// anyValue of a pair asks only for the name.
const anyValue = "*"

// localhost is the domain in which every service has a host.
const localhost = ".localhost"

// compile returns the routes of the front door in the order of declaration:
// the gateway's, each service's, then {service}.localhost for all of them.
func compile(st *stack.Stack) []*route {
	var out []*route
	add := func(r stack.Route, to string) {
		if sv, ok := st.Service(to); r.Redirect == nil && (!ok || sv.Protocol == stack.TCP) {
			return
		}
		c := &route{
			host: hostname(r.Host), exact: r.Exact, headers: pairs(r.Headers), query: pairs(r.Query),
			strip: strings.TrimRight(r.Strip, "/"), rewrite: escape(r.Rewrite), redirect: newRedirect(r.Redirect),
			policies: r.Policies.Over(st.Gateway.Policies), service: to, declared: r.Pos, order: len(out),
		}
		if c.redirect != nil {
			c.service = ""
		}
		for _, m := range r.Methods {
			c.methods = append(c.methods, strings.ToUpper(m))
		}
		if !c.matches(r) {
			return // Load has said so
		}
		out = append(out, c)
	}
	for _, r := range st.Gateway.Routes {
		add(r, r.To)
	}
	gateways := len(out)
	for _, sv := range st.Services {
		for _, r := range sv.Routes {
			add(r, sv.Name)
		}
	}
	for _, r := range out[gateways:] {
		r.own = true
	}
	for _, sv := range st.Services {
		if sv.Kind != stack.KindJob {
			add(stack.Route{Host: sv.Name + localhost, Path: "/"}, sv.Name)
		}
	}
	return out
}

// matches sets the paths that r is for. It is false for a regexp that is none.
func (r *route) matches(of stack.Route) bool {
	switch {
	case of.Regexp != "":
		if _, err := regexp.Compile(of.Regexp); err != nil {
			return false
		}
		var err error
		if r.regexp, err = regexp.Compile(`\A(?:` + of.Regexp + `)\z`); err != nil {
			return false
		}
		// In front, ^ says nothing that \A does not, and would hide the literal.
		if begin, err := regexp.Compile(strings.TrimPrefix(of.Regexp, "^")); err == nil {
			r.literal, _ = begin.LiteralPrefix()
		}
		r.path, r.exact = of.Regexp, false
	case of.Exact:
		r.path = of.Path
	default:
		r.path = strings.TrimRight(of.Path, "/")
		r.length = units(r.path)
		if r.rewrite == "/" { // the same, but that the service is told of the prefix
			r.strip, r.rewrite = r.path, ""
		}
	}
	return true
}

func pairs(m map[string]string) []pair {
	var out []pair
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, pair{name, m[name]})
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
	switch {
	case r.exact:
		b.WriteString(" (exact)")
	case r.regexp != nil:
		b.WriteString(" (regexp)")
	}
	for _, q := range r.query {
		b.WriteString(" [?" + q.name + "=" + q.value + "]")
	}
	for _, h := range r.headers {
		b.WriteString(" [" + h.name + ": " + h.value + "]")
	}
	return b.String()
}

// leads is the route with where it goes, in one line.
func (r *route) leads() string {
	if r.redirect != nil {
		return r.pattern() + " → " + r.redirect.String()
	}
	return r.pattern() + " → " + r.service
}

func (r *route) shownPath() string {
	if r.path == "" {
		return "/"
	}
	return r.path
}

// url is where the route is reached through the front door at the URL front;
// "" where no URL tells.
func (r *route) url(front string) string {
	u, err := url.Parse(front)
	if err != nil || u.Host == "" || r.regexp != nil || strings.HasPrefix(r.host, "*") {
		return ""
	}
	if r.host != "" {
		u.Host = joinPort(r.host, u.Port())
	}
	return u.Scheme + "://" + u.Host + r.shownPath()
}

// origin is the URL of what listens at addr, without a path.
func origin(secure bool, addr string) string {
	scheme, standard := "http", "80"
	if secure {
		scheme, standard = "https", "443"
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	if port == standard {
		port = ""
	}
	return scheme + "://" + joinPort(host, port)
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

// hostname is a Host field without its port, in lower case and without the
// last dot of a fully qualified name.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
