package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// replace swaps the address of api-1 and drains the old one with no time left.
func (w *world) replace(old, fresh string) {
	w.t.Helper()
	w.swap("api-1", old, fresh, 1)
	ctx, cancel := context.WithCancel(w.t.Context())
	cancel()
	began := time.Now()
	if err := w.Drain(ctx, old); !errors.Is(err, context.Canceled) {
		w.t.Errorf("Drain = %v", err)
	}
	if d := time.Since(began); d > patience/2 {
		w.t.Errorf("it took %s", d)
	}
	if !w.pooled("api").landed(old) {
		w.t.Error("something is in flight yet")
	}
}

// sockets is an instance of WebSockets that answers in capitals; ended gets the
// error that each ended with.
func sockets(t *testing.T, ended chan<- error) string {
	t.Helper()
	return upstream(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		for {
			kind, b, err := c.Read(context.Background())
			if err == nil {
				err = c.Write(context.Background(), kind, []byte(strings.ToUpper(string(b))))
			}
			if err != nil {
				ended <- err
				return
			}
		}
	})
}

func closedWith(t *testing.T, who string, err error, code websocket.StatusCode) {
	t.Helper()
	var c websocket.CloseError
	if !errors.As(err, &c) || c.Code != code {
		t.Errorf("%s: %v, want the code %d", who, err, code)
	}
}

func TestSocketsCloseWhenTheirInstanceIsReplaced(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %t", secure), func(t *testing.T) {
			st := declare(t, service("api"))
			scheme, trust := "ws", &tls.Config{}
			if secure {
				scheme, trust = "wss", trusting(t)
				st.Gateway.TLS = &stack.TLS{}
			}
			w := begin(t, st, Options{})
			client := w.overTLS(trust, false)
			ended := make(chan error, 1)
			addr := sockets(t, ended)
			w.put("api-1", addr, registry.Ready)
			c, _, err := websocket.Dial(t.Context(), scheme+"://api.localhost/", &websocket.DialOptions{HTTPClient: client})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			closed := make(chan error, 1)
			heard := make(chan string, 1)
			go func() {
				for {
					_, b, err := c.Read(context.Background())
					if err != nil {
						closed <- err
						return
					}
					heard <- string(b)
				}
			}()
			if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if got := within(t, "the echo", heard); got != "HELLO" {
				t.Errorf("%q", got)
			}
			began := time.Now()
			w.replace(addr, says(t, "new"))
			if d := time.Since(began); d > 500*time.Millisecond {
				t.Errorf("both said goodbye, and it took %s", d)
			}
			closedWith(t, "the client", within(t, "the close", closed), websocket.StatusServiceRestart)
			closedWith(t, "the instance", within(t, "the close", ended), websocket.StatusGoingAway)
		})
	}
}

