package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/msctl/msctl/proxy/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gateway is a Source.
type gateway struct {
	view    View
	metrics error
}

func (g *gateway) View() View    { return g.view }
func (g *gateway) Requests() any { return []map[string]int{{"status": 204}} }

func (g *gateway) WriteMetrics(w io.Writer) error {
	fmt.Fprintln(w, "msctl_gateway_requests_total 7")
	return g.metrics
}

// serve serves g until the test ends, and returns the URL of it.
func serve(t *testing.T, g *gateway) string {
	t.Helper()
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- Serve(ctx, ln, Handler(g, Options{Title: "shop"})) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "http://" + ln.Addr().String()
}

// answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	body   string
}

func ask(t *testing.T, method, url, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(header); n += 2 {
		req.Header.Set(header[n], header[n+1])
		if header[n] == "Host" {
			req.Host = header[n+1]
		}
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(got)}
}

func TestWhatIsServed(t *testing.T) {
	g := &gateway{view: View{
		Front:    "http://127.0.0.1:8080",
		Routes:   []Route{{Pattern: "/<b>orders", Service: "orders", Path: "/orders", URL: "javascript:alert(1)"}},
		Services: []Service{{Name: "orders", Protocol: "http"}},
	}}
	url := serve(t, g)
	for path, want := range map[string]struct {
		status           int
		contentType, has string
	}{
		"/":                    {302, "", ""},
		"/_msctl/":             {200, "text/html; charset=utf-8", "/&lt;b&gt;orders"},
		"/_msctl/routes":       {200, "application/json", `"pattern":"/<b>orders"`},
		"/_msctl/metrics":      {200, "text/plain; version=0.0.4; charset=utf-8", "msctl_gateway_requests_total 7"},
		"/_msctl/requests":     {200, "application/json", `[{"status":204}]`},
		"/_msctl/openapi.json": {200, "application/json", `"reason":"no instance is ready"`},
		"/_msctl/docs":         {200, "text/html; charset=utf-8", "msctl-token"},
		"/_msctl/none":         {404, wire.ProblemType, "there is no /_msctl/none"},
		"/orders":              {404, wire.ProblemType, "there is no /orders"},
	} {
		got := ask(t, "GET", url+path, "")
		if got.status != want.status || want.contentType != "" && got.header.Get("Content-Type") != want.contentType || !strings.Contains(got.body, want.has) {
			t.Errorf("%s: got %d %s\n%s", path, got.status, got.header.Get("Content-Type"), got.body)
		}
		for name, value := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store"} {
			if got.header.Get(name) != value {
				t.Errorf("%s: %s is %q", path, name, got.header.Get(name))
			}
		}
		if !strings.Contains(got.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: policy %q", path, got.header.Get("Content-Security-Policy"))
		}
		if strings.Contains(got.body, `href="javascript:`) {
			t.Errorf("%s links to a script:\n%s", path, got.body)
		}
		if head := ask(t, "HEAD", url+path, ""); head.status != want.status || head.body != "" {
			t.Errorf("HEAD %s: got %d %q", path, head.status, head.body)
		}
	}
	g.metrics = errors.New("no more")
	if got := ask(t, "GET", url+"/_msctl/metrics", ""); got.status != 500 || !strings.Contains(got.body, "no more") {
		t.Errorf("metrics that fail: %+v", got)
	}
}

func TestPagesRunTheirOwnScriptOnly(t *testing.T) {
	url := serve(t, &gateway{})
	nonces := map[string]bool{}
	for _, path := range []string{"/_msctl/docs", "/_msctl/docs", "/_msctl/"} {
		got := ask(t, "GET", url+path, "")
		policy := got.header.Get("Content-Security-Policy")
		found := regexp.MustCompile(`script-src 'nonce-([A-Z0-9]{20,})'; style-src 'nonce-([A-Z0-9]{20,})'; connect-src 'self'`).FindStringSubmatch(policy)
		if found == nil || found[1] != found[2] || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
			t.Fatalf("%s: policy %q", path, policy)
		}
		for tag := range strings.SplitSeq(got.body, "<") {
			if (strings.HasPrefix(tag, "script") || strings.HasPrefix(tag, "style")) && !strings.Contains(tag, `nonce="`+found[1]+`"`) {
				t.Errorf("%s: <%.40s has no nonce", path, tag)
			}
		}
		if regexp.MustCompile(`(src|href)="(https?:)?//`).MatchString(got.body) {
			t.Errorf("%s has something from elsewhere", path)
		}
		nonces[found[1]] = true
	}
	if len(nonces) != 3 {
		t.Errorf("%d nonces for 3 pages", len(nonces))
	}
}

