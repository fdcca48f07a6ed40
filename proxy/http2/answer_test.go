package http2

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/proxy/wire/wiretest"
)

func TestAnswersOfTheGatewayItself(t *testing.T) {
	problem := &wire.Problem{Status: 404, Title: "Not Found", Detail: "no route"}
	for _, c := range []struct {
		name           string
		answer         wire.Answer
		method, accept string
		contentType    string
		body           string // that is in it; "" for none
	}{
		{"a problem", wire.Answer{Status: 404, Problem: problem}, "GET", "*/*", wire.ProblemType, `"no route"`},
		{"a page", wire.Answer{Status: 404, Problem: problem}, "GET", "text/html,*/*", "text/html; charset=utf-8", "<html"},
		{"to HEAD", wire.Answer{Status: 404, Problem: problem}, "HEAD", "", wire.ProblemType, ""},
		{"without a body", wire.Answer{Status: 204, Header: []wire.Field{{Name: "Allow", Value: "GET"}}}, "OPTIONS", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := serve(t, &wiretest.Door{Answer: &c.answer})
			r := l.request(c.method, "/", nil)
			r.Header.Set("Accept", c.accept)
			res, body := l.do(r)
			if res.StatusCode != c.answer.Status || res.Header.Get("Content-Type") != c.contentType || !strings.Contains(body, c.body) || (body == "") != (c.body == "") {
				t.Errorf("%d %v %s", res.StatusCode, res.Header, body)
			}
			for _, f := range c.answer.Header {
				if res.Header.Get(f.Name) != f.Value {
					t.Errorf("%s: %q", f.Name, res.Header.Get(f.Name))
				}
			}
		})
	}
}

func TestLateFieldsAreInTheGatewaysAnswerToo(t *testing.T) {
	l := serve(t, &wiretest.Door{Terms: wire.Terms{Late: []wire.Field{{Name: "X-Late", Value: "1"}}}})
	res, _ := l.do(l.request("GET", "/", nil))
	if o := l.outcome(); res.StatusCode != 503 || res.Header.Get("X-Late") != "1" || o.Status != 503 || o.Err == nil || o.Sent == 0 {
		t.Errorf("%d %v, %+v", res.StatusCode, res.Header, o)
	}
}

func TestGRPCClientsGetAStatus(t *testing.T) {
	l := serve(t, &wiretest.Door{})
	r := l.request("POST", "/s/m", strings.NewReader("\x00\x00\x00\x00\x00"))
	r.Header.Set("Content-Type", "application/grpc+proto")
	if res, _ := l.do(r); res.StatusCode != 200 || res.Header.Get("Grpc-Status") != "14" || res.Header.Get("Grpc-Message") != "there%20is%20none" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

func TestWhatNoServiceMaySeeIsRefused(t *testing.T) {
	asked := make(chan string, 64)
	l := serve(t, &wiretest.Door{}, upstream(t, false, func(_ http.ResponseWriter, r *http.Request) { asked <- r.RequestURI }))
	var many []string
	for i := range 101 {
		many = append(many, fmt.Sprint("x-", i), "")
	}
	for _, c := range []struct {
		name   string
		fields []string // of the request, in the place of those of a good one where it has them
		status string   // "" for a stream that is reset
	}{
		{"nothing wrong", nil, "200"},
		{"a tunnel", []string{":method", "CONNECT", ":path", "", ":scheme", ""}, "501"},
		{"a WebSocket", []string{":method", "CONNECT", ":protocol", "websocket"}, ""},
		{"a method that is none", []string{":method", "GET /"}, "400"},
		{"no host", []string{":authority", ""}, "400"},
		{"a host that is none", []string{":authority", `a"b`}, "400"},
		{"a path with a space", []string{":path", "/a HTTP/1.1"}, "400"},
		{"a path that is not ASCII", []string{":path", "/\u00e4"}, "400"},
		{"a query with a space", []string{":path", "/?a b"}, "400"},
		{"an absolute target", []string{":path", "http://b/"}, "400"},
		{"the asterisk", []string{":path", "*"}, "400"},
		{"a line's end in a field", []string{"x", "a\r\nb: c"}, ""},
		{"a name in capitals", []string{"X", "a"}, ""},
		{"connection", []string{"connection", "x"}, "400"},
		{"keep-alive", []string{"keep-alive", "x"}, "400"},
		{"proxy-connection", []string{"proxy-connection", "x"}, "400"},
		{"transfer-encoding", []string{"transfer-encoding", "chunked"}, "400"},
		{"upgrade", []string{"upgrade", "websocket"}, "400"},
		{"te", []string{"te", "gzip"}, "400"},
		{"a length of no body", []string{"content-length", "5"}, "400"},
		{"a length that is none", []string{"content-length", "x"}, "400"},
		{"many fields", many, "431"},
		{"a large head", []string{"x", strings.Repeat("x", 20<<10), "y", strings.Repeat("y", 20<<10)}, "431"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status := ask(t, l.addr, c.fields); status != c.status {
				t.Errorf("got %q, want %q", status, c.status)
			}
		})
	}
	if len(asked) != 1 {
		t.Errorf("a service was asked %d times", len(asked))
	}
}

