package stack

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestPoliciesOfARoute shows which policies a route has over its gateway's.
// Each is compared with and without its key, so that one that is not
// inherited, or not switched off, is seen.
func TestPoliciesOfARoute(t *testing.T) {
	for _, c := range []struct {
		gateway, route string
		want           Policies
	}{
		{"", "", Policies{}},
		{"timeout: 1s", "", Policies{Timeout: time.Second}},
		{"timeout: 1s", "timeout: 2s", Policies{Timeout: 2 * time.Second}},
		{"timeout: 1s", "timeout: 0", Policies{}},
		{"timeout: 1s", "timeout: off", Policies{}},
		{"timeout: 1s", "compress: gzip", Policies{Timeout: time.Second, Compress: []string{"gzip"}}},
		{"timeout: 0", "", Policies{}},
		{"max_body: 1k", "", Policies{MaxBody: 1024}},
		{"max_body: 1k", "max_body: 0", Policies{}},
		{"retries: 2", "", Policies{Retries: &Retries{Attempts: 2, On: DefaultRetryOn()}}},
		{"retries: {on: 5xx}", "", Policies{Retries: &Retries{Attempts: 1, On: []string{"5xx"}}}},
		{"retries: 2", "retries: off", Policies{Retries: &Retries{}}}, // nil would take the service's
		{"retries: 2", "retries: {attempts: 0}", Policies{Retries: &Retries{}}},
		{"rate_limit: 10/s", "", Policies{RateLimit: &RateLimit{Requests: 10, Per: time.Second, Burst: 10}}},
		{"rate_limit: 90/m", "", Policies{RateLimit: &RateLimit{Requests: 90, Per: time.Minute, Burst: 1}}},
		{"rate_limit: 2147483647/1ns", "", Policies{RateLimit: &RateLimit{Requests: 1<<31 - 1, Per: 1, Burst: 1<<31 - 1}}},
		{"rate_limit: 10/s", "rate_limit: {rate: 1/h, burst: 7, by: client}", Policies{RateLimit: &RateLimit{Requests: 1, Per: time.Hour, Burst: 7, By: "client"}}},
		{"rate_limit: 10/s", "rate_limit: off", Policies{}},
		{"cors: true", "", Policies{CORS: &CORS{Origins: []string{"*"}, Methods: defaultCORSMethods(), Headers: []string{"*"}, MaxAge: DefaultCORSMaxAge}}},
		{"cors: true", "cors: {origins: http://A.example, methods: get, headers: [], max_age: 0}", Policies{CORS: &CORS{Origins: []string{"http://a.example"}, Methods: []string{"GET"}}}},
		{"", "cors: '*'", Policies{CORS: &CORS{Origins: []string{"*"}, Methods: defaultCORSMethods(), Headers: []string{"*"}, MaxAge: DefaultCORSMaxAge}}},
		{"cors: true", "cors: off", Policies{}},
		{"cors: true", "cors: []", Policies{}},
		{"compress: true", "", Policies{Compress: []string{"zstd", "gzip"}}},
		{"compress: true", "compress: [gzip]", Policies{Compress: []string{"gzip"}}},
		{"compress: true", "compress: false", Policies{}},
		{"compress: true", "compress: []", Policies{}},
		{"basic_auth: {a: b}", "", Policies{BasicAuth: map[string]string{"a": "b"}}},
		{"basic_auth: {a: b}", "basic_auth: {c: d}", Policies{BasicAuth: map[string]string{"c": "d"}}},
		{"basic_auth: {a: b}", "basic_auth: off", Policies{}},
		{"jwt: {jwks: http://127.0.0.1/}", "", Policies{JWT: &JWT{JWKS: "http://127.0.0.1/"}}},
		{"jwt: {jwks: http://127.0.0.1/}", "jwt: false", Policies{}},
		{"request_headers: {remove: A}", "", Policies{RequestHeaders: HeaderRules{Remove: []string{"A"}}}},
		{"request_headers: {remove: A}", "request_headers: {set: {B: c}}", Policies{RequestHeaders: HeaderRules{Set: map[string]string{"B": "c"}}}},
		{"request_headers: {remove: A}", "request_headers: {}", Policies{}},
		{"response_headers: {add: {A: b}}", "", Policies{ResponseHeaders: HeaderRules{Add: map[string]string{"A": "b"}}}},
		{"response_headers: {add: {A: b}}", "response_headers: off", Policies{}},
	} {
		s := load(t, "gateway:\n  "+c.gateway+"\n  routes:\n    - to: web\n      "+c.route+"\nservices: {web: {command: x}}")
		over := s.Gateway.Routes[0].Policies.Over(s.Gateway.Policies)
		if diff := cmp.Diff(c.want, over, equateEmptyCORS); diff != "" {
			t.Errorf("%q over %q (-want +got):\n%s", c.route, c.gateway, diff)
		}
		if diff := cmp.Diff(over, over.Over(Policies{})); diff != "" {
			t.Errorf("%q over %q over nothing is something else (-once +twice):\n%s", c.route, c.gateway, diff)
		}
	}
}

