package policy

import (
	"iter"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/stack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fields are a request's, of each name one.
type fields []wire.Field

func (f fields) Get(name string) string {
	for _, field := range f {
		if strings.EqualFold(field.Name, name) {
			return field.Value
		}
	}
	return ""
}

func (f fields) Has(name, value string) bool {
	return slices.ContainsFunc(f, func(x wire.Field) bool { return strings.EqualFold(x.Name, name) && x.Value == value })
}

func (f fields) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, field := range f {
			if strings.EqualFold(field.Name, name) && !yield(field.Value) {
				return
			}
		}
	}
}

// request is a head with the fields given in pairs.
func request(method string, pairs ...string) *wire.Head {
	var f fields
	for n := 0; n < len(pairs); n += 2 {
		f = append(f, wire.Field{Name: pairs[n], Value: pairs[n+1]})
	}
	return &wire.Head{Method: method, Host: "shop.localhost", Path: "/", Header: f, Client: netip.MustParseAddr("127.0.0.1")}
}

func compile(t testing.TB, p stack.Policies, o Options) *Policy {
	t.Helper()
	c, err := Compile(p, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// value is the field of an answer, "" for none; two of a name are an error but
// for Vary.
func value(t *testing.T, a *wire.Answer, name string) string {
	t.Helper()
	var found []string
	for _, f := range a.Header {
		if f.Name == name {
			found = append(found, f.Value)
		}
	}
	if len(found) > 1 {
		t.Errorf("%d fields %s", len(found), name)
	}
	return strings.Join(found, ", ")
}

// status is that of an answer, 0 for none.
func status(a *wire.Answer) int {
	if a == nil {
		return 0
	}
	return a.Status
}

func TestNothingToDo(t *testing.T) {
	for name, p := range map[string]stack.Policies{
		"zero":    {},
		"retries": {Retries: &stack.Retries{Attempts: 1}},
		"switched off": {
			RateLimit: &stack.RateLimit{}, CORS: &stack.CORS{}, JWT: &stack.JWT{}, Retries: &stack.Retries{},
			Compress: []string{}, BasicAuth: map[string]string{}, Timeout: -1, MaxBody: -1,
			RequestHeaders: stack.HeaderRules{Set: map[string]string{}},
		},
	} {
		if c := compile(t, p, Options{}); c != nil {
			t.Errorf("%s: got %+v, want nil", name, c)
		}
	}
	var none *Policy
	h, terms := request("GET", "Origin", "https://a.test"), wire.Terms{Timeout: time.Second}
	if n := testing.AllocsPerRun(100, func() {
		if none.Check(t.Context(), h) != nil {
			t.Error("a nil policy refused")
		}
		none.Terms(h, &terms)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if diff := cmp.Diff(wire.Terms{Timeout: time.Second}, terms); diff != "" {
		t.Errorf("a nil policy changed the terms (-want +got):\n%s", diff)
	}
}

func TestDoesNotCompile(t *testing.T) {
	for want, p := range map[string]stack.Policies{
		"cors: origin":       {CORS: &stack.CORS{Origins: []string{"example.com"}}},
		"with credentials":   {CORS: &stack.CORS{Origins: []string{"*"}, Credentials: true}},
		"has a colon":        {BasicAuth: map[string]string{"a:b": "c"}},
		"without a name":     {BasicAuth: map[string]string{"": "c"}},
		"by \"ip\"":          {RateLimit: &stack.RateLimit{Requests: 1, Per: 1, By: "ip"}},
		"no limit":           {RateLimit: &stack.RateLimit{Requests: 1}},
		"compile jwt: parse": {JWT: &stack.JWT{JWKS: "http://127.0.0.1:1:2/"}},
		"one Authorization": {
			BasicAuth: map[string]string{"a": "b"},
			JWT:       &stack.JWT{JWKS: "http://127.0.0.1/keys"},
		},
	} {
		if c, err := Compile(p, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v, %v", want, c, err)
		}
	}
}

func TestOrder(t *testing.T) {
	p := compile(t, stack.Policies{
		CORS:      &stack.CORS{Origins: []string{"https://a.test"}},
		BasicAuth: map[string]string{"anna": "secret"},
		MaxBody:   10,
		RateLimit: &stack.RateLimit{Requests: 1, Per: time.Hour, Burst: 1},
	}, Options{})
	const right = "Basic YW5uYTpzZWNyZXQ="
	for _, c := range []struct {
		name   string
		head   *wire.Head
		length int64
		want   int
	}{
		{"a preflight needs no password", request("OPTIONS", "Origin", "https://a.test", "Access-Control-Request-Method", "PUT"), 0, 204},
		{"no password, and too large", request("POST"), 11, 401},
		{"too large", request("POST", "Authorization", right), 11, 413},
		{"what was refused does not count", request("POST", "Authorization", right), 10, 0},
		{"too large, and too many", request("POST", "Authorization", right), 11, 413},
		{"too many", request("POST", "Authorization", right, "Origin", "https://a.test"), -1, 429},
	} {
		c.head.Length = c.length
		a := p.Check(t.Context(), c.head)
		if status(a) != c.want {
			t.Errorf("%s: got %d, want %d", c.name, status(a), c.want)
		}
		if a == nil || a.Status == 204 {
			continue
		}
		if a.Problem == nil || a.Problem.Status != a.Status || a.Problem.Title != http.StatusText(a.Status) || a.Problem.Detail == "" {
			t.Errorf("%s: the problem is %+v", c.name, a.Problem)
		}
		if got, want := value(t, a, "Access-Control-Allow-Origin"), c.head.Header.Get("Origin"); got != want {
			t.Errorf("%s: a page of %q may read it from %q", c.name, want, got)
		}
		if value(t, a, "Vary") != "Origin" {
			t.Errorf("%s: a cache would give it to all origins", c.name)
		}
	}
}

func TestTerms(t *testing.T) {
	p := compile(t, stack.Policies{
		Timeout: time.Minute, MaxBody: 5, Compress: []string{"zstd", "gzip"},
		CORS: &stack.CORS{Origins: []string{"https://a.test"}, Expose: []string{"X-Total", "Link"}, Credentials: true},
		RequestHeaders: stack.HeaderRules{
			Set: map[string]string{"X-B": "2", "X-A": "1"}, Add: map[string]string{"x-c": "3"}, Remove: []string{"Cookie", "X-A"},
		},
		ResponseHeaders: stack.HeaderRules{Remove: []string{"Server"}},
	}, Options{})
	want := wire.Terms{
		Timeout: time.Minute, MaxBody: 5, Compress: []string{"zstd", "gzip"},
		Request: &wire.Rules{
			Remove: []string{"Cookie", "X-A", "X-B"},
			Add:    []wire.Field{{Name: "X-A", Value: "1"}, {Name: "X-B", Value: "2"}, {Name: "x-c", Value: "3"}},
		},
		Response: &wire.Rules{
			Remove: []string{"Access-Control-Allow-Credentials", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Server"},
			Add:    []wire.Field{{Name: "Vary", Value: "Origin"}},
		},
		Late: []wire.Field{
			{Name: "Access-Control-Allow-Origin", Value: "https://a.test"},
			{Name: "Access-Control-Allow-Credentials", Value: "true"},
			{Name: "Access-Control-Expose-Headers", Value: "X-Total, Link"},
		},
	}
	var got, other wire.Terms
	p.Terms(request("GET", "origin", "https://a.test"), &got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	p.Terms(request("GET", "origin", "https://b.test"), &other)
	if other.Late != nil {
		t.Errorf("another origin got %v", other.Late)
	}
	if got.Request != other.Request || got.Response != other.Response {
		t.Error("rules were made anew")
	}

	h := request("GET", "Origin", "https://a.test")
	if n := testing.AllocsPerRun(100, func() {
		if p.Check(t.Context(), h) != nil {
			t.Error("refused")
		}
		got.Late = got.Late[:0]
		p.Terms(h, &got)
	}); n > 1 {
		t.Errorf("%v allocations, want that of the origin alone", n)
	}
}