// ask sends a request as it is, and returns the status of its response, "" for
// a stream that is reset.
func ask(t *testing.T, addr string, fields []string) string {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, http2.ClientPreface)
	f := http2.NewFramer(c, c)
	_ = f.WriteSettings()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	put := func(name, value string) {
		if value != "" || name[0] != ':' {
			_ = enc.WriteField(hpack.HeaderField{Name: name, Value: value})
		}
	}
	good := []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"}
	for i := 0; i < len(good); i += 2 {
		if !slices.Contains(fields, good[i]) {
			put(good[i], good[i+1])
		}
	}
	for i := 0; i < len(fields); i += 2 {
		put(fields[i], fields[i+1])
	}
	for first := true; first || block.Len() > 0; first = false {
		part := block.Next(16 << 10)
		if first {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: part, EndStream: true, EndHeaders: block.Len() == 0})
		} else {
			_ = f.WriteContinuation(1, block.Len() == 0, part)
		}
	}
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			return frame.PseudoValue("status")
		case *http2.RSTStreamFrame:
			return ""
		}
	}
}

// certified is a configuration of a server whose certificate nobody trusts.
func certified(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2", "http/1.1"}}
}

func TestServicesOfHTTP2AreReachedByAll(t *testing.T) {
	service := upstream(t, true, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, r.Proto, " ", r.Method, " ", r.RequestURI, " ", r.Header.Get("X-Forwarded-Proto"), " ", string(b))
	})
	l := serveTLS(t, certified(t), &wiretest.Door{Terms: wire.Terms{H2C: true}}, service)
	for _, c := range []struct {
		name     string
		tls, two bool
	}{{"HTTP/1.1", false, false}, {"HTTP/1.1 over TLS", true, false}, {"HTTP/2", false, true}, {"HTTP/2 over TLS", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			transport := &http.Transport{
				TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // it was made a moment ago
				Protocols:       new(http.Protocols),
			}
			transport.Protocols.SetHTTP1(!c.two)
			transport.Protocols.SetHTTP2(c.two && c.tls)
			transport.Protocols.SetUnencryptedHTTP2(c.two && !c.tls)
			defer transport.CloseIdleConnections()
			scheme, proto := "http", "HTTP/1.1"
			if c.tls {
				scheme = "https"
			}
			if c.two {
				proto = "HTTP/2.0"
			}
			for _, body := range []string{"", "known", strings.Repeat("long", 1<<18)} {
				r := l.request("POST", "/a%2fb?c", strings.NewReader(body))
				r.URL.Scheme = scheme
				res, err := transport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if want := "HTTP/2.0 POST /a%2fb?c " + scheme + " " + body; string(b) != want || err != nil || res.Proto != proto || res.Close == c.two {
					t.Errorf("%.100q by %s, %v, close %t", b, res.Proto, err, res.Close)
				}
				if o := l.outcome(); o.Proto != proto || o.Status != 200 || o.Err != nil || o.Received != int64(len(body)) {
					t.Errorf("%+v", o)
				}
			}
		})
	}
}

