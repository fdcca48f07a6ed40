package http1

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/proxy/wire/wiretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test.
const patience = 10 * time.Second

// lab is an engine on a socket.
type lab struct {
	*Engine
	*wiretest.Door
	t    testing.TB
	addr string
	stop func()
}

// setting is how an engine runs.
type setting struct {
	tls   *tls.Config // nil speaks no TLS
	still bool        // time passes only when the test says so
}

// serve runs an engine in front of the addresses until the test ends.
func serve(t testing.TB, d *wiretest.Door, addrs ...string) *lab {
	t.Helper()
	return setting{}.serve(t, d, addrs...)
}

func (s setting) serve(t testing.TB, d *wiretest.Door, addrs ...string) *lab {
	t.Helper()
	d.Open()
	l := &lab{t: t, Door: d, Engine: New(Options{OnError: func(err error) { t.Error(err) }})}
	ln := listen(t)
	l.addr = ln.Addr().String()
	var upstreams []*Upstream
	for _, a := range addrs {
		u := l.Upstream(a, patience)
		l.To, upstreams = append(l.To, u), append(upstreams, u)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	keep := func(run func() error) {
		running.Go(func() {
			if err := run(); err != nil {
				t.Errorf("it ended with %v", err)
			}
		})
	}
	if !s.still {
		keep(func() error { return l.Run(ctx) })
	}
	keep(func() error { return l.Serve(ctx, ln, d, s.tls) })
	l.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		for _, u := range upstreams {
			u.Forget()
		}
	})
	t.Cleanup(l.stop)
	return l
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// scripted is an instance that gives each connection to f, and reads of it what
// comes. The first is number 0.
func scripted(t testing.TB, f func(n int, c net.Conn, r *bufio.Reader)) string {
	t.Helper()
	ln := listen(t)
	var all sync.WaitGroup
	all.Go(func() {
		for n := 0; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			all.Go(func() {
				f(n, c, bufio.NewReader(c))
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); all.Wait() })
	return ln.Addr().String()
}

// says is an instance that answers each whole request on a connection with the
// same bytes.
func says(t testing.TB, response string) string {
	t.Helper()
	return scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for takes(r) == nil {
			_, _ = io.WriteString(c, response)
		}
	})
}

// takes reads a whole request.
func takes(r *bufio.Reader) error {
	q, err := http.ReadRequest(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, q.Body)
	return err
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// peer is the client's end of a connection.
type peer struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
}

func (l *lab) dial() *peer {
	l.t.Helper()
	c, err := net.Dial("tcp", l.addr)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.peer(c)
}

func (l *lab) peer(c net.Conn) *peer {
	_ = c.SetDeadline(time.Now().Add(patience))
	l.t.Cleanup(func() { _ = c.Close() })
	return &peer{c, l.t, bufio.NewReader(c)}
}

// say sends bytes as they are.
func (p *peer) say(s string) *peer {
	_, _ = io.WriteString(p.Conn, s) // whether it may be said shows in the answer
	return p
}

// hears is the next response to a request of that method, whole.
func (p *peer) hears(method string) (*http.Response, string) {
	p.t.Helper()
	res, err := http.ReadResponse(p.in, &http.Request{Method: method})
	if err != nil {
		p.t.Fatalf("read a response: %v", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatalf("read a body: %v after %d bytes", err, len(b))
	}
	return res, string(b)
}

// expect is hears of a response that is known.
func (p *peer) expect(status int, body string) *http.Response {
	p.t.Helper()
	res, b := p.hears("GET")
	if res.StatusCode != status || b != body {
		p.t.Errorf("got %d %.200q, want %d %.200q", res.StatusCode, b, status, body)
	}
	return res
}

// expectProblem is hears of what the gateway itself has to say.
func (p *peer) expectProblem(status int) *http.Response {
	p.t.Helper()
	res, b := p.hears("GET")
	if res.StatusCode != status || res.Header.Get("Content-Type") != wire.ProblemType {
		p.t.Errorf("got %d %s, want a problem with %d", res.StatusCode, b, status)
	}
	return res
}

// ends reads that nothing more comes.
func (p *peer) ends() {
	p.t.Helper()
	if rest, err := io.ReadAll(p.in); len(rest) > 0 || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Errorf("got %.200q, %v, want the connection's end", rest, err)
	}
}

func (l *lab) outcome() wire.Outcome {
	l.t.Helper()
	return soon(l.t, "the outcome", l.Done)
}

// soon receives from c.
func soon[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: not after %s", what, patience)
		panic("unreachable")
	}
}

// eventually waits until f says that it is so.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); !f(); <-look.C {
		if time.Now().After(end) {
			t.Fatalf("%s: not after %s", what, patience)
		}
	}
}
