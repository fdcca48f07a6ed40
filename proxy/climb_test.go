package proxy

import (
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/msctl/msctl/stack"
)

func TestPathsThatClimbAreRefused(t *testing.T) {
	w := serving(t, func(http.ResponseWriter, *http.Request) { t.Error("it was passed on") },
		stack.Route{Path: "/public", To: "api"}, stack.Route{Path: "/public/admin", To: "api"})
	for _, p := range []string{
		"/public/../admin", "/public/./admin", "/..", "/public/..", "/.", "/public/%2e%2E/admin", "/public/.%2e/x", "/public/..%2fadmin",
		"/public%2F..%2Fadmin", "/public/..\\admin", "/public/%2e",
	} {
		res, body := raw(t, w.Addr(), "GET "+p+" HTTP/1.1\r\nHost: api.localhost\r\nConnection: close\r\n\r\n")
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s %s", p, res.Status, body)
		}
	}
}

func FuzzClimbs(f *testing.F) {
	for _, p := range []string{"/a/../b", "/a/./", "/..a/b..", "/...", "/", "", "/%2e%2e/x", "/a%2f..", "/%", "/%2"} {
		f.Add(p)
	}
	decode := strings.NewReplacer("%2e", ".", "%2E", ".", "%2f", "/", "%2F", "/", "%5c", "/", "%5C", "/", `\`, "/")
	f.Fuzz(func(t *testing.T, p string) {
		plain := "/" + decode.Replace(p)
		clean := path.Clean(plain)
		// What path.Clean takes away besides: double slashes, one at the end.
		same := func(s string) string {
			for strings.Contains(s, "//") {
				s = strings.ReplaceAll(s, "//", "/")
			}
			return strings.TrimSuffix(s, "/")
		}
		if got, want := climbs("/"+p), same(plain) != same(clean); got != want {
			t.Errorf("climbs(%q) = %v, want %v", "/"+p, got, want)
		}
	})
}