// The page makes text of what documents say; nothing that parses markup is in
// its script.
func TestScriptMakesNoMarkup(t *testing.T) {
	for _, danger := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval(", "Function(", ".href", "</script"} {
		if strings.Contains(script, danger) {
			t.Errorf("the script has %s", danger)
		}
	}
}

func TestScriptParses(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil && os.Getenv("MSCTL_TEST_REQUIRE") == "all" {
		t.Fatal(err)
	} else if err != nil {
		t.Skip(err)
	}
	if out, err := exec.CommandContext(t.Context(), node, "--check", "page/docs.js").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	inside, left := make(chan struct{}), make(chan struct{})
	ended := make(chan error)
	go func() {
		ended <- Serve(ctx, ln, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(inside)
			<-r.Context().Done()
			close(left)
		}))
	}()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-inside
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	select {
	case <-left:
	default:
		t.Error("Serve returned before its request was over")
	}
}

func TestServeTellsOfAListenerThatFails(t *testing.T) {
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := Serve(t.Context(), ln, http.NotFoundHandler()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// openAPI gets the merged document.
func openAPI(t *testing.T, url string) (out merged) {
	t.Helper()
	got := ask(t, "GET", url+"/_msctl/openapi.json", "")
	if err := json.Unmarshal([]byte(got.body), &out); err != nil {
		t.Fatalf("%v\n%s", err, got.body)
	}
	return out
}

// service is one that answers /openapi.json with h.
func service(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/openapi.json", h)
	s := httptest.NewUnstartedServer(mux)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

const small = `{"openapi": "3.1.0", "info": {"title": "Small"}, "paths": {"/items": {"get": {}}}}`

func TestDocumentsThatCannotBeHad(t *testing.T) {
	says := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	v := View{Front: "http://127.0.0.1:8080"}
	reasons := map[string]string{}
	for _, s := range []struct {
		name, protocol string
		handler        http.HandlerFunc
		reason         string
	}{
		{"broken", "http", says(`{"openapi": `), "not JSON"},
		{"deep", "http", says(`{"openapi": "3.1.0", "x": ` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}"), "nested deeper than 128"},
		{"failing", "http", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "answered with 500"},
		{"fine", "http", says(small), ""},
		{"grpc", "h2c", says(small), ""},
		{"huge", "http", says(strings.Repeat(" ", maxDocument+1)), "larger than 4 MiB"},
		{"hung", "http", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "longer than 2s"},
		{"moved", "http", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }, "answered with 302"},
		{"none", "http", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, "has no /openapi.json"},
		{"old", "http", says(`{"swagger": "2.0"}`), "Swagger 2.0"},
		{"other", "http", says(`[]`), "not a document of OpenAPI 3"},
		{"raw", "tcp", says(small), "speaks TCP"},
		{"two", "http", says(small + small), "something after its end"},
	} {
		v.Services = append(v.Services, Service{s.name, service(t, s.handler), s.protocol})
		v.Routes = append(v.Routes, Route{Service: s.name, Path: "/" + s.name, Strip: "/" + s.name})
		reasons[s.name] = s.reason
	}
	v.Services = append(v.Services, Service{"gone", gone.Listener.Addr().String(), "http"}, Service{"idle", "", "http"})
	reasons["gone"], reasons["idle"] = "refused", "no instance is ready"
	got := openAPI(t, serve(t, &gateway{view: v}))
	for _, s := range got.Services {
		if want := reasons[s.Service]; !strings.Contains(s.Reason, want) || (want == "") != (s.Reason == "") {
			t.Errorf("%s: got %q, want %q", s.Service, s.Reason, want)
		}
		delete(reasons, s.Service)
	}
	if len(reasons) > 0 || got.Paths["/fine/items"] == nil || got.Paths["/grpc/items"] == nil || len(got.Paths) != 2 {
		t.Errorf("not told of: %v; paths: %v", reasons, got.Paths)
	}
}

func TestDocumentsAreKept(t *testing.T) {
	asked := make(chan string, 10)
	addr := service(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Get("If-None-Match")
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, small)
	})
	f, services := newFetcher(), []Service{{"orders", addr, "http"}}
	get := func() {
		t.Helper()
		if got := f.fetch(t.Context(), services)[0]; !bytes.Equal(got.body, []byte(small)) {
			t.Fatalf("got %q %q", got.body, got.reason)
		}
	}
	get()
	get() // within a second
	have := f.kept[services[0]]
	have.at = have.at.Add(-fresh)
	f.kept[services[0]] = have
	get() // later
	if first, second := <-asked, <-asked; first != "" || second != `"1"` || len(asked) > 0 {
		t.Errorf("asked with %q and %q, and %d times more", first, second, len(asked))
	}
	if f.fetch(t.Context(), nil); len(f.kept) > 0 {
		t.Errorf("kept of services that are no more: %d", len(f.kept))
	}
}
