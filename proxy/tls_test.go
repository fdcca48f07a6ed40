package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/msctl/msctl/proxy/localca"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// trusting is a client's configuration that trusts the local authority of the
// test alone.
func trusting(t *testing.T) *tls.Config {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("MSCTL_CA_DIR", dir)
	ca, err := localca.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Root())
	return &tls.Config{RootCAs: roots}
}

// speakingTLS is a gateway whose front door speaks TLS, with one service, api,
// that h serves.
func speakingTLS(t *testing.T, h http.HandlerFunc) (*world, *tls.Config) {
	t.Helper()
	trust := trusting(t)
	st := declare(t, service("api"), service("web", needs("api")))
	st.Gateway.TLS = &stack.TLS{}
	w := begin(t, st, Options{})
	w.put("api-1", upstream(t, h), registry.Ready)
	return w, trust
}

// overTLS is a client that reaches every host at the front door.
func (w *world) overTLS(trust *tls.Config, h2 bool) *http.Client {
	w.t.Helper()
	transport := &http.Transport{
		TLSClientConfig: trust.Clone(), DisableCompression: true, Protocols: new(http.Protocols),
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, w.Addr())
		},
	}
	transport.Protocols.SetHTTP1(!h2)
	transport.Protocols.SetHTTP2(h2)
	w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// fetch is a GET by c.
func (w *world) fetch(c *http.Client, url string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), "GET", url, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res, string(b)
}

func TestTLSIsSpokenAndToldOf(t *testing.T) {
	w, trust := speakingTLS(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Host, r.URL, r.Header.Get("X-Forwarded-Proto"), r.Header.Get("Forwarded"))
	})
	_, port, _ := net.SplitHostPort(w.Addr())
	for _, h2 := range []bool{false, true} {
		c, proto := w.overTLS(trust, h2), "HTTP/1.1"
		if h2 {
			proto = "HTTP/2.0"
		}
		for range 2 { // the second time on the connection of the first
			res, body := w.fetch(c, "https://api.localhost:"+port+"/a?b=1")
			want := fmt.Sprintf("api.localhost:%s /a?b=1 https for=127.0.0.1;host=\"api.localhost:%s\";proto=https\n", port, port)
			if body != want || res.Proto != proto {
				t.Errorf("%s: %q by %s, want %q", proto, body, res.Proto, want)
			}
		}
		if res, _ := w.fetch(c, "https://"+w.Addr()+"/nowhere"); res.StatusCode != 404 { // by address, without a server name
			t.Errorf("%s: %s", proto, res.Status)
		}
	}
	if w.URL() != "https://"+w.Addr() {
		t.Errorf("URL = %s", w.URL())
	}
	for _, r := range w.Routes() {
		if want := "https://" + r.Service + ".localhost:" + port + "/"; r.URL != want {
			t.Errorf("the URL of %s is %s, want %s", r.Pattern, r.URL, want)
		}
	}
}

func TestProtocolsAreNegotiated(t *testing.T) {
	w, trust := speakingTLS(t, func(http.ResponseWriter, *http.Request) {})
	for _, tt := range []struct {
		offered []string
		want    string
	}{
		{[]string{"http/1.1", "h2"}, "h2"},
		{[]string{"http/1.1"}, "http/1.1"},
		{[]string{"http/1.0", "http/1.1"}, "http/1.1"},
		{nil, ""},
	} {
		config := trust.Clone()
		config.NextProtos = tt.offered
		c, err := tls.Dial("tcp", w.Addr(), config)
		if err != nil {
			t.Errorf("%v: %v", tt.offered, err)
			continue
		}
		if got := c.ConnectionState().NegotiatedProtocol; got != tt.want {
			t.Errorf("of %v it took %q, want %q", tt.offered, got, tt.want)
		}
		if tt.want != "h2" {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: api.localhost\r\n\r\n")
			if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
				t.Errorf("after %q: %v, %v", tt.want, res, err)
			} else {
				_ = res.Body.Close()
			}
		}
		_ = c.Close()
	}
}

