package admin

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// token is what the page at url has.
func token(t *testing.T, url string) string {
	t.Helper()
	found := regexp.MustCompile(`name="msctl-token" content="([A-Z0-9]{20,})"`).FindStringSubmatch(ask(t, "GET", url+"/_msctl/docs", "").body)
	if found == nil {
		t.Fatal("the page has no token")
	}
	return found[1]
}

func TestTry(t *testing.T) {
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("ä", maxResponse))
		case "/binary":
			_, _ = w.Write([]byte{0xff, 0xfe})
		case "/moved":
			http.Redirect(w, r, "http://evil.com/", http.StatusFound)
		case "/gone":
			panic(http.ErrAbortHandler)
		default:
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s%s %s %s", r.Method, r.Host, r.RequestURI, r.Header.Get("X-A"), body)
		}
	}))
	defer front.Close()
	g := &gateway{view: View{Front: front.URL}}
	url := serve(t, g)
	page := token(t, url)
	host := strings.TrimPrefix(front.URL, "http://")
	for _, c := range []struct {
		attempt string
		status  int // of the answer to the page
		has     string
	}{
		{`{"method": "PUT", "path": "/a%2Fb?c=d", "headers": {"x-a": "1"}, "body": "e"}`, 200, "PUT " + host + "/a%2Fb?c=d 1 e"},
		{`{"method": "GET", "path": "/", "headers": {"host": "orders.localhost:80"}}`, 200, "GET orders.localhost:80/"},
		{`{"method": "GET", "path": "//evil.com/x"}`, 200, "GET " + host + "//evil.com/x"},
		{`{"method": "GET", "path": "/long"}`, 200, `"incomplete":"cut after 1 MiB"`},
		{`{"method": "GET", "path": "/binary"}`, 200, `"body":"","bytes":2,"binary":true`},
		{`{"method": "GET", "path": "/moved"}`, 200, `"status":"302 Found"`},
		{`{"method": "GET", "path": "/gone"}`, 502, "the front door at " + front.URL},
		{`{"method": "GET", "path": "@evil.com/"}`, 400, "no request to try"},
		{`{"method": "GET", "path": ".evil.com/"}`, 400, "no request to try"},
		{`{"method": "GET", "path": "/", "headers": {"Host": "evil.com/x?"}}`, 400, "no request to try"},
		{`{"method": "CONNECT", "path": "/"}`, 400, "no request to try"},
		{`{"method": "A B", "path": "/"}`, 400, "invalid method"},
		{`{"method": "GET", "path": "/", "headers": {"Connection": "upgrade"}}`, 400, "not yours to set"},
		{`{"method": "GET", "path": "/", "headers": {"X-A": "b\r\nX-C: d"}}`, 502, "invalid header field"},
		{`{"url": "http://evil.com/"}`, 400, "unknown field"},
		{`{`, 400, "read the request to try"},
		{`{"body": "` + strings.Repeat("x", maxTry) + `"}`, 413, "too large"},
	} {
		got := ask(t, "POST", url+tryPath, c.attempt, tokenHeader, page, "Origin", url)
		if got.status != c.status || !strings.Contains(got.body, c.has) || !json.Valid([]byte(got.body)) {
			t.Errorf("%.80s: got %d %.300s", c.attempt, got.status, got.body)
		}
	}
	g.view.Front = ""
	if got := ask(t, "POST", url+tryPath, `{"method": "GET", "path": "/"}`, tokenHeader, page); got.status != 400 || !strings.Contains(got.body, "the front door is off") {
		t.Errorf("without a front door: %+v", got)
	}
}

func TestTryIsThePagesAlone(t *testing.T) {
	front := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer front.Close()
	url := serve(t, &gateway{view: View{Front: front.URL}})
	page := token(t, url)
	const get = `{"method": "GET", "path": "/"}`
	for _, c := range []struct {
		method string
		header []string
		status int
	}{
		{"POST", []string{tokenHeader, page}, 200},
		{"POST", []string{tokenHeader, page, "Origin", url, "Sec-Fetch-Site", "same-origin"}, 200},
		{"POST", nil, 403},
		{"POST", []string{tokenHeader, "A" + page[1:] + "x"}, 403},
		{"POST", []string{tokenHeader, page, "Origin", "http://localhost:3000"}, 403},
		{"POST", []string{tokenHeader, page, "Origin", "http://evil.com"}, 403},
		{"POST", []string{tokenHeader, page, "Host", "evil.com"}, 403},
		{"POST", []string{tokenHeader, page, "Sec-Fetch-Site", "cross-site"}, 403},
		{"GET", []string{tokenHeader, page}, 405},
		{"OPTIONS", []string{"Origin", "http://localhost:3000", "Access-Control-Request-Method", "POST"}, 405},
	} {
		got := ask(t, c.method, url+tryPath, get, c.header...)
		if got.status != c.status || got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %q: got %d %s", c.method, c.header, got.status, got.body)
		}
	}
}

// The certificate is that of the host that is asked for, wherever the front
// door is.
func TestTryTrustsTheFrontDoor(t *testing.T) {
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail
	front.StartTLS()
	defer front.Close()
	trust := front.Client().Transport.(*http.Transport).TLSClientConfig
	for host, ok := range map[string]bool{"example.com": true, "orders.localhost": false} {
		a := attempt{Method: "GET", Path: "/", Headers: map[string]string{"Host": host}}
		for _, config := range []*tls.Config{trust, nil} {
			req, err := a.request(t.Context(), front.URL)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := do(req, front.URL, config); (err == nil) != (ok && config != nil) {
				t.Errorf("%s, trusted: %t: %v", host, config != nil, err)
			}
		}
	}
}

func TestWhole(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "a", "aä": "aä", "a\xc3": "a", "a\xf0\x9f\x98": "a", "a\xf0\x9f\x98\x80": "a\xf0\x9f\x98\x80", "\xff\x80": "\xff\x80"} {
		if got := whole([]byte(in)); string(got) != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
}
