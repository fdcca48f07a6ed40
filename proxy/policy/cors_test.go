package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/stack"
)

func TestOrigins(t *testing.T) {
	for _, c := range []struct{ allowed, yes, no string }{
		{"*", "https://a.test null", ""},
		{"https://a.test", "https://a.test", "http://a.test https://a.test:8443 https://b.a.test https://a.test.evil null"},
		{"HTTPS://A.test:443", "https://a.test", "https://a.test:443"},
		{"http://localhost:5173", "http://localhost:5173", "http://localhost http://localhost:51731"},
		{"https://*.a.test", "https://b.a.test https://c.b.a.test", "https://a.test https://.a.test https://evila.test https://b.a.test:8443 https://evil/.a.test https://u:p@b.a.test"},
		{"http://*.a.test:8080", "http://b.a.test:8080", "http://b.a.test http://b.a.test:80"},
		{"null", "null", "https://a.test"},
	} {
		p := compile(t, stack.Policies{CORS: &stack.CORS{Origins: []string{c.allowed}}}, Options{})
		for _, origin := range strings.Fields(c.yes) {
			if !p.cors.allows(origin) {
				t.Errorf("%s does not allow %s", c.allowed, origin)
			}
		}
		for _, origin := range strings.Fields(c.no) {
			if p.cors.allows(origin) {
				t.Errorf("%s allows %s", c.allowed, origin)
			}
		}
	}
}

func TestPreflight(t *testing.T) {
	vary := wire.Field{Name: "Vary", Value: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
	ask := request("OPTIONS", "Origin", "https://a.test", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "content-type,x-a")
	for name, c := range map[string]struct {
		cors stack.CORS
		want []wire.Field
	}{
		"anything": {
			stack.CORS{Origins: []string{"*"}, Methods: []string{"GET", "*"}},
			[]wire.Field{
				vary,
				{Name: "Access-Control-Allow-Origin", Value: "*"},
				{Name: "Access-Control-Allow-Methods", Value: "PUT"},
				{Name: "Access-Control-Allow-Headers", Value: "content-type,x-a"},
			},
		},
		"lists, whatever was asked": {
			stack.CORS{
				Origins: []string{"https://a.test"}, Methods: []string{"GET", "POST"}, Headers: []string{"Content-Type", "X-B"},
				Credentials: true, MaxAge: 10 * time.Minute,
			},
			[]wire.Field{
				vary,
				{Name: "Access-Control-Allow-Origin", Value: "https://a.test"},
				{Name: "Access-Control-Allow-Credentials", Value: "true"},
				{Name: "Access-Control-Allow-Methods", Value: "GET, POST"},
				{Name: "Access-Control-Allow-Headers", Value: "Content-Type, X-B"},
				{Name: "Access-Control-Max-Age", Value: "600"},
			},
		},
	} {
		a := compile(t, stack.Policies{CORS: &c.cors}, Options{}).Check(t.Context(), ask)
		if status(a) != 204 || a.Problem != nil {
			t.Errorf("%s: got %+v", name, a)
			continue
		}
		if diff := cmp.Diff(c.want, a.Header); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func TestPreflightOfAStranger(t *testing.T) {
	p := compile(t, stack.Policies{CORS: &stack.CORS{Origins: []string{"https://a.test"}}}, Options{})
	a := p.Check(t.Context(), request("OPTIONS", "Origin", "https://b.test", "Access-Control-Request-Method", "PUT"))
	if status(a) != 403 || value(t, a, "Access-Control-Allow-Origin") != "" || !strings.Contains(a.Problem.Detail, "https://b.test") {
		t.Errorf("got %+v", a)
	}
}

func TestWhatIsNoPreflight(t *testing.T) {
	p := compile(t, stack.Policies{CORS: &stack.CORS{Origins: []string{"*"}}}, Options{})
	for name, h := range map[string]*wire.Head{
		"no method": request("OPTIONS", "Origin", "https://a.test"),
		"no origin": request("OPTIONS", "Access-Control-Request-Method", "PUT"),
		"a GET":     request("GET", "Origin", "https://a.test", "Access-Control-Request-Method", "PUT"),
	} {
		if a := p.Check(t.Context(), h); a != nil {
			t.Errorf("%s: got %+v", name, a)
		}
	}
}

// A cache that keeps the response to a request without an origin must be able
// to give it to a page.
func TestAnyOriginIsToldToAll(t *testing.T) {
	p := compile(t, stack.Policies{CORS: &stack.CORS{Origins: []string{"*"}}}, Options{})
	var got wire.Terms
	p.Terms(request("GET"), &got)
	if diff := cmp.Diff([]wire.Field{{Name: "Access-Control-Allow-Origin", Value: "*"}}, got.Late); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(got.Response.Add) != 0 {
		t.Errorf("varies: %v", got.Response.Add)
	}
}
