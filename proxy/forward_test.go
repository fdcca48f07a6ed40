package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// echo sends back what it reads, as it comes.
func echo(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	_ = rc.EnableFullDuplex()
	buf := make([]byte, 1<<10)
	for {
		n, err := r.Body.Read(buf)
		_, _ = w.Write(buf[:n])
		_ = rc.Flush()
		if err != nil {
			return
		}
	}
}

// serving is a gateway with one service, api, that h serves.
func serving(t *testing.T, h http.HandlerFunc, routes ...stack.Route) *world {
	t.Helper()
	w := begin(t, declare(t, service("api", routed(routes...)), service("web", needs("api"))), Options{})
	w.put("api-1", upstream(t, h), registry.Ready)
	return w
}

// raw sends a request as it is written, and reads the response.
func raw(t *testing.T, addr, request string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, request)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

func TestHeadersAreMadeAnew(t *testing.T) {
	got := make(chan *http.Request, 1)
	w := serving(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header().Set("Keep-Alive", "1")
		w.Header().Set("X-Kept", "1")
	})
	send := func(r *http.Request) (http.Header, http.Header, *http.Request) {
		r.Header = http.Header{
			"X-Forwarded-For": {"6.6.6.6"}, "X-Forwarded-Host": {"evil"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Prefix": {"/evil"},
			"Forwarded": {"for=6.6.6.6"}, "X-Real-Ip": {"6.6.6.6"},
			"Connection": {"keep-alive, X-Secret"}, "X-Secret": {"1"}, "Keep-Alive": {"1"}, "Proxy-Authorization": {"x"}, "Te": {"gzip"},
			"X-Kept": {"a", "b"}, "User-Agent": {""},
		}
		_, _, back := w.do(r)
		out := within(t, "the request", got)
		return out.Header, back, out
	}
	h, back, out := send(w.request("GET", "api.localhost:99", "/", nil))
	id := h.Get("X-Request-Id")
	if len(id) < 16 {
		t.Errorf("X-Request-Id = %q", id)
	}
	if parent := h.Get("Traceparent"); len(parent) != 55 || parent[3:35] != id {
		t.Errorf("Traceparent = %q", parent)
	}
	delete(h, "X-Request-Id")
	delete(h, "Traceparent")
	want := http.Header{
		"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Host": {"api.localhost:99"}, "X-Forwarded-Proto": {"http"},
		"Forwarded": {`for=127.0.0.1;host="api.localhost:99";proto=http`}, "X-Kept": {"a", "b"},
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
	if out.Host != "api.localhost:99" {
		t.Errorf("Host = %s", out.Host)
	}
	if back.Get("X-Hop") != "" || back.Get("Keep-Alive") != "" || back.Get("X-Kept") != "1" || len(back["Content-Type"]) != 0 {
		t.Errorf("response: %v", back)
	}

	edge, ok := w.Edge("web", "api")
	if !ok {
		t.Fatal("no edge")
	}
	r := w.request("GET", "", "/", nil)
	r.URL.Host, r.Host = edge, ""
	if h, _, _ := send(r); h.Get("X-Request-Id") != "" {
		t.Error("an edge made a request id")
	}
}

func TestPathAndQueryPassAsTheyAre(t *testing.T) {
	w := serving(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.RequestURI, " ", r.Header.Get("X-Forwarded-Prefix"))
	}, stack.Route{Path: "/keep", To: "api"}, stack.Route{Path: "/api/v1", Strip: "/api", To: "api"}, stack.Route{Path: "/gone", Strip: "/gone/", To: "api"})
	for _, c := range []struct{ host, in, want string }{
		{"x", "/keep/a%2Fb?x=1;y=%zz&", "/keep/a%2Fb?x=1;y=%zz& "},
		{"x", "/keep//a/...b/.c/%41?", "/keep//a/...b/.c/%41? "},
		{"x", "/keep/|^`{}\"<>\\", "/keep/|^`{}\"<>\\ "},
		{"x", "/api/v1/o?q", "/v1/o?q /api"},
		{"x", "/%61pi/v1/a%2fb", "/v1/a%2fb /api"},
		{"x", "/gone", "/ /gone"},
		{"x", "/gone?x", "/?x /gone"},
		{"x", "/gone/", "/ /gone"},
		{"x", "/gone//x", "//x /gone"},
		{"api.localhost", "//x//y%2F", "//x//y%2F "},
		{"api.localhost", "/gone/x", "/gone/x "},
		{"api.localhost", "http://api.localhost/abs?x", "/abs?x "},
		{"api.localhost", "http://api.localhost", "/ "},
	} {
		_, got := raw(t, w.Addr(), "GET "+c.in+" HTTP/1.1\r\nHost: "+c.host+"\r\nConnection: close\r\n\r\n")
		if got != c.want {
			t.Errorf("%s arrived as %q, want %q", c.in, got, c.want)
		}
	}
}

