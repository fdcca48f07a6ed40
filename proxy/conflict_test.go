package proxy

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/msctl/msctl/stack"
)

func TestConflicts(t *testing.T) {
	type values = map[string]string
	cors := stack.Policies{CORS: &stack.CORS{Origins: []string{"*"}}}
	for _, c := range []struct {
		first, second stack.Route
		want          string // the one that is never used, of which; "" none
	}{
		{stack.Route{Path: "/a"}, stack.Route{Path: "/b"}, ""},
		{stack.Route{Path: "/a"}, stack.Route{Path: "/%61/"}, "/%61 by /a"},
		{stack.Route{Path: "/a"}, stack.Route{Path: "/a", Exact: true}, ""},
		{stack.Route{Path: "/a", Exact: true}, stack.Route{Path: "/a"}, ""},
		{stack.Route{Path: "/a", Host: "X.localhost."}, stack.Route{Path: "/a", Host: "x.localhost"}, "x.localhost/a by x.localhost/a"},
		{stack.Route{Path: "/a", Host: "*.localhost"}, stack.Route{Path: "/a", Host: "x.localhost"}, ""},
		{stack.Route{Path: "/a", Methods: []string{"GET"}}, stack.Route{Path: "/a", Methods: []string{"HEAD"}}, "HEAD /a by GET /a"},
		{stack.Route{Path: "/a", Methods: []string{"GET"}}, stack.Route{Path: "/a", Methods: []string{"GET", "PUT"}}, ""},
		{stack.Route{Path: "/a"}, stack.Route{Path: "/a", Methods: []string{"GET"}}, ""}, // which goes first
		{stack.Route{Path: "/a", Methods: []string{"PUT"}}, stack.Route{Path: "/a", Methods: []string{"PUT"}, Policies: cors}, ""},
		{stack.Route{Path: "/a", Methods: []string{"PUT"}, Policies: cors}, stack.Route{Path: "/a", Methods: []string{"PUT"}}, "PUT /a by PUT /a"},
		{stack.Route{Path: "/a", Headers: values{"A": "*"}}, stack.Route{Path: "/a", Headers: values{"a": "1"}}, "/a [a: 1] by /a [A: *]"},
		{stack.Route{Path: "/a", Headers: values{"A": "1"}}, stack.Route{Path: "/a", Headers: values{"A": "*"}}, ""},
		{stack.Route{Path: "/a", Headers: values{"A": "1"}}, stack.Route{Path: "/a", Query: values{"A": "1"}}, ""},
		{stack.Route{Path: "/a", Query: values{"a": "*"}}, stack.Route{Path: "/a", Query: values{"a": "1"}}, "/a [?a=1] by /a [?a=*]"},
		{stack.Route{Path: "/a", Query: values{"a": "1"}}, stack.Route{Path: "/a", Query: values{"A": "1"}}, ""},
		{stack.Route{Regexp: "/a.*"}, stack.Route{Regexp: "/a.*"}, "/a.* (regexp) by /a.* (regexp)"},
		{stack.Route{Regexp: "/a+"}, stack.Route{Regexp: "/a.*"}, ""},
		{stack.Route{Regexp: "/a.*"}, stack.Route{Regexp: "/a+"}, "/a+ (regexp) by /a.* (regexp)"},
		{stack.Route{Regexp: "/a.*"}, stack.Route{Path: "/a"}, "/a by /a.* (regexp)"},
		{stack.Route{Regexp: "^/a(.*)$"}, stack.Route{Path: "/%61b/c"}, "/%61b/c by ^/a(.*)$ (regexp)"},
		{stack.Route{Regexp: ".*"}, stack.Route{Path: "/"}, "/ by .* (regexp)"},
		{stack.Route{Regexp: "/(.*)"}, stack.Route{Path: "/"}, "/ by /(.*) (regexp)"},
		{stack.Route{Regexp: "/a/.*"}, stack.Route{Path: "/a"}, ""}, // which takes /a
		{stack.Route{Regexp: "/a.+"}, stack.Route{Path: "/a"}, ""},
		{stack.Route{Regexp: "/a:.*"}, stack.Route{Path: "/a:"}, ""}, // which takes /a%3A
		{stack.Route{Regexp: ".*"}, stack.Route{Path: "/a", Exact: true}, ""},
		{stack.Route{Regexp: "/a.*", Methods: []string{"GET"}}, stack.Route{Path: "/a"}, ""},
		{stack.Route{Regexp: "/a"}, stack.Route{Path: "/a"}, ""},
		{stack.Route{Path: "/a", Redirect: &stack.Redirect{To: "/b"}}, stack.Route{Path: "/a"}, "/a by /a"},
	} {
		c.first.To, c.first.Pos = "api", stack.Pos{File: "stack.yaml", Line: 1, Col: 2}
		c.second.To, c.second.Pos = "web", stack.Pos{File: "stack.yaml", Line: 3, Col: 4}
		st := &stack.Stack{Services: []stack.Service{service("api"), service("web")}}
		st.Gateway.Routes = []stack.Route{c.first, c.second}
		var got, want []string
		for _, x := range Conflicts(st) {
			got = append(got, fmt.Sprintf("%s by %s (%s, %s)", x.Route, x.By, x.Pos, x.ByPos))
		}
		if c.want != "" {
			want = append(want, c.want+" (stack.yaml:3:4, stack.yaml:1:2)")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v, %+v: %s", c.first, c.second, diff)
		}
	}
}

func TestTakingAServicesHostIsNoConflict(t *testing.T) {
	st := &stack.Stack{Services: []stack.Service{service("api"), service("web")}}
	st.Gateway.Routes = []stack.Route{{Host: "api.localhost", Path: "/", To: "web", Pos: stack.Pos{Line: 1}}}
	if got := Conflicts(st); got != nil {
		t.Errorf("%+v", got)
	}
}