func TestPlainHTTPIsSentToTLS(t *testing.T) {
	w, trust := speakingTLS(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) })
	_, port, _ := net.SplitHostPort(w.Addr())
	for _, method := range []string{"GET", "POST"} {
		r := w.request(method, "api.localhost:"+port, "/a%20b/c?x=1&y=%2f", nil)
		status, body, h := w.do(r)
		want := "https://api.localhost:" + port + "/a%20b/c?x=1&y=%2f"
		if status != http.StatusPermanentRedirect || h.Get("Location") != want || body != "" {
			t.Errorf("%s: %d to %s (%q), want %s", method, status, h.Get("Location"), body, want)
			continue
		}
		if _, body := w.fetch(w.overTLS(trust, false), h.Get("Location")); body != "/a%20b/c?x=1&y=%2f" {
			t.Errorf("there it asks for %s", body)
		}
	}
	if res, _ := raw(t, w.Addr(), "GET / HTTP/1.0\r\n\r\n"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("without a host: %s", res.Status)
	}
}

func TestPlainHTTP2IsSentToTLS(t *testing.T) {
	w, _ := speakingTLS(t, func(http.ResponseWriter, *http.Request) { t.Error("it came through") })
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(w.request("GET", "api.localhost", "/a?b=1", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if want := "https://api.localhost/a?b=1"; res.StatusCode != http.StatusPermanentRedirect || res.Header.Get("Location") != want {
		t.Errorf("%s to %q, want 308 to %s", res.Status, res.Header.Get("Location"), want)
	}
}

func TestBodiesPassOverTLS(t *testing.T) {
	w, trust := speakingTLS(t, echo)
	sent := make([]byte, 3<<20+7)
	_, _ = rand.Read(sent)
	for _, h2 := range []bool{false, true} {
		c := w.overTLS(trust, h2)
		for _, body := range []io.Reader{bytes.NewReader(sent), io.MultiReader(bytes.NewReader(sent))} { // of known length, and not
			r, err := http.NewRequestWithContext(t.Context(), "POST", "https://api.localhost/", body)
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%s: %d of %d bytes came back, %v", res.Proto, len(got), len(sent), err)
			}
		}
	}
}

func TestWebSocketsPassOverTLS(t *testing.T) {
	w, trust := speakingTLS(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		kind, b, err := c.Read(r.Context())
		if err == nil {
			_ = c.Write(r.Context(), kind, append(b, b...))
			_ = c.Close(websocket.StatusNormalClosure, "")
		}
	})
	c, _, err := websocket.Dial(t.Context(), "wss://api.localhost/chat", &websocket.DialOptions{HTTPClient: w.overTLS(trust, false)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, b, err := c.Read(t.Context()); err != nil || string(b) != "hellohello" {
		t.Errorf("%s, %v", b, err)
	}
}

func TestEventsComeOneByOneOverTLS(t *testing.T) {
	next := make(chan struct{})
	w, trust := speakingTLS(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for n := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", n)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-next: // the client has it
			case <-r.Context().Done():
				return
			}
		}
	})
	for _, h2 := range []bool{false, true} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "https://api.localhost/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := w.overTLS(trust, h2).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(res.Body)
		for n := range 3 {
			line, err := lines.ReadString('\n')
			if want := fmt.Sprintf("data: %d\n", n); line != want || err != nil {
				t.Fatalf("%s: %q, %v, want %q", res.Proto, line, err, want)
			}
			_, _ = lines.ReadString('\n')
			next <- struct{}{}
		}
		_ = res.Body.Close()
	}
}

