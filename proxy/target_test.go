package proxy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/stack"
)

// only is the one route of a stack, as the front door has it.
func only(t *testing.T, r stack.Route) *route {
	t.Helper()
	st := &stack.Stack{Services: []stack.Service{service("api")}}
	r.To = "api"
	st.Gateway.Routes = []stack.Route{r}
	return compile(st)[0]
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		route              stack.Route
		path, want, prefix string
	}{
		{stack.Route{Path: "/api"}, "/api/x", "/api/x", ""},
		{stack.Route{Path: "/api", Strip: "/api"}, "/api/x", "/x", "/api"},
		{stack.Route{Path: "/api", Strip: "/api/"}, "/api", "/", "/api"},
		{stack.Route{Path: "/api", Strip: "/api"}, "/%61pi/%6f%2Fo//", "/%6f%2Fo//", "/api"},
		{stack.Route{Path: "/api/v1", Strip: "/api"}, "/api/v1/x", "/v1/x", "/api"},
		{stack.Route{Path: "/api", Strip: "/other"}, "/api/x", "/api/x", ""},
		{stack.Route{Regexp: "/a.*", Strip: "/api"}, "/api/x", "/x", "/api"},
		{stack.Route{Path: "/api", Rewrite: "/v2"}, "/api/x%2Fy/", "/v2/x%2Fy/", ""},
		{stack.Route{Path: "/api/", Rewrite: "/v2/"}, "/%61pi/x", "/v2/x", ""},
		{stack.Route{Path: "/api", Rewrite: "/v2/"}, "/api", "/v2/", ""},
		{stack.Route{Path: "/api", Rewrite: "/"}, "/api/x", "/x", "/api"},
		{stack.Route{Path: "/", Rewrite: "/v2"}, "/x", "/v2/x", ""},
		{stack.Route{Path: "/api", Exact: true, Rewrite: "/v2/$1"}, "/api", "/v2/$1", ""},
		{stack.Route{Path: "/api", Rewrite: "/a b\r\nc\\ü"}, "/api/ü", "/a%20b%0D%0Ac%5C%C3%BC/ü", ""},
		{stack.Route{Regexp: "/(v[0-9])/(.*)", Rewrite: "/$2-$1old$$"}, "/v%31/a%2fb%7e", "/a%2fb%7e-v%31old$$", ""},
		{stack.Route{Regexp: "/(a)?(.*)", Rewrite: "/x/$1$9$2/$10$99999999999999999999$-"}, "/%C3%bc/b", "/x/%C3%bc/b/$-", ""},
		{stack.Route{Regexp: "/x(/(.*))?", Rewrite: "$2"}, "/x", "/", ""},
		{stack.Route{Regexp: "(.*)", Rewrite: "/all$0"}, "/x", "/all/x", ""},
	} {
		r := only(t, c.route)
		h := &wire.Head{Method: "GET", Path: c.path}
		if q := newAsked(h); !r.takes(&q) {
			t.Errorf("%s does not take %s", r.pattern(), c.path)
			continue
		}
		path, prefix := r.target(h)
		if path != c.want || prefix != c.prefix {
			t.Errorf("%s asks for %s, prefix %q; want %s, prefix %q, for %s", r.pattern(), path, prefix, c.want, c.prefix, c.path)
		}
		if r.strip != "" && prefix != "" && !samePath(prefix+path, c.path) && !samePath(prefix+path, c.path+"/") {
			t.Errorf("%s: %s and %s do not make %s again", r.pattern(), prefix, path, c.path)
		}
	}
}