// Within CORS, nil and empty lists are the same.
var equateEmptyCORS = cmp.FilterPath(func(p cmp.Path) bool {
	return strings.Contains(p.GoString(), ".CORS.")
}, cmpopts.EquateEmpty())

// What is switched off is not nil, and stays so when it is written and read;
// in either format.
func TestWhatIsSwitchedOffIsWritten(t *testing.T) {
	s, err := Load(Options{Dir: filepath.Join("testdata", "valid"), File: "gateway.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	for name, marshal := range map[string]func() ([]byte, error){"yaml": s.YAML, "json": s.JSON} {
		out, err := marshal()
		if err != nil {
			t.Fatal(err)
		}
		again := load(t, string(out))
		ignored := cmpopts.IgnoreTypes(Pos{})
		if diff := cmp.Diff(s.Gateway.Policies, again.Gateway.Policies, ignored, equateEmptyCORS, equateEmptyRules); diff != "" {
			t.Errorf("%s: the gateway's policies (-first +again):\n%s", name, diff)
		}
		if diff := cmp.Diff(s.Gateway.Routes, again.Gateway.Routes, ignored, equateEmptyCORS, equateEmptyRules); diff != "" {
			t.Errorf("%s: routes (-first +again):\n%s", name, diff)
		}
	}
}

// Rules without entries are the same whichever of their maps says so.
var equateEmptyRules = cmp.Comparer(func(a, b HeaderRules) bool {
	return a.named() == b.named() && cmp.Equal(a.Set, b.Set, cmpopts.EquateEmpty()) &&
		cmp.Equal(a.Add, b.Add, cmpopts.EquateEmpty()) && cmp.Equal(a.Remove, b.Remove, cmpopts.EquateEmpty())
})

func TestHowAServiceIsReached(t *testing.T) {
	type reach struct {
		Balance  Balance
		Ejection Ejection
		Retries  *Retries
		Max      int
		Connect  time.Duration
	}
	calm := Ejection{DefaultEjectionErrors, DefaultEjectionTime}
	least := Balance{Policy: LeastRequest}
	for text, want := range map[string]reach{
		"":                     {least, calm, nil, DefaultMaxRequests, DefaultConnectTimeout},
		", balance: ring_hash": {Balance{Policy: RingHash, By: "client"}, calm, nil, DefaultMaxRequests, DefaultConnectTimeout},
		", balance: {policy: maglev, by: 'header:X-A'}":      {Balance{Policy: Maglev, By: "header:X-A"}, calm, nil, DefaultMaxRequests, DefaultConnectTimeout},
		", balance: {slow_start: 1s}":                        {Balance{Policy: LeastRequest, SlowStart: time.Second}, calm, nil, DefaultMaxRequests, DefaultConnectTimeout},
		", ejection: off":                                    {least, Ejection{}, nil, DefaultMaxRequests, DefaultConnectTimeout},
		", ejection: {errors: 2, time: 1m}":                  {least, Ejection{2, time.Minute}, nil, DefaultMaxRequests, DefaultConnectTimeout},
		", retries: 0":                                       {least, calm, &Retries{}, DefaultMaxRequests, DefaultConnectTimeout},
		", retries: 3, max_requests: 1, connect_timeout: 1s": {least, calm, &Retries{Attempts: 3, On: DefaultRetryOn()}, 1, time.Second},
	} {
		s := load(t, "services: {web: {command: x"+text+"}}")
		web, _ := s.Service("web")
		if diff := cmp.Diff(want, reach{web.Balance, web.Ejection, web.Retries, web.MaxRequests, web.ConnectTimeout}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// An included file's policies are those of its own routes. Losing them would
// open doors.
func TestPoliciesOfAnIncludedFile(t *testing.T) {
	s, err := Load(Options{File: write(t, map[string]string{
		FileName: "include: sub\ngateway: {max_body: 1k, timeout: 9s, routes: [{path: /main, to: web}]}\nservices: {web: {command: x, route: /web}}",
		"sub/stack.yaml": "gateway: {listen: 127.0.0.1:1, basic_auth: {a: b}, timeout: 1s, routes: [{path: /sub, to: sub}, {path: /open, to: sub, basic_auth: off}]}\n" +
			"services: {sub: {command: x, route: /own}}",
	})})
	if err != nil {
		t.Fatal(err)
	}
	locked := Policies{Timeout: time.Second, MaxBody: 1024, BasicAuth: map[string]string{"a": "b"}}
	open := Policies{Timeout: time.Second, MaxBody: 1024}
	unlocked := Policies{Timeout: 9 * time.Second, MaxBody: 1024}
	want := map[string]Policies{"/main": unlocked, "/web": unlocked, "/sub": locked, "/own": locked, "/open": open}
	got := map[string]Policies{}
	for _, r := range append(s.Services[0].Routes, append(s.Services[1].Routes, s.Gateway.Routes...)...) {
		got[r.Path] = r.Policies.Over(s.Gateway.Policies)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
}

func TestTheFrontDoor(t *testing.T) {
	for text, want := range map[string]Gateway{
		"gateway: {tls: true}":                  {Listen: DefaultListen, TLS: &TLS{}},
		"gateway: {tls: {}}":                    {Listen: DefaultListen, TLS: &TLS{}},
		"gateway: {tls: false, admin: off}":     {Listen: DefaultListen, Admin: "off"},
		"gateway: {trust: '::ffff:10.0.0.1'}":   {Listen: DefaultListen, Trust: []string{"10.0.0.1/32"}},
		"gateway: {admin: 127.0.0.1:1}":         {Listen: DefaultListen, Admin: "127.0.0.1:1"},
		"gateway: false":                        {},
		"gateway: {routes: [{path: /, to: a}]}": {Listen: DefaultListen, Routes: []Route{{Path: "/", To: "a"}}},
		"gateway: {routes: [{regexp: /, redirect: /a}]}": {Listen: DefaultListen, Routes: []Route{
			{Regexp: "/", Redirect: &Redirect{To: "/a", Status: DefaultRedirectStatus}},
		}},
	} {
		s := load(t, text+"\nservices: {a: {command: x}}")
		if diff := cmp.Diff(want, s.Gateway, cmpopts.IgnoreTypes(Pos{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// What a variable holds may be known to those alone who can read the
// environment.
func TestSecretsAreNotShown(t *testing.T) {
	for _, keys := range []string{
		"basic_auth: {anna: '${SECRET}'}",
		"basic_auth: {anna: 'a-${SECRET}'}",
		"basic_auth: $SECRET",
		"jwt: ${SECRET}",
		"jwt: {jwks: '${SECRET}'}",
		"request_headers: {set: {Authorization: 'Bearer ${SECRET}'}}",
		"response_headers: {add: {X-A: '${SECRET}'}}",
		"request_headers: ${SECRET}",
		"routes: [{path: /a, to: web, headers: {X-Api-Key: '${SECRET}'}}]",
		"routes: [{path: /a, to: web, basic_auth: {anna: '${SECRET}'}}]",
	} {
		_, err := Load(Options{
			File:    write(t, map[string]string{FileName: "gateway:\n  " + keys + "\nservices: {web: {command: x}}"}),
			Environ: []string{"SECRET=ftp://hunter2\n"},
		})
		var all Errors
		if !errors.As(err, &all) {
			t.Fatalf("%s: want Errors, got %v", keys, err)
		}
		var out strings.Builder
		all.Format(&out)
		if said := out.String(); strings.Contains(said, "hunter2") || !strings.Contains(all.Error(), "SECRET") {
			t.Errorf("%s: %s", keys, said)
		}
	}
}
