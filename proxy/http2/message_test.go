package http2

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"sort"
	"strings"
	"testing"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/proxy/wire/wiretest"
)

// tell answers with what was asked.
func tell(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Host, r.RequestURI, b)
}

func TestRequestsPass(t *testing.T) {
	for name, h2c := range services() {
		t.Run(name, func(t *testing.T) {
			l := serve(t, &wiretest.Door{Terms: wire.Terms{H2C: h2c}}, upstream(t, h2c, tell))
			for _, c := range []struct{ method, path, body string }{
				{"GET", "/", ""},
				{"GET", "/a%2fb//c?q=%zz&x;y", ""},
				{"GET", "//two", ""},
				{"GET", "/bare?", ""},
				{"POST", "/", "said"},
				{"PUT", "/", strings.Repeat("long", 64<<10)},
				{"DELETE", "/", ""},
				{"M-SEARCH", "/", ""},
			} {
				r := l.request(c.method, "", strings.NewReader(c.body))
				r.URL.Opaque = c.path
				if strings.HasPrefix(c.path, "//") {
					r.URL.Opaque, r.URL.Path = "", c.path
				}
				res, body := l.do(r)
				want := c.method + " shop.localhost:1234 " + c.path + " " + c.body
				if res.StatusCode != 200 || body != want {
					t.Errorf("%s %s: %d %.200q", c.method, c.path, res.StatusCode, body)
				}
				o := l.outcome()
				if o.Status != 200 || o.Sent != int64(len(want)) || o.Received != int64(len(c.body)) || o.Err != nil ||
					o.Proto != "HTTP/2.0" || o.FirstByte <= 0 || o.FirstByte > o.Total || o.Began.IsZero() {
					t.Errorf("%s %s: %+v", c.method, c.path, o)
				}
			}
		})
	}
}

func TestHeadAndEmptyAnswersPass(t *testing.T) {
	for name, h2c := range services() {
		t.Run(name, func(t *testing.T) {
			l := serve(t, &wiretest.Door{Terms: wire.Terms{H2C: h2c}}, upstream(t, h2c, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/204":
					w.WriteHeader(204)
				case "/304":
					w.Header().Set("ETag", `"x"`)
					w.WriteHeader(304)
				default:
					w.Header().Set("Content-Length", "7")
					_, _ = io.WriteString(w, "content")
				}
			}))
			for _, c := range []struct {
				method, path string
				status       int
				length       int64
			}{{"HEAD", "/", 200, 7}, {"GET", "/204", 204, 0}, {"GET", "/304", 304, 0}} {
				res, body := l.do(l.request(c.method, c.path, nil))
				if res.StatusCode != c.status || body != "" || res.ContentLength != c.length && c.length != 0 {
					t.Errorf("%s %s: %d, %d bytes, %q", c.method, c.path, res.StatusCode, res.ContentLength, body)
				}
				if ct, ok := res.Header["Content-Type"]; ok && c.status != 200 {
					t.Errorf("%s %s: a Content-Type was made up: %s", c.method, c.path, ct)
				}
			}
		})
	}
}

func TestOptionsOfTheServerItself(t *testing.T) {
	heads := make(chan string, 1)
	l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		heads <- head(t, r)
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\nAllow: GET\r\n\r\n")
	}))
	r := l.request("OPTIONS", "", nil)
	r.URL.Opaque = "*"
	res, _ := l.do(r)
	if h := within(t, "the request", heads); !strings.HasPrefix(h, "OPTIONS * HTTP/1.1\r\nHost: shop.localhost:1234\r\n") || res.Header.Get("Allow") != "GET" {
		t.Errorf("%q", h)
	}
}

func TestTwoCredentialsAreRefused(t *testing.T) {
	l := serve(t, &wiretest.Door{}, scripted(t, func(int, net.Conn, *bufio.Reader) { t.Error("the request has passed") }))
	r := l.request("GET", "/", nil)
	r.Header["Authorization"] = []string{"Bearer a", "Bearer b"}
	if res, _ := l.do(r); res.StatusCode != http.StatusBadRequest {
		t.Errorf("got %s", res.Status)
	}
}