func TestAStripAllocatesNothing(t *testing.T) {
	r := only(t, stack.Route{Path: "/api", Strip: "/api"})
	for _, path := range []string{"/api", "/%61pi/x"} {
		h := &wire.Head{Path: path}
		if n := testing.AllocsPerRun(100, func() { r.target(h) }); n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}

func TestRedirects(t *testing.T) {
	const shop = "https://shop.localhost:8443"
	for _, c := range []struct {
		route              stack.Route
		to, target, answer string
	}{
		{stack.Route{Path: "/old"}, "/new", "/old", "/new"},
		{stack.Route{Path: "/old"}, "/new", "/old/x%2Fy?a=b", "/new/x%2Fy?a=b"},
		{stack.Route{Path: "/old"}, "/new/", "/%6fld/x", "/new/x"},
		{stack.Route{Path: "/old"}, "/new?c=d", "/old/x?a=b", "/new/x?c=d"},
		{stack.Route{Path: "/old"}, "/new#top", "/old/x?a=b", "/new/x?a=b#top"},
		{stack.Route{Path: "/old"}, "/", "/old//evil.example", "/evil.example"},
		{stack.Route{Path: "/old"}, "/", "/old/\\evil.example", "/%5Cevil.example"},
		{stack.Route{Path: "/old"}, "//evil.example", "/old", "/evil.example"},
		{stack.Route{Path: "/old"}, "/a\r\nSet-Cookie: x", "/old?\r\n\x00", "/a%0D%0ASet-Cookie:%20x?%0D%0A%00"},
		{stack.Route{Path: "/old", Exact: true}, "/new", "/old?a=b", "/new?a=b"},
		{stack.Route{Path: "/old"}, shop, "/old/x", shop},
		{stack.Route{Path: "/old"}, shop + "/new", "/old/x?a=b", shop + "/new?a=b"},
		{stack.Route{Path: "/old"}, shop + "?c", "/old/x?a=b", shop + "?c"},
		{stack.Route{Regexp: "/(.*)"}, "/$1", "//evil.example/x", "/evil.example/x"},
		{stack.Route{Regexp: "/(.*)"}, "$1", "/https://evil.example/x", "/https://evil.example/x"},
		{stack.Route{Regexp: "/u/([a-z]+)/(.*)"}, "/user?name=$1&p=$2#$1", "/u/ann/%2f%41?a=b", "/user?name=ann&p=%2f%41#ann"},
		{stack.Route{Regexp: "(/.*)"}, shop + "$1", "/x?a=b", shop + "/x?a=b"},
		{stack.Route{Regexp: "/go(.*)"}, shop + "$1", "/go.evil.example/", shop + "/.evil.example/"},
		{stack.Route{Regexp: "/go(.*)"}, shop + "$1", "/go@evil.example/", shop + "/@evil.example/"},
		{stack.Route{Regexp: "/(.*)"}, "https://$1.localhost/", "/evil.example/", "https:///evil.example/.localhost/"},
	} {
		c.route.Redirect = &stack.Redirect{To: c.to}
		r := only(t, c.route)
		h := head("GET", "x", c.target, "")
		if q := newAsked(h); !r.takes(&q) {
			t.Errorf("%s does not take %s", r.pattern(), c.target)
			continue
		}
		if got := r.location(h); got != c.answer {
			t.Errorf("%s to %s leads %s to %s, want %s", r.pattern(), c.to, c.target, got, c.answer)
		}
		checkLocation(t, r, r.location(h))
	}
}

func TestTheFrontDoorAnswersItself(t *testing.T) {
	w := begin(t, declare(t,
		service("api", routed(
			stack.Route{Path: "/api", Methods: []string{"GET"}},
			stack.Route{Path: "/api", Methods: []string{"post", "GET"}, Headers: map[string]string{"X-A": "*"}},
			stack.Route{Path: "/api/old", Redirect: &stack.Redirect{To: "/api", Status: 301}},
			stack.Route{Path: "/api/older", Redirect: &stack.Redirect{To: "/api"}},
		)),
		service("web"), service("db", speaks(stack.TCP)),
	), Options{})
	location := func(to string) []wire.Field { return []wire.Field{{Name: "Location", Value: to}} }
	allow := func(methods string) []wire.Field { return []wire.Field{{Name: "Allow", Value: methods}} }
	const one, two = "GET /api → api", "POST,GET /api [X-A: *] → api"
	all := []string{one, two, "/api/old → 301 /api", "/api/older → 308 /api", "api.localhost/ → api", "web.localhost/ → web"}
	for _, c := range []struct {
		request *wire.Head
		want    *wire.Answer
	}{
		{head("OPTIONS", "x", "*", ""), &wire.Answer{Status: 200}},
		{head("GET", "x", "/api/old/x?y", ""), &wire.Answer{Status: 301, Header: location("/api/x?y")}},
		{head("GET", "x", "/api/older", ""), &wire.Answer{Status: 308, Header: location("/api")}},
		{head("PUT", "x", "/api", ""), &wire.Answer{Status: 405, Header: allow("GET, HEAD"), Problem: &wire.Problem{
			Status: 405, Title: "Method Not Allowed", Detail: "no route takes PUT x/api; its methods are GET, HEAD", Routes: []string{one},
		}}},
		{head("PUT", "x", "/api", "X-A: 1"), &wire.Answer{Status: 405, Header: allow("GET, HEAD, POST"), Problem: &wire.Problem{
			Status: 405, Title: "Method Not Allowed", Detail: "no route takes PUT x/api; its methods are GET, HEAD, POST", Routes: []string{one, two},
		}}},
		{head("GET", "DB.localhost:80", "/x", ""), &wire.Answer{Status: 404, Problem: &wire.Problem{
			Status: 404, Title: "Not Found", Routes: all,
			Detail: "no route takes GET DB.localhost:80/x; the services' hosts are api.localhost, web.localhost",
		}}},
		{head("GET", "x", "/", ""), &wire.Answer{Status: 404, Problem: &wire.Problem{
			Status: 404, Title: "Not Found", Detail: "no route takes GET x/", Routes: all,
		}}},
	} {
		pass, terms, got := front{w.Gateway}.Enter(t.Context(), c.request)
		if diff := cmp.Diff(c.want, got); diff != "" || pass != nil || terms != nil {
			t.Errorf("%s %s%s: %s", c.request.Method, c.request.Host, c.request.Path, diff)
		}
	}
	if pass, _, _ := (front{w.Gateway}).Enter(t.Context(), head("HEAD", "x", "/api", "")); pass == nil {
		t.Error("HEAD does not go where GET does")
	}
	code, body, h := w.get("x", "/api/old/x?y")
	if code != 301 || body != "" || h.Get("Location") != "/api/x?y" {
		t.Errorf("%d %q %v", code, body, h)
	}
	w.problem(405, w.request("PUT", "x", "/api", nil))
	if _, _, h := w.do(w.request("PUT", "x", "/api", nil)); h.Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow: %s", h.Get("Allow"))
	}
	if res, body := raw(t, w.Addr(), "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); res.StatusCode != 200 || body != "" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	if r := w.Routes()[2]; r.Redirect != "301 /api" || r.Service != "" || r.Ready != nil {
		t.Errorf("%+v", r)
	}
}

func TestPoliciesOfTheGatewayAreThoseOfItsRoutes(t *testing.T) {
	st := &stack.Stack{Services: []stack.Service{service("api", routed(stack.Route{Policies: stack.Policies{MaxBody: 2}}))}}
	st.Gateway.Policies.MaxBody = 1
	var got []int64
	for _, r := range compile(st) {
		got = append(got, r.policies.MaxBody)
	}
	if diff := cmp.Diff([]int64{2, 1}, got); diff != "" {
		t.Error(diff)
	}
}
