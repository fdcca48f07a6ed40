package http2

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/msctl/msctl/proxy/http1"
	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/proxy/wire/wiretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test.
const patience = 10 * time.Second

// lab is a front of both engines on a socket.
type lab struct {
	*wiretest.Door
	t      *testing.T
	addr   string
	h1     *http1.Engine
	to     []*http1.Upstream
	client *http.Client // of HTTP/2 with prior knowledge
	stop   func()
}

// serve runs the engines in front of the addresses until the test ends.
func serve(t *testing.T, d *wiretest.Door, addrs ...string) *lab {
	t.Helper()
	return serveTLS(t, nil, d, addrs...)
}

func serveTLS(t *testing.T, secure *tls.Config, d *wiretest.Door, addrs ...string) *lab {
	t.Helper()
	other := New(func(err error) { t.Log(err) })
	d.Open()
	l := &lab{t: t, Door: d, h1: http1.New(http1.Options{Other: other.Serve, OnError: func(err error) { t.Log(err) }})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.addr = ln.Addr().String()
	for _, a := range addrs {
		u := l.h1.Upstream(a, patience)
		l.To, l.to = append(l.To, u), append(l.to, u)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 2)
	go func() { ran <- l.h1.Run(ctx) }()
	go func() { ran <- l.h1.Serve(ctx, ln, d, secure) }()
	transport := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	l.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	stopped := false
	l.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		for range 2 {
			if err := <-ran; err != nil {
				t.Errorf("it ended with %v", err)
			}
		}
		for _, u := range l.to {
			u.Forget()
		}
		other.Close()
		transport.CloseIdleConnections()
	}
	t.Cleanup(l.stop)
	return l
}

// upstream serves h over HTTP/1.1, or over HTTP/2 alone, until the test ends.
func upstream(t *testing.T, h2c bool, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(!h2c)
	s.Config.Protocols.SetUnencryptedHTTP2(h2c)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// scripted is an upstream that gives each connection to f, and reads of it what
// comes.
func scripted(t *testing.T, f func(n int, c net.Conn, r *bufio.Reader)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			f(n, c, bufio.NewReader(c))
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); within(t, "the upstream ends", ended) })
	return ln.Addr().String()
}

// head reads a request's head.
func head(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	var b bytes.Buffer
	for !bytes.HasSuffix(b.Bytes(), []byte("\r\n\r\n")) {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Errorf("read a head: %v after %q", err, b.String())
			return ""
		}
		b.WriteString(line)
	}
	return b.String()
}

func (l *lab) request(method, path string, body io.Reader) *http.Request {
	l.t.Helper()
	r, err := http.NewRequestWithContext(l.t.Context(), method, "http://"+l.addr+path, body)
	if err != nil {
		l.t.Fatal(err)
	}
	r.Host = "shop.localhost:1234"
	return r
}

func (l *lab) send(r *http.Request) *http.Response {
	l.t.Helper()
	res, err := l.client.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// do is a whole exchange.
func (l *lab) do(r *http.Request) (*http.Response, string) {
	l.t.Helper()
	res := l.send(r)
	b, err := io.ReadAll(res.Body)
	if err != nil {
		l.t.Fatalf("read the body: %v after %q", err, b)
	}
	return res, string(b)
}

func (l *lab) outcome() wire.Outcome {
	l.t.Helper()
	return within(l.t, "the outcome", l.Done)
}

// within receives from c.
func within[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: not after %s", what, patience)
		panic("unreachable")
	}
}

// nobody is an address that refuses connections.
func nobody(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// services are what a request goes to: whether that speaks HTTP/2 alone.
func services() map[string]bool { return map[string]bool{"HTTP/1.1": false, "h2c": true} }
