package admin

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/msctl/msctl/proxy/wire"
)

func TestGuard(t *testing.T) {
	for _, c := range []struct {
		method, host, origin, site string
		status                     int
	}{
		{host: "127.0.0.1:9901", status: 200},
		{host: "127.8.0.1", status: 200},
		{host: "localhost", status: 200},
		{host: "LocalHost:80", status: 200},
		{host: "shop.localhost:9901", status: 200},
		{host: "a.b.localhost", status: 200},
		{host: "[::1]:9901", status: 200},
		{host: "[::1]", status: 200},
		{method: "HEAD", host: "localhost", status: 200},

		{host: "", status: 403},
		{host: "evil.com", status: 403},
		{host: "127.0.0.1.evil.com", status: 403},
		{host: "127.0.0.1.nip.io:9901", status: 403},
		{host: "localhost.evil.com", status: 403},
		{host: "evillocalhost", status: 403},
		{host: ".localhost", status: 403},
		{host: "2130706433", status: 403},
		{host: "0x7f000001", status: 403},
		{host: "0177.0.0.1", status: 403},
		{host: "127.1", status: 403},
		{host: "0.0.0.0:9901", status: 403},
		{host: "192.168.1.5:9901", status: 403},
		{host: "[::]:9901", status: 403},
		{host: "::1", status: 403},
		{host: "[127.0.0.1]", status: 403},
		{host: "[::ffff:127.0.0.1]", status: 403},
		{host: "[::1%25lo]", status: 403},
		{host: "localhost@evil.com", status: 403},
		{host: "evil.com@localhost", status: 403},
		{host: "localhost/x", status: 403},
		{host: "localhost#x", status: 403},
		{host: "localhost:80:80", status: 403},
		{host: "127.0.0.1%2eevil.com", status: 403},

		{host: "localhost", origin: "http://localhost:3000", status: 200},
		{host: "localhost", origin: "https://shop.localhost", status: 200},
		{host: "localhost", origin: "http://[::1]:3000", status: 200},
		{host: "localhost", origin: "null", status: 403},
		{host: "localhost", origin: "http://evil.com", status: 403},
		{host: "localhost", origin: "http://localhost.evil.com", status: 403},
		{host: "localhost", origin: "http://localhost@evil.com", status: 403},
		{host: "localhost", origin: "http://evil.com#localhost", status: 403},
		{host: "localhost", origin: "file://localhost", status: 403},
		{host: "localhost", origin: "chrome-extension://localhost", status: 403},

		{host: "localhost", site: "same-origin", status: 200},
		{host: "localhost", site: "none", status: 200},
		{host: "localhost", site: "cross-site", status: 403},

		{method: "POST", host: "localhost", status: 405},
		{method: "OPTIONS", host: "localhost", origin: "http://localhost:3000", status: 405},
		{method: "DELETE", host: "localhost", status: 405},
		{method: "POST", host: "evil.com", status: 403},
	} {
		reached := false
		r := httptest.NewRequest("GET", root+"routes", http.NoBody)
		r.Method, r.Host = cmp.Or(c.method, "GET"), c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		w := httptest.NewRecorder()
		guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })).ServeHTTP(w, r)
		if w.Code != c.status || reached != (c.status == 200) {
			t.Errorf("%+v: got %d", c, w.Code)
		}
		if !reached && (w.Header().Get("Content-Type") != wire.ProblemType || !strings.Contains(w.Body.String(), `"detail"`)) {
			t.Errorf("%+v: refused with %s", c, w.Body)
		}
		if allowed := w.Header().Get("Allow"); (allowed != "") != (c.status == 405) {
			t.Errorf("%+v: Allow %q", c, allowed)
		}
	}
}
