package proxy

import (
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// shop has a route of every kind; the names of the services say which.
func shop(t testing.TB) *stack.Stack {
	t.Helper()
	names := []string{
		"root", "api", "apiv1", "exact", "post", "canary", "host", "hostpath", "wild", "deep", "encoded", "first", "second",
		"item", "items", "beta", "version", "debug", "both", "pinned",
	}
	st := &stack.Stack{Dir: t.TempDir()}
	for _, n := range names {
		st.Services = append(st.Services, service(n))
	}
	st.Gateway.Routes = []stack.Route{
		{Path: "/", To: "root"},
		{Path: "/api", To: "api"},
		{Path: "/api/v1/", To: "apiv1"},
		{Path: "/api/v1", Exact: true, To: "exact"},
		{Path: "/api", Methods: []string{"post"}, To: "post"},
		{Path: "/api", Headers: map[string]string{"X-Canary": "1"}, To: "canary"},
		{Host: "shop.localhost", Path: "/", To: "host"},
		{Host: "Shop.Localhost", Path: "/a", To: "hostpath"},
		{Host: "*.localhost", Path: "/", To: "wild"},
		{Host: "*.deep.localhost", Path: "/", To: "deep"},
		{Path: "/a b/c", To: "encoded"},
		{Path: "/same", To: "first"},
		{Path: "/same/", To: "second"},
		{Regexp: "/shop/[0-9]+|/zero", To: "item"},
		{Regexp: "^/shop/.*$", To: "items"},
		{Path: "/shop/list", To: "api"},
		{Path: "/shop/0", Exact: true, To: "exact"},
		{Path: "/q", To: "api"},
		{Path: "/q", Headers: map[string]string{"X-Beta": "*"}, To: "beta"},
		{Path: "/q", Query: map[string]string{"version": "2 b/ü"}, To: "version"},
		{Path: "/q", Query: map[string]string{"debug": "*"}, To: "debug"},
		{Path: "/q", Query: map[string]string{"debug": "", "version": "*"}, To: "both"},
		{Path: "/q", Headers: map[string]string{"X-Beta": "*", "X-Canary": "1"}, To: "pinned"},
	}
	return st
}

func TestTheMostSpecificRouteWins(t *testing.T) {
	m := newMatcher(compile(shop(t)))
	for _, c := range []struct{ method, host, target, headers, want string }{
		{"GET", "x", "/", "", "root"},
		{"GET", "x", "/apix", "", "root"},
		{"GET", "x", "/api", "", "api"},
		{"GET", "x", "/api/", "", "api"},
		{"GET", "x", "/api/v2", "", "api"},
		{"POST", "x", "/api/v2", "", "post"},
		{"POST", "x", "/api/v1/x", "", "apiv1"}, // the path goes before the method
		{"GET", "x", "/api/v1", "", "exact"},
		{"GET", "x", "/api/v1/", "", "apiv1"},
		{"GET", "x", "/%61pi/v1/%6f", "", "apiv1"},
		{"GET", "x", "/api%2Fv1/o", "", "root"}, // an encoded slash is no border
		{"GET", "x", "/api", "X-Canary: 1", "canary"},
		{"GET", "x", "/api", "X-Canary: 2", "api"},
		{"POST", "x", "/api", "X-Canary: 1", "post"},     // the method goes before headers
		{"GET", "shop.localhost", "/api/v1", "", "host"}, // the host goes before the path
		{"GET", "SHOP.localhost.:8080", "/x", "", "host"},
		{"GET", "shop.localhost:1", "/a/b", "", "hostpath"},
		{"GET", "other.localhost", "/a", "", "wild"},
		{"GET", "a.b.localhost", "/a", "", "wild"},
		{"GET", "a.deep.localhost", "/a", "", "deep"},
		{"GET", "localhost", "/", "", "root"}, // *.localhost is not localhost
		{"GET", "api.localhost", "/same", "", "api"},
		{"GET", "x", "/a%20b/c/d", "", "encoded"},
		{"GET", "x", "/same/x", "", "first"},
		{"GET", "[::1]:8080", "/x", "", "root"},
		{"OPTIONS", "x", "*", "", ""},
		{"GET", "x", "", "", ""},

		{"GET", "x", "/shop/17", "", "item"}, // of two regexps, the first
		{"GET", "x", "/shop/%31%37", "", "item"},
		{"GET", "x", "/shop/17x", "", "items"}, // all of the path, not a part
		{"GET", "x", "/zero", "", "item"},
		{"GET", "x", "/zero/shop/1", "", "root"},
		{"GET", "x", "/shop/list/all", "", "items"}, // a regexp goes before a prefix
		{"GET", "x", "/shop/0", "", "exact"},        // and an exact path before a regexp
		{"GET", "x", "/shop", "", "root"},

		{"GET", "x", "/q", "", "api"},
		{"GET", "x", "/q", "X-Beta:", "beta"}, // it is there, though empty
		{"GET", "x", "/q?debug", "X-Beta: 1", "beta"},
		{"GET", "x", "/q?debug", "X-Beta: 1; X-Canary: 1", "pinned"},
		{"GET", "x", "/q?debug", "", "debug"},
		{"GET", "x", "/q?a=debug&Debug=1&&=&x", "", "api"},
		{"GET", "x", "/q?a&&%64ebug=1", "", "debug"},
		{"GET", "x", "/q?version=1&version=2+b%2f%c3%BC", "", "version"},
		{"GET", "x", "/q?version=2%20b/%C3%BC", "", "version"},
		{"GET", "x", "/q?version=2%2Bb/%C3%BC", "", "api"},
		{"GET", "x", "/q?version=2+b/%C3%BC%", "", "api"},
		{"GET", "x", "/q?version=2+b/%C3", "", "api"},
		{"GET", "x", "/q?version=7&debug=", "", "both"},
		{"GET", "x", "/q?version=7&debug=1", "", "debug"},
	} {
		if got := serviceOf(m.find(head(c.method, c.host, c.target, c.headers))); got != c.want {
			t.Errorf("%s %s%s (%s) goes to %q, want %q", c.method, c.host, c.target, c.headers, got, c.want)
		}
	}
}

func TestAPreflightGoesWhereItsRequestWill(t *testing.T) {
	st := &stack.Stack{Services: []stack.Service{service("open"), service("shut")}}
	st.Gateway.Routes = []stack.Route{
		{Path: "/open", Methods: []string{"GET", "PUT"}, To: "open", Policies: stack.Policies{CORS: &stack.CORS{Origins: []string{"*"}}}},
		{Path: "/shut", Methods: []string{"PUT"}, To: "shut"},
	}
	m := newMatcher(compile(st))
	const origin = "Origin: http://x.localhost; "
	for _, c := range []struct{ path, headers, want string }{
		{"/open", origin + "Access-Control-Request-Method: PUT", "open"},
		{"/open", origin + "Access-Control-Request-Method: HEAD", "open"},
		{"/open", origin + "Access-Control-Request-Method: POST", ""},
		{"/open", origin, ""},
		{"/open", "Access-Control-Request-Method: PUT", ""},
		{"/shut", origin + "Access-Control-Request-Method: PUT", ""},
	} {
		if got := serviceOf(m.find(head("OPTIONS", "x", c.path, c.headers))); got != c.want {
			t.Errorf("OPTIONS %s (%s) goes to %q, want %q", c.path, c.headers, got, c.want)
		}
	}
}

func serviceOf(r *route) string {
	if r == nil {
		return ""
	}
	return r.service
}

// head is a request for target, a path with a query, with headers as in
// "A: 1; B: 2".
func head(method, host, target, headers string) *wire.Head {
	path, query, _ := strings.Cut(target, "?")
	h := http.Header{}
	for field := range strings.SplitSeq(headers, ";") {
		if name, value, ok := strings.Cut(field, ":"); ok {
			h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	return &wire.Head{Method: method, Host: host, Path: path, Query: query, Header: testHeader(h)}
}

func TestRoutesAreShown(t *testing.T) {
	st := shop(t)
	for n := range st.Gateway.Routes {
		st.Gateway.Routes[n].Pos = stack.Pos{File: "stack.yaml", Line: n + 1, Col: 3}
	}
	st.Services = append(st.Services, service("queue", speaks(stack.TCP)), service("job", func(s *stack.Service) { s.Kind = stack.KindJob }))
	st.Gateway.Listen = "127.0.0.1:0"
	w := begin(t, st, Options{})
	w.put("api-1", "127.0.0.1:1", registry.Ready)
	w.refresh()
	routes := w.Routes()
	if want := len(st.Gateway.Routes) + 20; len(routes) != want {
		t.Errorf("%d routes, want %d", len(routes), want)
	}
	byPattern := map[string]Route{}
	for _, r := range routes {
		byPattern[r.Pattern] = r
	}
	want := Route{Pattern: "POST /api", URL: "http://" + w.Addr() + "/api", Service: "post", Declared: "stack.yaml:5:3", Ready: []string{}}
	if diff := cmp.Diff(want, byPattern["POST /api"]); diff != "" {
		t.Error(diff)
	}
	if got := byPattern["/api"].Ready; !slices.Equal(got, []string{"127.0.0.1:1"}) {
		t.Errorf("ready = %v", got)
	}
	_, port, _ := strings.Cut(w.Addr(), ":")
	if got := byPattern["api.localhost/"]; got.URL != "http://api.localhost:"+port+"/" || got.Declared != "" {
		t.Errorf("%+v", got)
	}
	if got := byPattern["^/shop/.*$ (regexp)"]; got.URL != "" || got.Service != "items" {
		t.Errorf("%+v", got)
	}
	for _, p := range []string{"/q [?debug=] [?version=*]", "/api/v1 (exact)", "/api [X-Canary: 1]", "shop.localhost/a", "*.localhost/"} {
		if _, ok := byPattern[p]; !ok {
			t.Errorf("no route %q", p)
		}
	}
	var shadowed []string
	for _, r := range routes {
		if r.Shadowed != "" {
			shadowed = append(shadowed, r.Service+" by "+r.Shadowed)
		}
	}
	if diff := cmp.Diff([]string{"second by /same", "api by ^/shop/.*$ (regexp)"}, shadowed); diff != "" {
		t.Error(diff)
	}
}

func TestMatchSaysWhy(t *testing.T) {
	w := begin(t, shop(t), Options{})
	m, ok := w.Match(&wire.Head{Method: "POST", Host: "x", Path: "/api/v1/x"})
	var over []string
	for _, r := range m.Over {
		over = append(over, r.Service)
	}
	if !ok || m.Route.Service != "apiv1" || m.Why != "its path is longer, compared with POST /api" || !slices.Equal(over, []string{"post", "api", "root"}) {
		t.Errorf("Match = %+v, %v", m, ok)
	}
	if m, ok := w.Match(&wire.Head{Method: "GET", Host: "x", Path: "*"}); ok {
		t.Errorf("Match = %+v", m)
	}
}

func TestRulesAreNamed(t *testing.T) {
	st := shop(t)
	st.Gateway.Routes = append(st.Gateway.Routes, stack.Route{Path: "/q", Methods: []string{"PUT"}, To: "first"})
	w := begin(t, st, Options{})
	for _, c := range []struct{ method, host, target, headers, want string }{
		{"GET", "shop.localhost", "/", "", "its host is more specific, compared with *.localhost/"},
		{"GET", "x", "/shop/0", "", "its path is exact, compared with /shop/[0-9]+|/zero (regexp)"},
		{"GET", "x", "/shop/list", "", "its path is a regexp, compared with /shop/list"},
		{"PUT", "x", "/q", "X-Beta: 1", "it names the method, compared with /q [X-Beta: *]"},
		{"GET", "x", "/q?debug", "X-Beta: 1", "it names more headers, compared with /q [?debug=*]"},
		{"GET", "x", "/q?debug", "", "it names more query parameters, compared with /q"},
		{"GET", "x", "/same", "", "it is declared first, compared with /same"},
		{"GET", "x", "/", "", "no other route matches"},
	} {
		if m, _ := w.Match(head(c.method, c.host, c.target, c.headers)); m.Why != c.want {
			t.Errorf("%s %s%s (%s): %s, want %s", c.method, c.host, c.target, c.headers, m.Why, c.want)
		}
	}
}

// FuzzMatch: whatever comes, the winner is the one that comparing all routes
// finds, it is in no other's shadow, and where it leads is a path or a place on
// a host that the stack file names.
func FuzzMatch(f *testing.F) {
	f.Add("/api", "/api/", "x.localhost", "GET", "/api/v1", "X.localhost:80", "GET", "a=1&b", "a", true)
	f.Add("/%", "/%2", "*.a", "", "/%2f%%", "b.a.", "HEAD", "%61=+", "*", false)
	f.Add("", "//", "[::1]", "POST", "//", "[::1]:1", "POST", "&&=&", "", true)
	f.Add("/(.*)/(x)?$2$1", "/$1//$2", "", "PUT", "//evil.example/x\\\r\nA: b", "a.localhost", "OPTIONS", "\r\n#", "1", false)
	f.Add("(.*)", "$1", "", "PUT", "/%2e%41%2f/", "a.localhost", "PUT", "", "", false)
	f.Fuzz(func(t *testing.T, path1, path2, host1, method1, path, host, method, query, value string, exact bool) {
		st := &stack.Stack{Services: []stack.Service{service("a"), service("b"), service("c")}}
		st.Gateway.Routes = []stack.Route{
			{Path: path1, Host: host1, To: "a", Exact: exact},
			{Path: path2, To: "b", Methods: []string{method1}},
			{Path: path1, To: "c", Headers: map[string]string{"H": value}},
			{Path: path2, Host: host1, To: "c", Strip: path1},
			{Regexp: path1, To: "a", Rewrite: path2},
			{Regexp: path1, Redirect: &stack.Redirect{To: path2}, Query: map[string]string{value: "*"}},
			{Path: path1, Redirect: &stack.Redirect{To: path2}, Methods: []string{method1}, Query: map[string]string{"a": value}},
			{Path: path2, Exact: exact, To: "b", Rewrite: path1, Query: map[string]string{"a": "*", "b": ""}},
			{Regexp: path2, Redirect: &stack.Redirect{To: "https://x.localhost" + path1}, Headers: map[string]string{"H": "*"}},
		}
		h := &wire.Head{Method: method, Host: host, Path: path, Query: query, Header: testHeader{"H": {path2}}}
		routes := compile(st)
		m := newMatcher(routes)
		won := m.find(h)
		q := newAsked(h)
		if won != nil && !won.takes(&q) {
			t.Fatalf("%s won %+v, which it does not take", won.pattern(), h)
		}
		for _, r := range routes {
			if r.takes(&q) && (won == nil || r != won && compare(r, won) <= 0) {
				t.Fatalf("%s takes %+v and goes before the winner", r.pattern(), h)
			}
			if won != nil && r != won && r.shadows(won) && compare(r, won) < 0 {
				t.Fatalf("%s won in the shadow of %s", won.pattern(), r.pattern())
			}
			_ = r.url("127.0.0.1:1")
			if !r.takes(&q) {
				continue
			}
			if to, _ := r.target(h); !strings.HasPrefix(to, "/") {
				t.Fatalf("%s asks for %q", r.pattern(), to)
			}
			if r.redirect != nil {
				checkLocation(t, r, r.location(h))
			}
		}
		if rest, ok := cut(path, path1); ok && len(rest) > len(path) {
			t.Fatalf("cut(%q, %q) = %q", path, path1, rest)
		}
		if !samePath(path, path) || !samePath(path, normal(path)) || received(path, len(normal(path))) != len(path) {
			t.Fatalf("%q is not itself", path)
		}
	})
}

// checkLocation: it is on the host that r names, or on the request's, and is
// one line.
func checkLocation(t *testing.T, r *route, to string) {
	t.Helper()
	rest, ok := strings.CutPrefix(to, r.redirect.origin)
	if !ok || strings.ContainsFunc(to, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' }) {
		t.Fatalf("%s leads to %q", r.pattern(), to)
	}
	if r.redirect.origin != "" {
		ok = rest == "" || strings.ContainsRune("/?#", rune(rest[0]))
	} else {
		ok = strings.HasPrefix(rest, "/") && !strings.HasPrefix(rest, "//")
	}
	if !ok {
		t.Fatalf("%s leads to another host: %q", r.pattern(), to)
	}
}

// hundred is a table of as many routes, of all kinds.
func hundred() []*route {
	st := &stack.Stack{}
	for n := range 25 {
		name := "service-" + strconv.Itoa(n)
		st.Services = append(st.Services, service(name, routed(
			stack.Route{Path: "/api/" + name},
			stack.Route{Path: "/api/" + name + "/beta", Headers: map[string]string{"X-Beta": "*"}, Query: map[string]string{"beta": "1"}},
			stack.Route{Regexp: "/" + name + "/([0-9]+)/.*", Methods: []string{"GET"}},
		)))
	}
	return compile(st)
}

var hundredHeads = map[string]*wire.Head{
	"prefix": head("GET", "localhost:8080", "/api/service-24/orders/7%20a?x=1", ""),
	"host":   head("GET", "service-24.localhost:8080", "/orders/7", ""),
	"regexp": head("GET", "localhost:8080", "/service-24/7/x", ""),
	"query":  head("GET", "localhost:8080", "/api/service-24/beta?a=b&bet%61=1", "X-Beta: 1"),
}

func TestFindingARouteAllocatesNothing(t *testing.T) {
	routes := hundred()
	if len(routes) != 100 {
		t.Fatalf("%d routes", len(routes))
	}
	m := newMatcher(routes)
	for name, h := range hundredHeads {
		if m.find(h) == nil {
			t.Fatalf("%s: no route", name)
		}
		if n := testing.AllocsPerRun(100, func() { m.find(h) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	typical := newMatcher(compile(shop(b)))
	all := newMatcher(hundred())
	bench := func(name string, m matcher, h *wire.Head) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if m.find(h) == nil {
					b.Fatal("no route")
				}
			}
		})
	}
	bench("typical", typical, head("GET", "localhost:8080", "/api/v1/orders/7", ""))
	for name, h := range hundredHeads {
		bench("hundred/"+name, all, h)
	}
}

// testHeader implements wire.Header.
type testHeader http.Header

func (h testHeader) Get(name string) string { return http.Header(h).Get(name) }

func (h testHeader) Has(name, value string) bool {
	return slices.Contains(http.Header(h).Values(name), value)
}

func (h testHeader) Values(name string) iter.Seq[string] {
	return slices.Values(http.Header(h).Values(name))
}
