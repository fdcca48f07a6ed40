package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// swap gives an instance another address in one revision, as a reload does:
// what is at the old one finishes under another name.
func (w *world) swap(id, from, to string, n int) (old string) {
	w.t.Helper()
	name, _, _ := strings.Cut(id, "-")
	old = fmt.Sprintf("%s-old%d", id, n)
	w.reg.Edit(nil,
		registry.Instance{ID: id, Service: name, Address: to, State: registry.Ready},
		registry.Instance{ID: old, Service: name, Address: from, State: registry.Draining, Beside: id})
	return old
}

// generation is a server that names itself in each response, and ends as if its
// process were killed.
type generation struct {
	server *http.Server
	addr   string
	done   chan struct{}
}

func generate(t *testing.T, n int) *generation {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &generation{addr: ln.Addr().String(), done: make(chan struct{})}
	g.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Generation", strconv.Itoa(n))
		_, _ = io.Copy(w, r.Body)
	})}
	go func() { defer close(g.done); _ = g.server.Serve(ln) }()
	return g
}

func (g *generation) kill() {
	_ = g.server.Close()
	<-g.done
}

// The address of one instance changes again and again, and what was at the old
// one is killed the moment it has drained, while clients ask all the time over
// connections that they keep: no request fails, and none that was sent after a
// swap is answered by what was there before it.
func TestNoRequestFailsWhileAddressesAreSwapped(t *testing.T) {
	const clients, swaps = 64, 300
	w := begin(t, declare(t, service("api"), service("web", needs("api"))), Options{})
	edge, _ := w.Edge("web", "api")
	current := generate(t, 0)
	w.put("api-1", current.addr, registry.Ready)

	var (
		asked, swapped atomic.Int64
		stop           atomic.Bool
		all            sync.WaitGroup
	)
	for c := range clients {
		addr, host := w.Addr(), "api.localhost"
		if c%2 == 1 {
			addr, host = edge, edge
		}
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		from := bufio.NewReader(conn)
		all.Go(func() {
			for n := 0; !stop.Load(); n++ {
				method, body := "GET", ""
				if n%2 == 1 {
					method, body = "POST", fmt.Sprintf("%d-%d", c, n)
				}
				least := swapped.Load()
				_, _ = fmt.Fprintf(conn, "%s / HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", method, host, len(body), body)
				res, err := http.ReadResponse(from, nil)
				if err != nil {
					t.Errorf("%s to %s: %v", method, host, err)
					return
				}
				b, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || res.StatusCode != 200 || string(b) != body || res.Close {
					t.Errorf("%s to %s: %d %q, %v", method, host, res.StatusCode, b, err)
					return
				}
				if by, _ := strconv.ParseInt(res.Header.Get("X-Generation"), 10, 64); by < least {
					t.Errorf("%s to %s: sent after swap %d, answered by what was there before swap %d", method, host, least, by+1)
					return
				}
				asked.Add(1)
			}
		})
	}
	for n := 1; n <= swaps && !t.Failed(); n++ {
		before := asked.Load()
		next := generate(t, n)
		old := w.swap("api-1", current.addr, next.addr, n)
		swapped.Store(int64(n))
		if err := w.Drain(t.Context(), current.addr); err != nil {
			t.Fatal(err)
		}
		current.kill()
		w.reg.Delete(old)
		current = next
		eventually(t, "the clients go on", func() bool { return t.Failed() || asked.Load() > before+clients/4 })
	}
	stop.Store(true)
	all.Wait()
	current.kill()
	t.Logf("%d requests over %d swaps", asked.Load(), swaps)
}

