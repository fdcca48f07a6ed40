package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/msctl/msctl/registry"
)

// slow is an upstream whose requests say that they started, and answer when
// they may go on.
func slow(t *testing.T, started, goOn chan struct{}) string {
	t.Helper()
	return upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		started <- struct{}{}
		<-goOn
		_, _ = io.WriteString(w, "slow")
	})
}

func TestDrainWaitsForWhatIsInFlight(t *testing.T) {
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
	w.reg.Put(registry.Instance{ID: "api-1", Service: "api", Address: addr, State: registry.Draining})
	if w.pooled("api").landed(addr) {
		t.Error("nothing is in flight")
	}
	if err := w.Configure(t.Context(), declare(t)); err != nil { // without the service
		t.Fatal(err)
	}
	drained := make(chan error)
	go func() { drained <- w.Drain(t.Context(), addr) }()
	eventually(t, "the requests of a service that was removed are waited for", func() bool { return w.pooled("api").awaited(addr) })
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
	if err := w.Drain(t.Context(), "nobody"); err != nil {
		t.Error(err)
	}
}

// pooled is the pool of a service.
func (w *world) pooled(service string) *pool { return w.table.Load().pools[service] }

// landed reports whether nothing is in flight at an address.
func (p *pool) landed(addr string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !slices.ContainsFunc(p.all, func(e *endpoint) bool { return e.addr == addr && e.Active > 0 })
}

// awaited reports whether somebody waits for that.
func (p *pool) awaited(addr string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.all, func(e *endpoint) bool { return e.addr == addr && e.landed != nil })
}

// An instance is replaced by another again and again, each closed the moment
// it has drained, while clients ask all the time: no request fails.
func TestNoRequestFailsWhileInstancesAreReplaced(t *testing.T) {
	const clients, swaps = 8, 60
	w := begin(t, declare(t, service("api"), service("web", needs("api"))), Options{})
	edge, _ := w.Edge("web", "api")
	current := w.start(t, 0)

	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int64
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				url := "http://" + w.Addr() + "/"
				if c%2 == 1 {
					url = "http://" + edge + "/"
				}
				body := fmt.Sprintf("%d-%d", c, n)
				r, _ := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
				if n%2 == 1 {
					r, _ = http.NewRequestWithContext(t.Context(), "GET", url+body, nil)
				}
				if c%2 == 0 {
					r.Host = "api.localhost"
				}
				res, err := w.client.Do(r)
				if err != nil {
					t.Errorf("%s %s: %v", r.Method, r.URL, err)
					return
				}
				b, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || res.StatusCode != 200 || string(b) != body {
					t.Errorf("%s %s: %d %q, %v", r.Method, r.URL, res.StatusCode, b, err)
					return
				}
				asked.Add(1)
			}
		})
	}
	for n := 1; n <= swaps && !t.Failed(); n++ {
		before := asked.Load()
		next := w.start(t, n)
		w.reg.Put(current.row(registry.Draining))
		if err := w.Drain(t.Context(), current.addr); err != nil {
			t.Fatal(err)
		}
		current.kill()
		w.reg.Delete(current.id)
		current = next
		eventually(t, "the clients go on", func() bool { return t.Failed() || asked.Load() > before+10*clients })
	}
	cancel()
	all.Wait()
	current.kill()
	t.Logf("%d requests over %d swaps", asked.Load(), swaps)
}

// instance is a server of its own that ends as if its process were killed.
type instance struct {
	id     string
	server *http.Server
	addr   string
	done   chan struct{}
}

func (w *world) start(t *testing.T, n int) *instance {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{id: fmt.Sprintf("api-%d", n), addr: ln.Addr().String(), done: make(chan struct{})}
	i.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			_, _ = io.WriteString(w, r.URL.Path[1:])
			return
		}
		_, _ = io.Copy(w, r.Body)
	})}
	go func() { defer close(i.done); _ = i.server.Serve(ln) }()
	w.reg.Put(i.row(registry.Ready))
	return i
}

func (i *instance) row(s registry.State) registry.Instance {
	return registry.Instance{ID: i.id, Service: "api", Address: i.addr, State: s}
}

func (i *instance) kill() {
	_ = i.server.Close()
	<-i.done
}