// selfSigned writes a certificate for name that signed itself, and its key.
func selfSigned(t *testing.T, dir, name string) *stack.TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour),
	}, &x509.Certificate{}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := &stack.TLS{Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+"-key.pem")}
	for file, block := range map[string]*pem.Block{
		files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestOnesOwnCertificates(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	t.Setenv("MSCTL_CA_DIR", none)
	st := declare(t, service("api"))
	w := begin(t, st, Options{})
	st.Gateway.Listen = w.Addr()
	w.put("api-1", says(t, "api"), registry.Ready)
	st.Gateway.Routes = []stack.Route{{Path: "/", To: "api"}}
	for _, name := range []string{"shop.example", "other.example"} { // from plain to files, and to others
		st.Gateway.TLS = selfSigned(t, t.TempDir(), name)
		if err := w.Configure(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(st.Gateway.TLS.Cert)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(text)
		res, body := w.fetch(w.overTLS(&tls.Config{RootCAs: roots}, false), "https://"+name+"/")
		if body != "api" || res.TLS.PeerCertificates[0].DNSNames[0] != name {
			t.Errorf("%s: %q", name, body)
		}
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("an authority was made that nobody asked for")
	}

	before := w.URL()
	for name, spoil := range map[string]func(*stack.TLS){
		"no certificate": func(f *stack.TLS) { f.Cert = none },
		"no key":         func(f *stack.TLS) { f.Key = none },
		"the key of another": func(f *stack.TLS) {
			f.Key = selfSigned(t, t.TempDir(), "third.example").Key
		},
		"garbage": func(f *stack.TLS) {
			if err := os.WriteFile(f.Cert, []byte("garbage"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		st := *st
		st.Gateway.TLS = selfSigned(t, t.TempDir(), "spoiled.example")
		spoil(st.Gateway.TLS)
		err := w.Configure(t.Context(), &st)
		if err == nil || !strings.Contains(err.Error(), st.Gateway.TLS.Cert) || w.URL() != before {
			t.Errorf("%s: Configure = %v, at %s", name, err, w.URL())
		}
	}
}

func TestNobodyVouchesForForeignNames(t *testing.T) {
	trust, told := trusting(t), make(chan error, 8)
	st := declare(t, service("api"))
	st.Gateway.TLS = &stack.TLS{}
	w := begin(t, st, Options{OnError: func(err error) { told <- err }})
	w.put("api-1", says(t, "api"), registry.Ready)
	for _, name := range []string{"example.com", "localhost.example.com", strings.Repeat("x", 64) + ".localhost"} {
		config := trust.Clone()
		config.ServerName, config.InsecureSkipVerify = name, true
		c, err := tls.Dial("tcp", w.Addr(), config)
		if err == nil {
			_ = c.Close()
		}
		if alert := new(net.OpError); !errors.As(err, &alert) || alert.Op != "remote error" {
			t.Errorf("%s: %v, want an alert", name, err)
		}
		if said := within(t, "the report", told); !strings.Contains(said.Error(), name) {
			t.Errorf("%s: it said %v", name, said)
		}
	}
	if _, body := w.fetch(w.overTLS(trust, false), "https://api.localhost/"); body != "api" {
		t.Errorf("after that: %q", body)
	}
}

func TestTLSGoesOnAndOff(t *testing.T) {
	trust := trusting(t)
	started, goOn := make(chan struct{}, 1), make(chan struct{})
	st := declare(t, service("api", routed(stack.Route{Path: "/", To: "api"})), service("web", needs("api")))
	w := begin(t, st, Options{})
	w.put("api-1", upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			started <- struct{}{}
			<-goOn
		}
		_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-Proto"))
	}), registry.Ready)
	st.Gateway.Listen = w.Addr()
	edge, _ := w.Edge("web", "api")

	// What is in flight, at the front door and at an edge, goes on.
	answers := make(chan string, 2)
	for _, addr := range []string{w.Addr(), edge} {
		go func() {
			_, body := raw(t, addr, "GET /slow HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
			answers <- body
		}()
		within(t, "a request", started)
	}
	for n, on := range []bool{true, true, false, true} {
		st.Gateway.TLS = nil
		if on {
			st.Gateway.TLS = &stack.TLS{Pos: stack.Pos{Line: n}}
		}
		if err := w.Configure(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			close(goOn)
			for range 2 {
				if body := within(t, "the answer", answers); body != "http" {
					t.Errorf("in flight: %q", body)
				}
			}
		}
		if again, _ := w.Edge("web", "api"); again != edge || w.Addr() != st.Gateway.Listen {
			t.Errorf("edge %s became %s, front %s became %s", edge, again, st.Gateway.Listen, w.Addr())
		}
		r := w.request("GET", "", "/", nil)
		r.Close = true
		status, body, _ := w.do(r)
		if on {
			if _, body := w.fetch(w.overTLS(trust, false), "https://"+w.Addr()+"/"); status != http.StatusPermanentRedirect || body != "https" {
				t.Errorf("on: %d, and %q", status, body)
			}
			continue
		}
		if status != 200 || body != "http" {
			t.Errorf("off: %d %q", status, body)
		}
		if c, err := tls.Dial("tcp", w.Addr(), trust); err == nil {
			_ = c.Close()
			t.Error("off, it still speaks TLS")
		}
	}
}

// TestTLSStaysOpen: what says the same leaves the connections as they are.
func TestTLSStaysOpen(t *testing.T) {
	trust := trusting(t)
	st := declare(t, service("api"))
	st.Gateway.TLS = &stack.TLS{Pos: stack.Pos{Line: 1}}
	w := begin(t, st, Options{})
	w.put("api-1", says(t, "api"), registry.Ready)
	c, front := w.overTLS(trust, true), w.Addr()
	w.fetch(c, "https://api.localhost/")
	st.Gateway.TLS = &stack.TLS{Pos: stack.Pos{Line: 2}}
	if err := w.Configure(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	c.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("a second connection")
	}
	if _, body := w.fetch(c, "https://api.localhost/"); body != "api" || w.Addr() != front {
		t.Errorf("%q at %s, before at %s", body, w.Addr(), front)
	}
}

// clientHello is how a client begins.
func clientHello(t *testing.T) []byte {
	t.Helper()
	here, there := net.Pipe()
	go func() {
		_ = tls.Client(here, &tls.Config{ServerName: "api.localhost"}).HandshakeContext(context.Background())
		_ = here.Close()
	}()
	defer there.Close()
	buf := make([]byte, 16<<10)
	n, err := there.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

func TestWhatIsNoHandshakeIsClosed(t *testing.T) {
	w, trust := speakingTLS(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "api") })
	hello := clientHello(t)
	for name, sent := range map[string]string{
		"half a hello, and its end": string(hello[:len(hello)/2]),
		"a hello, and its end":      string(hello),
		"a record of nothing":       "\x16\x03\x01\x00\x00",
		"an endless record":         "\x16\x03\x01\xff\xff" + strings.Repeat("x", 1<<16),
		"a spoiled hello":           string(hello[:9]) + strings.Repeat("\xff", len(hello)-9),
		"an alert":                  "\x15\x03\x01\x00\x02\x02\x28",
		"noise":                     "\x00\xff\r\n\r\n",
		"nothing":                   "",
	} {
		c, err := net.Dial("tcp", w.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, sent)
		_ = c.(*net.TCPConn).CloseWrite()
		if _, err := io.Copy(io.Discard, c); err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		_ = c.Close()
	}
	if _, body := w.fetch(w.overTLS(trust, false), "https://api.localhost/"); body != "api" {
		t.Errorf("after that: %q", body)
	}
}

// TestAHandshakeDoesNotTakeForEver has one client that says half of a hello and
// one that says nothing; both are cut off while the gateway goes on.
func TestAHandshakeDoesNotTakeForEver(t *testing.T) {
	t.Parallel() // it takes the whole timeout
	st := declare(t)
	st.Gateway.TLS = selfSigned(t, t.TempDir(), "api.localhost")
	w := begin(t, st, Options{})
	hello := clientHello(t)
	ended := make(chan error, 2)
	for _, sent := range [][]byte{hello[:len(hello)/2], nil} {
		c, err := net.Dial("tcp", w.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(2 * patience))
		_, _ = c.Write(sent)
		go func() {
			_, err := io.Copy(io.Discard, c)
			ended <- err
		}()
	}
	for range 2 {
		if err := <-ended; errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("it was left open: %v", err)
		}
	}
}

func TestAHalfHandshakeDoesNotKeepTheGateway(t *testing.T) {
	w, _ := speakingTLS(t, func(http.ResponseWriter, *http.Request) {})
	c, err := net.Dial("tcp", w.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	hello := clientHello(t)
	_, _ = c.Write(hello[:len(hello)/2])
	w.stop()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

func TestURLs(t *testing.T) {
	for _, tt := range []struct {
		secure     bool
		addr, want string
	}{
		{false, "127.0.0.1:80", "http://127.0.0.1"},
		{false, "127.0.0.1:443", "http://127.0.0.1:443"},
		{true, "127.0.0.1:443", "https://127.0.0.1"},
		{true, "127.0.0.1:80", "https://127.0.0.1:80"},
		{true, "[::1]:443", "https://[::1]"},
		{true, "[::1]:8443", "https://[::1]:8443"},
		{true, "", ""},
	} {
		if got := origin(tt.secure, tt.addr); got != tt.want {
			t.Errorf("origin(%t, %s) = %q, want %q", tt.secure, tt.addr, got, tt.want)
		}
	}
	for _, tt := range []struct{ host, front, want string }{
		{"", "https://[::1]", "https://[::1]/a"},
		{"shop.localhost", "https://[::1]", "https://shop.localhost/a"},
		{"shop.localhost", "https://[::1]:8443", "https://shop.localhost:8443/a"},
		{"*.localhost", "https://[::1]:8443", ""},
		{"", "", ""},
	} {
		if got := (&route{host: tt.host, path: "/a"}).url(tt.front); got != tt.want {
			t.Errorf("%s/a through %q is at %q, want %q", tt.host, tt.front, got, tt.want)
		}
	}
}

func TestAServicesOwnURLsComeFirst(t *testing.T) {
	at := func(r stack.Route) stack.Route {
		r.Pos = stack.Pos{File: "stack.yaml", Line: 1}
		return r
	}
	own := make([]stack.Route, 0, 8) // with room for what must not be appended
	own = append(own, at(stack.Route{Path: "/own", To: "api"}), at(stack.Route{Regexp: "/r/.*", To: "api"}))
	st := declare(t, service("api", routed(own...)), service("web"))
	st.Gateway.Routes = []stack.Route{
		at(stack.Route{Path: "/v2", To: "api", Methods: []string{"GET"}}), at(stack.Route{Path: "/v2", To: "api", Methods: []string{"PUT"}}),
		at(stack.Route{Path: "/", Host: "shop.localhost", To: "api"}), at(stack.Route{Path: "/", Host: "*.localhost", To: "api"}),
		at(stack.Route{Path: "/old", Redirect: &stack.Redirect{To: "/own"}}),
	}
	w := begin(t, st, Options{})
	front := w.URL()
	_, port, _ := net.SplitHostPort(w.Addr())
	got := w.URLs()
	want := fmt.Sprint([]string{front + "/own", front + "/v2", "http://shop.localhost:" + port + "/"})
	if fmt.Sprint(got["api"]) != want || len(got) != 1 {
		t.Errorf("URLs = %v, want %s", got, want)
	}
	if own[:3][2].To != "" {
		t.Error("the stack's routes were written to")
	}
}