// Sockets on which something is under way all the time are closed between two
// frames as well, and neither side reads what is no frame.
func TestBusySocketsCloseBetweenFrames(t *testing.T) {
	const clients = 8
	w := begin(t, declare(t, service("api")), Options{})
	ended := make(chan error, clients)
	addr := sockets(t, ended)
	w.put("api-1", addr, registry.Ready)
	closed := make(chan error, clients)
	var begun sync.WaitGroup
	for range clients {
		c, _, err := websocket.Dial(t.Context(), "ws://"+w.Addr()+"/", &websocket.DialOptions{Host: "api.localhost"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		begun.Add(1)
		go func() {
			begin := sync.OnceFunc(begun.Done)
			defer begin()
			for n := 0; ; n++ {
				message := bytes.Repeat([]byte("m"), n*997%30_000)
				err := c.Write(context.Background(), websocket.MessageText, message)
				if err != nil { // the reason is what comes next
					_, _, err = c.Read(context.Background())
					closed <- err
					return
				}
				_, b, err := c.Read(context.Background())
				if err != nil {
					closed <- err
					return
				}
				if !bytes.Equal(b, bytes.ToUpper(message)) {
					t.Errorf("%d bytes came back as %d others", len(message), len(b))
				}
				if n == 20 {
					begin()
				}
			}
		}()
	}
	begun.Wait()
	w.replace(addr, says(t, "new"))
	for range clients {
		closedWith(t, "a client", within(t, "the close", closed), websocket.StatusServiceRestart)
		closedWith(t, "the instance", within(t, "the close", ended), websocket.StatusGoingAway)
	}
}

// Who does not answer a close frame is cut off.
func TestASocketThatDoesNotAnswerIsCutOff(t *testing.T) {
	w := begin(t, declare(t, service("api")), Options{})
	ended := make(chan error, 1)
	addr := sockets(t, ended)
	w.put("api-1", addr, registry.Ready)
	c, err := net.Dial("tcp", w.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: api.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x85\x00\x00") // in the middle of a frame
	from := bufio.NewReader(c)
	if res, err := http.ReadResponse(from, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("%v, %v", res, err)
	}
	w.replace(addr, says(t, "new"))
	b, err := io.ReadAll(from)
	if want := "\x88\x1b\x03\xf4the instance was replaced"; string(b) != want {
		t.Errorf("%q, %v, want %q", b, err, want)
	}
	if err := within(t, "the instance hears of it", ended); websocket.CloseStatus(err) != -1 {
		t.Errorf("it was told something in the middle of a frame: %v", err)
	}
}

// Other upgrades are opaque: all that can be done is to cut them.
func TestOtherUpgradesAreCut(t *testing.T) {
	w := begin(t, declare(t, service("api")), Options{})
	ended := make(chan error, 1)
	addr := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\nhello")
		_, err = io.Copy(io.Discard, rw)
		ended <- err
	})
	w.put("api-1", addr, registry.Ready)
	c, err := net.Dial("tcp", w.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: api.localhost\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
	from := bufio.NewReader(c)
	if res, err := http.ReadResponse(from, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("%v, %v", res, err)
	}
	if _, err := from.Discard(5); err != nil {
		t.Fatal(err)
	}
	w.replace(addr, says(t, "new"))
	if b, _ := io.ReadAll(from); len(b) > 0 {
		t.Errorf("%q", b)
	}
	within(t, "the instance hears of it", ended)
}

// streaming is an instance whose responses begin, and go on until it hears that
// they ended.
func streaming(t *testing.T, left chan<- struct{}) string {
	t.Helper()
	return upstream(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/events":
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		case "/sized":
			w.Header().Set("Content-Length", "100000")
		}
		_, _ = io.WriteString(w, "data: one\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		left <- struct{}{}
	})
}

func TestStreamsEndWhenTheirInstanceIsReplaced(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		for _, speaks := range []stack.Protocol{stack.HTTP, stack.H2C} {
			for path, well := range map[string]bool{"/events": true, "/chunks": false, "/sized": false} {
				t.Run(fmt.Sprintf("%s over HTTP/2 %t to %s", path, h2, speaks), func(t *testing.T) {
					w := begin(t, declare(t, service("api", func(s *stack.Service) { s.Protocol = speaks })), Options{})
					left := make(chan struct{}, 1)
					addr := streaming(t, left)
					w.put("api-1", addr, registry.Ready)
					client := asker(h2)
					defer client.CloseIdleConnections()
					res, err := client.Do(w.request("GET", "api.localhost", path, nil))
					if err != nil {
						t.Fatal(err)
					}
					defer res.Body.Close()
					first := make([]byte, len("data: one\n\n"))
					if _, err := io.ReadFull(res.Body, first); err != nil {
						t.Fatal(err)
					}
					began := time.Now()
					w.replace(addr, says(t, "new"))
					if d := time.Since(began); d > 500*time.Millisecond {
						t.Errorf("it took %s", d)
					}
					rest, err := io.ReadAll(res.Body)
					if len(rest) > 0 || (err == nil) != well {
						t.Errorf("it ended with %q, %v", rest, err)
					}
					within(t, "the instance hears of it", left)
					res, err = client.Do(w.request("GET", "api.localhost", path, nil))
					if err != nil {
						t.Fatal(err)
					}
					b, _ := io.ReadAll(res.Body)
					_ = res.Body.Close()
					if string(b) != "new" {
						t.Errorf("after it: %q", b)
					}
				})
			}
		}
	}
}