// A client that knows the response's length leaves with its last byte; that the
// service has not ended the stream by then is no fault of anybody.
func TestAClientLeavesWithTheLastByte(t *testing.T) {
	left := make(chan struct{})
	l := serve(t, &wiretest.Door{Terms: wire.Terms{H2C: true}}, upstream(t, true, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "2")
		fmt.Fprint(w, "ok")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(left)
	}))
	res, err := new(http.Transport).RoundTrip(l.request("GET", "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if _ = res.Body.Close(); string(b) != "ok" || err != nil || !res.Close {
		t.Errorf("%q, %v, close %t", b, err, res.Close)
	}
	within(t, "the service is told", left)
	if o := l.outcome(); o.Err != nil || o.Status != 200 || o.Sent != 2 {
		t.Errorf("%+v", o)
	}
}

func TestAHandedOverConnectionEndsWithItsRequest(t *testing.T) {
	l := serve(t, &wiretest.Door{Terms: wire.Terms{H2C: true}}, upstream(t, true, tell))
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", l.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: X-Mine\r\nX-Mine: 1\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
	all, err := io.ReadAll(c)
	if err != nil || strings.Count(string(all), "HTTP/1.1 200 OK") != 1 || !strings.Contains(string(all), "Connection: close\r\n") || !strings.Contains(string(all), "GET a /1") {
		t.Errorf("%q, %v", all, err)
	}
}

func TestForgettingAnUpstreamClosesItsConnections(t *testing.T) {
	for name, h2c := range services() {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			states := make(chan http.ConnState, 16)
			s := &http.Server{
				Handler: http.HandlerFunc(tell), Protocols: new(http.Protocols), ReadHeaderTimeout: patience,
				ConnState: func(_ net.Conn, s http.ConnState) { states <- s },
			}
			s.Protocols.SetHTTP1(!h2c)
			s.Protocols.SetUnencryptedHTTP2(h2c)
			served := make(chan error, 1)
			go func() { served <- s.Serve(ln) }()
			defer func() { _ = s.Close(); <-served }()
			l := serve(t, &wiretest.Door{Terms: wire.Terms{H2C: h2c}}, ln.Addr().String())
			l.do(l.request("GET", "/", nil))
			l.outcome()
			l.to[0].Forget()
			for within(t, "the connection is closed", states) != http.StateClosed {
			}
		})
	}
}

func TestWhatIsInFlightHasAGrace(t *testing.T) {
	began, finish := make(chan struct{}), make(chan struct{})
	l := serve(t, &wiretest.Door{}, upstream(t, false, func(w http.ResponseWriter, r *http.Request) {
		close(began)
		select {
		case <-finish:
			_, _ = io.WriteString(w, "whole")
		case <-r.Context().Done():
		}
	}))
	got := make(chan string, 1)
	go func() {
		_, body := l.do(l.request("GET", "/", nil))
		got <- body
	}()
	within(t, "the request came", began)
	stopped := make(chan struct{})
	go func() { defer close(stopped); l.stop() }()
	// New connections are refused before the old ones have ended.
	for {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.addr)
		if err != nil {
			break
		}
		_ = c.Close()
	}
	close(finish)
	if body := within(t, "the response", got); body != "whole" {
		t.Errorf("%q", body)
	}
	within(t, "the engine ends", stopped)
}

func TestWhatOutlastsTheGraceIsCut(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	l := serve(t, &wiretest.Door{}, upstream(t, false, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(ended)
	}))
	failed := make(chan error, 1)
	go func() {
		res, err := l.client.Do(l.request("GET", "/", nil).WithContext(context.WithoutCancel(t.Context())))
		if err == nil {
			_ = res.Body.Close()
		}
		failed <- err
	}()
	within(t, "the request came", began)
	l.stop()
	within(t, "the instance hears of it", ended)
	if err := within(t, "the client hears of it", failed); err == nil {
		t.Error("it got a response")
	}
	if o := l.outcome(); o.Err == nil || o.Status != 0 {
		t.Errorf("%+v", o)
	}
	if len(l.Causes) > 0 {
		t.Errorf("the instance is blamed: %v", <-l.Causes)
	}
}