func TestHeadersAreMadeAnew(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	added := &wire.Rules{Remove: []string{"x-gone"}, Add: []wire.Field{{Name: "X-Added", Value: "1"}}}
	sent := http.Header{
		"X-Forwarded-For": {"10.0.0.9"}, "X-Forwarded-Host": {"evil"}, "Forwarded": {"for=evil"}, "X-Real-Ip": {"10.0.0.9"},
		"Traceparent": {"00-1"}, "Tracestate": {"a=b"}, "X-Gone": {"1"}, "X-Late": {"no"}, "X-Kept": {"1", "2"}, "Te": {"trailers"},
		"User-Agent": {"test"}, "Cookie": {"a=1; b=2"}, "Proxy-Authorization": {"secret"},
	}
	anew := http.Header{
		"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}, "Forwarded": {`for=127.0.0.1;host="shop.localhost:1234";proto=http`},
		"X-Forwarded-Host": {"shop.localhost:1234"}, "Tracestate": {"a=b"}, "X-Gone": {"1"}, "X-Late": {"no"}, "X-Kept": {"1", "2"}, "Te": {"trailers"},
		"User-Agent": {"test"}, "Cookie": {"a=1; b=2"},
	}
	for _, c := range []struct {
		name  string
		terms wire.Terms
		want  map[string][]string // beside anew; nil for none
	}{
		{"of an edge", wire.Terms{}, nil},
		{"from outside", wire.Terms{Outside: true, NewTrace: true, Prefix: "/api"}, map[string][]string{
			"X-Request-Id": {parent[3:35]}, "Traceparent": {parent}, "Tracestate": nil, "X-Forwarded-Prefix": {"/api"},
		}},
		{"trusted", wire.Terms{Trusted: true}, map[string][]string{
			"X-Forwarded-For": {"10.0.0.9", "127.0.0.1"}, "X-Forwarded-Host": {"evil"}, "X-Real-Ip": {"10.0.0.9"},
			"Forwarded": {"for=evil", `for=127.0.0.1;host="shop.localhost:1234";proto=http`},
		}},
		{"with rules", wire.Terms{Request: added, LateRequest: []wire.Field{{Name: "x-late", Value: "yes"}}}, map[string][]string{
			"X-Gone": nil, "X-Added": {"1"}, "X-Late": {"yes"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, h2c := range services() {
				t.Run(name, func(t *testing.T) {
					d := &wiretest.Door{Terms: c.terms}
					d.Terms.H2C = h2c
					if c.want["Traceparent"] != nil {
						copy(d.Terms.Traceparent[:], parent)
					}
					l := serve(t, d, upstream(t, h2c, func(w http.ResponseWriter, r *http.Request) { _ = json.NewEncoder(w).Encode(r.Header) }))
					r := l.request("GET", "/", nil)
					r.Header = sent.Clone()
					_, body := l.do(r)
					var got http.Header
					if err := json.Unmarshal([]byte(body), &got); err != nil {
						t.Fatal(err)
					}
					want := anew.Clone()
					for name, v := range c.want {
						if want[name] = v; v == nil {
							delete(want, name)
						}
					}
					if !reflect.DeepEqual(got, want) {
						t.Errorf("got  %s\nwant %s", lines(got), lines(want))
					}
				})
			}
		})
	}
}

func lines(h http.Header) string {
	var out []string
	for name, v := range h {
		out = append(out, fmt.Sprintf("%s: %q", name, v))
	}
	sort.Strings(out)
	return strings.Join(out, "\n     ")
}

func TestResponseHeadersAreMadeAnew(t *testing.T) {
	for name, h2c := range services() {
		t.Run(name, func(t *testing.T) {
			d := &wiretest.Door{Terms: wire.Terms{
				H2C:      h2c,
				Response: &wire.Rules{Remove: []string{"X-Gone", "server"}, Add: []wire.Field{{Name: "Server", Value: "mine"}}},
				Late:     []wire.Field{{Name: "x-late", Value: "a"}, {Name: "x-late", Value: "b"}},
			}}
			l := serve(t, d, upstream(t, h2c, func(w http.ResponseWriter, _ *http.Request) {
				h := w.Header()
				h["Set-Cookie"] = []string{"a=1", "b=2"}
				h.Set("X-Gone", "1")
				h.Set("X-Late", "no")
				h.Set("Server", "s")
				if !h2c {
					h.Set("Keep-Alive", "timeout=5")
					h.Set("Connection", "X-Nominated")
					h.Set("X-Nominated", "1")
				}
			}))
			res, _ := l.do(l.request("GET", "/", nil))
			delete(res.Header, "Date")
			delete(res.Header, "Content-Length")
			want := http.Header{"Set-Cookie": {"a=1", "b=2"}, "Server": {"mine"}, "X-Late": {"a", "b"}}
			if !reflect.DeepEqual(res.Header, want) {
				t.Errorf("got  %s\nwant %s", lines(res.Header), lines(want))
			}
		})
	}
}

func TestTrailersPassBothWays(t *testing.T) {
	for name, h2c := range services() {
		t.Run(name, func(t *testing.T) {
			l := serve(t, &wiretest.Door{Terms: wire.Terms{H2C: h2c}}, upstream(t, h2c, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Trailer", "X-Sum")
				_, _ = io.Copy(w, r.Body)
				w.Header().Set("X-Sum", "of "+r.Trailer.Get("X-Check"))
				w.Header().Set(http.TrailerPrefix+"X-Unsaid", "1")
			}))
			for _, length := range []int64{-1, 4} {
				r := l.request("POST", "/", io.NopCloser(strings.NewReader("body")))
				r.ContentLength = length
				r.Trailer = http.Header{"X-Check": {"me"}}
				res, body := l.do(r)
				if body != "body" || res.Trailer.Get("X-Sum") != "of me" || res.Trailer.Get("X-Unsaid") != "1" {
					t.Errorf("%d: %q, %v", length, body, res.Trailer)
				}
			}
		})
	}
}