// The client's connection is the gateway's: what else is under way on it goes on.
func TestOtherStreamsOfAConnectionGoOn(t *testing.T) {
	w := begin(t, declare(t, service("api"), service("other")), Options{})
	left := make(chan struct{}, 2)
	addr, beside := streaming(t, left), streaming(t, left)
	w.put("api-1", addr, registry.Ready)
	w.put("other-1", beside, registry.Ready)
	client := asker(true)
	defer client.CloseIdleConnections()
	conns := map[string]bool{}
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, to string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, to)
		if err == nil {
			conns[c.LocalAddr().String()] = true
		}
		return c, err
	}
	open := func(host string) *http.Response {
		res, err := client.Do(w.request("GET", host, "/chunks", nil))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(res.Body, make([]byte, len("data: one\n\n"))); err != nil {
			t.Fatal(err)
		}
		return res
	}
	other, api := open("other.localhost"), open("api.localhost")
	defer other.Body.Close()
	defer api.Body.Close()
	w.replace(addr, says(t, "new"))
	if _, err := io.ReadAll(api.Body); err == nil {
		t.Error("it ended well")
	}
	within(t, "the old instance hears of it", left)
	if w.pooled("other").landed(beside) {
		t.Error("the other one was ended")
	}
	res, err := client.Do(w.request("GET", "api.localhost", "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if len(conns) != 1 {
		t.Errorf("there are %d connections", len(conns))
	}
}

// To a client of HTTP/1.0 the end of the connection is that of the response: it
// has to look otherwise.
func TestAnOldClientIsNotCutShort(t *testing.T) {
	for path, well := range map[string]bool{"/events": true, "/chunks": false} {
		t.Run(path, func(t *testing.T) {
			w := begin(t, declare(t, service("api")), Options{})
			left := make(chan struct{}, 1)
			addr := streaming(t, left)
			w.put("api-1", addr, registry.Ready)
			c, err := net.Dial("tcp", w.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, _ = fmt.Fprintf(c, "GET %s HTTP/1.0\r\nHost: api.localhost\r\n\r\n", path)
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if _, err := io.ReadFull(res.Body, make([]byte, len("data: one\n\n"))); err != nil {
				t.Fatal(err)
			}
			w.replace(addr, says(t, "new"))
			if rest, err := io.ReadAll(res.Body); len(rest) > 0 || (err == nil) != well {
				t.Errorf("it ended with %q, %v", rest, err)
			}
			within(t, "the instance hears of it", left)
		})
	}
}

func TestUnansweredRequestsOfAReplacedInstance(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		for _, speaks := range []stack.Protocol{stack.HTTP, stack.H2C} {
			for _, method := range []string{"GET", "POST"} {
				t.Run(fmt.Sprintf("%s over HTTP/2 %t to %s", method, h2, speaks), func(t *testing.T) {
					w := begin(t, declare(t, service("api", func(s *stack.Service) { s.Protocol = speaks })), Options{})
					began := make(chan struct{})
					addr := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
						_, _ = io.Copy(io.Discard, r.Body)
						close(began)
						<-r.Context().Done()
					})
					w.put("api-1", addr, registry.Ready)
					client := asker(h2)
					defer client.CloseIdleConnections()
					type answer struct {
						status int
						body   string
						err    error
					}
					got := make(chan answer, 1)
					go func() {
						var body io.Reader
						if method == "POST" {
							body = strings.NewReader("body")
						}
						res, err := client.Do(w.request(method, "api.localhost", "/", body))
						if err != nil {
							got <- answer{err: err}
							return
						}
						b, err := io.ReadAll(res.Body)
						_ = res.Body.Close()
						got <- answer{res.StatusCode, string(b), err}
					}()
					within(t, "the request", began)
					w.replace(addr, says(t, "new"))
					a := within(t, "the answer", got)
					if method == "GET" { // it may go elsewhere
						if a.status != 200 || a.body != "new" {
							t.Errorf("%+v", a)
						}
						return
					}
					var p wire.Problem
					_ = json.Unmarshal([]byte(a.body), &p)
					if a.status != 503 || p.Detail != "api-1 was replaced while the request was in flight" || len(p.Instances) != 1 {
						t.Errorf("%+v", a)
					}
				})
			}
		}
	}
}