func TestWhatIsAtAnOldAddressIsDrained(t *testing.T) {
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
	fresh := says(t, "new")
	w.swap("api-1", addr, fresh, 1)
	drained := make(chan error, 1)
	go func() { drained <- w.Drain(t.Context(), addr) }()
	if err := w.Drain(t.Context(), fresh); err != nil {
		t.Error(err)
	}
	for range 3 {
		if _, body, _ := w.get("api.localhost", "/"); body != "new" {
			t.Errorf("got %q", body)
		}
	}
	w.put("api-1", says(t, "newest"), registry.Ready) // another revision makes nothing forget it
	select {
	case err := <-drained:
		t.Errorf("drained with a request in flight: %v", err)
	default:
	}
	close(goOn)
	if body := within(t, "the answer", answer); body != "slow" {
		t.Errorf("got %q", body)
	}
	if err := within(t, "the drain", drained); err != nil {
		t.Error(err)
	}
}

// A request goes by the registry as it is when it comes, however late the
// gateway is to hear of it.
func TestARequestGoesByTheTableOfItsMoment(t *testing.T) {
	reg := registry.New()
	g := New(reg, Options{}) // it does not run
	if err := g.Configure(t.Context(), declare(t, service("api"))); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"127.0.0.1:1", "127.0.0.1:2"} {
		reg.Put(registry.Instance{ID: "api-1", Service: "api", Address: addr, State: registry.Ready})
		w := newPass(g.table.Load().pools["api"], g.recorder, g.unrouted, &wire.Head{Header: testHeader{}})
		u, err := w.Next(t.Context(), nil)
		if err != nil || u.Addr() != addr {
			t.Fatalf("it goes to %v, %v, want %s", u, err, addr)
		}
		w.Done(&wire.Outcome{})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Run(ctx); err != nil {
		t.Error(err)
	}
}

// What is at a new address begins anew: nothing that the old one did is held
// against it, and what the old one still does is not either.
func TestANewAddressIsANewEndpoint(t *testing.T) {
	p := newPool("api")
	p.connect = func(addr string, _ time.Duration) wire.Upstream { return nowhere(addr) }
	p.configure(&stack.Service{
		Balance:  stack.Balance{Policy: stack.RingHash, SlowStart: time.Minute},
		Ejection: stack.Ejection{Errors: 2, Time: time.Hour},
	})
	row := func(id, addr string, s registry.State) registry.Instance {
		return registry.Instance{ID: id, Service: "api", Address: addr, State: s}
	}
	long := time.Now().Add(-time.Hour)
	p.update([]registry.Instance{row("api-1", "a", registry.Ready), row("api-2", "b", registry.Ready)}, long)
	one := p.at("a")[0]
	for range 4 {
		one.Active++
		p.active++
	}
	p.leave(one, failed)
	left := p.update([]registry.Instance{
		row("api-1", "c", registry.Ready), row("api-1-old1", "a", registry.Draining), row("api-2", "b", registry.Ready),
	}, time.Now())
	if len(left) != 1 || left[0].Addr() != "a" {
		t.Errorf("left are %v", left)
	}
	next := p.at("c")[0]
	if next.Key != "api-1" || !next.Ready.After(long) || p.at("b")[0].Ready != long {
		t.Errorf("%+v", next.Host) // by hash it has the place of the one before
	}
	for range 3 {
		p.leave(one, failed)
	}
	if one.Ejected(time.Now()) || next.Ejected(time.Now()) {
		t.Error("one of them was ejected")
	}
	if len(p.at("a")) != 0 || len(p.all) != 2 {
		t.Errorf("%d endpoints are kept", len(p.all))
	}
}

// Of an instance that was replaced, and only finishes what it has, a problem
// says nothing; nor is it waited for.
func TestAProblemTellsOfNoneThatWasReplaced(t *testing.T) {
	w := begin(t, declare(t, service("api")), Options{Hold: patience})
	w.put("api-1", nobody(t), registry.Ready)
	w.reg.Edit(nil,
		registry.Instance{ID: "api-1", Service: "api", State: registry.Failed, Reason: "exit code 1"},
		registry.Instance{ID: "api-1-old1", Service: "api", Address: nobody(t), State: registry.Draining, Beside: "api-1"})
	p := w.problem(503, w.request("GET", "api.localhost", "/", nil))
	if p.Detail != "service api has no ready instance: api-1 is failed (exit code 1)" || len(p.Instances) != 1 {
		t.Errorf("%+v", p)
	}
}