func TestEventsPassAtOnce(t *testing.T) {
	next := make(chan string)
	w := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		for s := range next {
			fmt.Fprintf(w, "data: %s\n\n", s)
			_ = http.NewResponseController(w).Flush()
		}
	})
	res, err := w.client.Do(w.request("GET", "api.localhost", "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for _, s := range []string{"one", "two"} {
		next <- s
		if line, err := lines.ReadString('\n'); err != nil || line != "data: "+s+"\n" {
			t.Fatalf("%q, %v", line, err)
		}
		_, _ = lines.ReadString('\n')
	}
	close(next)
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestTrailersPassBothWays(t *testing.T) {
	w := serving(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.Copy(w, r.Body)
		w.Header().Set("X-Sum", "sum of "+r.Trailer.Get("X-Part"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "late")
	})
	res, body := raw(t, w.Addr(), "POST / HTTP/1.1\r\nHost: api.localhost\r\nConnection: close\r\nTE: trailers\r\n"+
		"Trailer: X-Part\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Part: abc\r\n\r\n")
	if body != "abc" || res.Trailer.Get("X-Sum") != "sum of abc" || res.Trailer.Get("X-Late") != "late" {
		t.Errorf("%q %v", body, res.Trailer)
	}
}

func TestEarlyHintsPass(t *testing.T) {
	w := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		_, _ = io.WriteString(w, "done")
	})
	var hints []string
	r := w.request("GET", "api.localhost", "/", nil)
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, " ", h.Get("Link")))
			return nil
		},
	}))
	_, body, h := w.do(r)
	if !slices.Equal(hints, []string{"103 </style.css>; rel=preload"}) || body != "done" || h.Get("Link") != "" {
		t.Errorf("%v %q %v", hints, body, h)
	}
}

func TestContinueIsAskedOfTheInstance(t *testing.T) {
	w := serving(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			http.Error(w, "too large", http.StatusExpectationFailed)
			return
		}
		_, _ = io.Copy(w, r.Body)
	})
	talk := func(path string, body string) (first string) {
		c, err := net.Dial("tcp", w.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: api.localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", path, len(body))
		in := bufio.NewReader(c)
		first, _ = in.ReadString('\n')
		if strings.Contains(first, "100") {
			_, _ = in.ReadString('\n')
			_, _ = io.WriteString(c, body)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(res.Body); err != nil || string(b) != body {
				t.Errorf("%q, %v", b, err)
			}
		}
		return strings.TrimSpace(first)
	}
	if got := talk("/", "hello"); got != "HTTP/1.1 100 Continue" {
		t.Errorf("got %s", got)
	}
	if got := talk("/no", "hello"); got != "HTTP/1.1 417 Expectation Failed" {
		t.Errorf("got %s", got)
	}
}

func TestBothWaysAtOnce(t *testing.T) {
	w := serving(t, echo)
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			body, to := io.Pipe()
			r := w.request("POST", "api.localhost", "/", body)
			transport := &http.Transport{Protocols: new(http.Protocols)}
			defer transport.CloseIdleConnections()
			transport.Protocols.SetHTTP1(proto == "HTTP/1.1")
			transport.Protocols.SetUnencryptedHTTP2(proto == "HTTP/2.0")
			answer := make(chan *http.Response)
			go func() {
				res, err := transport.RoundTrip(r)
				if err != nil {
					t.Error(err)
				}
				answer <- res
			}()
			_, _ = io.WriteString(to, "ping")
			res := within(t, "a response while the request is being sent", answer)
			defer res.Body.Close()
			if res.Proto != proto {
				t.Errorf("over %s", res.Proto)
			}
			buf := make([]byte, 4)
			for _, s := range []string{"ping", "pong"} {
				if _, err := io.ReadFull(res.Body, buf); err != nil || string(buf) != s {
					t.Fatalf("%q, %v", buf, err)
				}
				if s == "ping" {
					_, _ = io.WriteString(to, "pong")
				}
			}
			_ = to.Close()
			if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
				t.Errorf("%q, %v", rest, err)
			}
		})
	}
}

func TestAnEarlyAnswerIsNotLost(t *testing.T) {
	w := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	})
	c, err := net.Dial("tcp", w.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: api.localhost\r\nContent-Length: 1000000\r\n\r\nsome")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestWhatIsNotForGateways(t *testing.T) {
	upgrades := make(chan string, 1)
	w := serving(t, func(_ http.ResponseWriter, r *http.Request) { upgrades <- r.Header.Get("Upgrade") })
	if res, _ := raw(t, w.Addr(), "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n"); res.StatusCode != 501 {
		t.Errorf("CONNECT: %s", res.Status)
	}
	raw(t, w.Addr(), "GET / HTTP/1.1\r\nHost: api.localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n")
	if u := within(t, "the request", upgrades); u != "" {
		t.Errorf("Upgrade: %s", u)
	}
}

func TestHeadAndEmptyAnswersPass(t *testing.T) {
	w := serving(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/304" {
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Length", "12345")
	})
	if code, body, h := w.do(w.request("HEAD", "api.localhost", "/", nil)); code != 200 || body != "" || h.Get("Content-Length") != "12345" {
		t.Errorf("HEAD: %d %q %v", code, body, h)
	}
	if code, body, h := w.get("api.localhost", "/304"); code != 304 || body != "" || h.Get("Etag") != `"x"` {
		t.Errorf("304: %d %q %v", code, body, h)
	}
}

func TestAnEdgeIsAService(t *testing.T) {
	w := serving(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	addr, ok := w.Edge("web", "api")
	if !ok {
		t.Fatal("no edge")
	}
	if _, ok := w.Edge("api", "web"); ok {
		t.Error("an edge that nobody declared")
	}
	u := url.URL{Scheme: "http", Host: addr, Path: "/any/path"}
	res, err := w.client.Get(u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); string(b) != "/any/path" {
		t.Errorf("got %q", b)
	}
}
