package proxy

import (
	"net/http"
	"slices"
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
	names := []string{"root", "api", "apiv1", "exact", "post", "canary", "host", "hostpath", "wild", "deep", "encoded", "first", "second"}
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
	}
	return st
}

func TestTheMostSpecificRouteWins(t *testing.T) {
	m := newMatcher(compile(shop(t)))
	for _, c := range []struct{ method, host, path, header, want string }{
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
		{"GET", "x", "/api", "1", "canary"},
		{"GET", "x", "/api", "2", "api"},
		{"POST", "x", "/api", "1", "post"},
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
	} {
		h := http.Header{}
		if c.header != "" {
			h.Set("x-canary", c.header)
		}
		got := ""
		if r := m.find(&wire.Head{Method: c.method, Host: c.host, Path: c.path, Header: testHeader(h)}); r != nil {
			got = r.service
		}
		if got != c.want {
			t.Errorf("%s %s%s (%s) goes to %q, want %q", c.method, c.host, c.path, c.header, got, c.want)
		}
	}
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
	if want := len(st.Gateway.Routes) + 13; len(routes) != want {
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
	for _, p := range []string{"/api/v1 (exact)", "/api [X-Canary: 1]", "shop.localhost/a", "*.localhost/"} {
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
	if diff := cmp.Diff([]string{"second by /same"}, shadowed); diff != "" {
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

// FuzzMatch: whatever comes, the winner takes the request, and nothing that
// takes it goes before the winner.
func FuzzMatch(f *testing.F) {
	f.Add("/api", "/api/", "x.localhost", "GET", "/api/v1", "X.localhost:80", "GET", true)
	f.Add("/%", "/%2", "*.a", "", "/%2f%%", "b.a.", "HEAD", false)
	f.Add("", "//", "[::1]", "POST", "//", "[::1]:1", "POST", true)
	f.Fuzz(func(t *testing.T, path1, path2, host1, method1, path, host, method string, exact bool) {
		st := &stack.Stack{Services: []stack.Service{service("a"), service("b"), service("c")}}
		st.Gateway.Routes = []stack.Route{
			{Path: path1, Host: host1, To: "a", Exact: exact},
			{Path: path2, To: "b", Methods: []string{method1}},
			{Path: path1, To: "c", Headers: map[string]string{"H": path2}},
			{Path: path2, Host: host1, To: "c", Strip: path1},
		}
		h := &wire.Head{Method: method, Host: host, Path: path, Header: testHeader{"H": {path2}}}
		routes := compile(st)
		m := newMatcher(routes)
		won := m.find(h)
		if won != nil && !won.takes(h, hostname(h.Host)) {
			t.Fatalf("%s won %+v, which it does not take", won.pattern(), h)
		}
		for _, r := range routes {
			if r.takes(h, hostname(h.Host)) && (won == nil || r != won && compare(r, won) <= 0) {
				t.Fatalf("%s takes %+v and goes before the winner", r.pattern(), h)
			}
			if won != nil && r != won && r.shadows(won) && compare(r, won) < 0 {
				t.Fatalf("%s won in the shadow of %s", won.pattern(), r.pattern())
			}
			_ = r.url("127.0.0.1:1")
		}
		if rest, ok := cut(path, path1); ok && len(rest) > len(path) {
			t.Fatalf("cut(%q, %q) = %q", path, path1, rest)
		}
		if !samePath(path, path) {
			t.Fatalf("%q is not itself", path)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	m := newMatcher(compile(shop(b)))
	h := &wire.Head{Method: "GET", Host: "localhost:8080", Path: "/api/v1/orders/7", Header: testHeader{}}
	b.ReportAllocs()
	for b.Loop() {
		if m.find(h) == nil {
			b.Fatal("no route")
		}
	}
}

// testHeader implements wire.Header.
type testHeader http.Header

func (h testHeader) Get(name string) string { return http.Header(h).Get(name) }

func (h testHeader) Has(name, value string) bool {
	return slices.Contains(http.Header(h).Values(name), value)
}