func TestMalformedResponsesAreNotPassedOn(t *testing.T) {
	for _, c := range []struct{ name, says, cause string }{
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "Content-Length"},
		{"no status", "HTTP/1.1 OK\r\n\r\n", "status line"},
		{"bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "CR LF"},
		{"a protocol that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "nobody asked"},
		{"half a head", "HTTP/1.1 200 OK\r\nContent-", "in the middle"},
		{"nothing", "", "without an answer"},
		{"bad chunks at once", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", "chunks"},
		{"a head that is too large", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 33<<10) + "\r\n\r\n", "32 KiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, conn net.Conn, r *bufio.Reader) {
				head(t, r)
				_, _ = io.WriteString(conn, c.says)
			}))
			res, body := l.do(l.request("POST", "/", nil))
			if res.StatusCode != 502 || !strings.Contains(body, c.cause) {
				t.Errorf("%d %s", res.StatusCode, body)
			}
			if o := l.outcome(); o.Status != 502 || o.Err == nil {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestAResponseThatBreaksOffIsReset(t *testing.T) {
	l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		head(t, r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
	}))
	res := l.send(l.request("GET", "/", nil))
	if b, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("it ended well, after %q", b)
	}
	if o := l.outcome(); o.Status != 200 || o.Sent != 4 || o.Err == nil {
		t.Errorf("%+v", o)
	}
	within(t, "the instance is blamed", l.Causes)
}

func TestResponsesEndWithTheirConnectionToo(t *testing.T) {
	l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		head(t, r)
		_, _ = io.WriteString(c, "HTTP/1.0 200 OK\r\n\r\nall")
	}))
	for range 2 {
		if res, body := l.do(l.request("GET", "/", nil)); res.StatusCode != 200 || body != "all" {
			t.Errorf("%d %q", res.StatusCode, body)
		}
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	seen := make(chan string, 10)
	l := serve(t, &wiretest.Door{}, upstream(t, false, func(w http.ResponseWriter, r *http.Request) {
		seen <- r.RemoteAddr
		tell(w, r)
	}))
	from := map[string]int{}
	for n := range 9 { // on a busy machine, one may come before the last is back
		l.do(l.request("POST", "/", strings.NewReader([]string{"", "known"}[n%2])))
		l.outcome()
		addr := within(t, "the request", seen)
		if from[addr]++; from[addr] == 3 {
			return
		}
	}
	t.Errorf("9 requests had %d connections", len(from))
}