// An upload that is under way is answered, too.
func TestAnUploadToAReplacedInstanceIsAnswered(t *testing.T) {
	w := begin(t, declare(t, service("api")), Options{})
	began := make(chan struct{})
	addr := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 4))
		close(began)
		_, _ = io.Copy(io.Discard, r.Body)
	})
	w.put("api-1", addr, registry.Ready)
	c, err := net.Dial("tcp", w.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: api.localhost\r\nContent-Length: 100000\r\n\r\nbody")
	within(t, "the request", began)
	answer := make(chan string, 1)
	go func() {
		defer c.Close()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			answer <- err.Error()
			return
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		answer <- res.Status + string(b)
	}()
	w.replace(addr, says(t, "new"))
	if got := within(t, "the answer", answer); !strings.HasPrefix(got, "503") || !strings.Contains(got, "api-1 was replaced while the request was in flight") {
		t.Error(got)
	}
}

func TestGRPCCallsEndWhenTheirInstanceIsReplaced(t *testing.T) {
	serveChecks := func(s grpc_health_v1.HealthCheckResponse_ServingStatus) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server, checks := grpc.NewServer(), health.NewServer()
		checks.SetServingStatus("shop", s)
		grpc_health_v1.RegisterHealthServer(server, checks)
		served := make(chan error, 1)
		go func() { served <- server.Serve(ln) }()
		t.Cleanup(func() { server.Stop(); <-served })
		return ln.Addr().String()
	}
	w := begin(t, declare(t, service("api")), Options{})
	addr := serveChecks(grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	w.put("api-1", addr, registry.Ready)
	conn, err := grpc.NewClient("passthrough:///"+w.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("api.localhost"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := grpc_health_v1.NewHealthClient(conn)
	watch, err := client.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	w.replace(addr, serveChecks(grpc_health_v1.HealthCheckResponse_SERVING))
	_, err = watch.Recv()
	if s := status.Convert(err); s.Code() != codes.Unavailable || s.Message() != "api-1 was replaced while the request was in flight" {
		t.Errorf("%v", err)
	}
	res, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "shop"})
	if err != nil || res.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("Check = %v, %v", res, err)
	}
}

func TestRawConnectionsToAReplacedInstanceEnd(t *testing.T) {
	w := begin(t, declare(t, service("api", speaks(stack.TCP)), service("web", needs("api"))), Options{})
	addr := answerer(t, "old") // answers once it has read to the end
	w.put("api-1", addr, registry.Ready)
	edge, _ := w.Edge("web", "api")
	c, err := net.Dial("tcp", edge)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, "hello")
	pool := w.pooled("api")
	eventually(t, "the connection is relayed", func() bool {
		pool.mu.Lock()
		defer pool.mu.Unlock()
		return slices.ContainsFunc(pool.all, func(e *endpoint) bool { return e.addr == addr && len(e.relays) == 1 })
	})
	got := make(chan string, 1)
	go func() {
		b, err := io.ReadAll(c)
		got <- fmt.Sprintf("%s, %v", b, err)
		_ = c.Close()
	}()
	w.replace(addr, answerer(t, "new"))
	if s := within(t, "the end", got); s != ", <nil>" {
		t.Errorf("it ended with %s", s)
	}
	if s, err := ask(edge, "hello"); s != "new:hello" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
}

// An address that takes requests is not ended, however little time there is.
func TestAnAddressInUseIsNotEnded(t *testing.T) {
	w := begin(t, declare(t, service("api")), Options{})
	started, goOn := make(chan struct{}), make(chan struct{})
	addr := slow(t, started, goOn)
	w.put("api-1", addr, registry.Ready)
	answer := make(chan string)
	go func() {
		_, body, _ := w.get("api.localhost", "/")
		answer <- body
	}()
	within(t, "the request", started)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Drain(ctx, addr); err == nil {
		t.Error("drained with a request in flight")
	}
	close(goOn)
	if body := within(t, "the answer", answer); body != "slow" {
		t.Errorf("got %q", body)
	}
}
