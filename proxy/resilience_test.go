package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// What stack.yaml says of balancing and resilience, as requests of the whole
// gateway see it. How the choices are spread is tested in package balance.

func retries(attempts int, on ...string) *stack.Retries {
	return &stack.Retries{Attempts: attempts, On: on}
}

// counting is an upstream that answers with a status and counts requests.
func counting(t *testing.T, status int) (addr string, n *atomic.Int64) {
	t.Helper()
	n = new(atomic.Int64)
	return upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.WriteHeader(status)
	}), n
}

func TestWhoseRetriesCount(t *testing.T) {
	retrying := func(s *stack.Service) { s.Retries = retries(1, "5xx") }
	st := declare(t, service("web", needs("api")), service("api", retrying))
	st.Gateway.Policies.Retries = retries(2, "5xx")
	for path, r := range map[string]*stack.Retries{"/gateway": nil, "/own": retries(3, "5xx"), "/off": {}, "/other": retries(2, "gateway-error")} {
		st.Gateway.Routes = append(st.Gateway.Routes, stack.Route{Path: path, To: "api", Policies: stack.Policies{Retries: r}})
	}
	w := begin(t, st, Options{})
	addr, n := counting(t, http.StatusInternalServerError)
	w.put("api-1", addr, registry.Ready)
	for protocol, client := range protocols(t) {
		ask := func(method, url string, want int64) {
			t.Helper()
			n.Store(0)
			r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusInternalServerError || n.Load() != want {
				t.Errorf("%s %s %s: %s after %d attempts, want %d", protocol, method, url, res.Status, n.Load(), want)
			}
		}
		for path, want := range map[string]int64{"/gateway": 3, "/own": 4, "/off": 1, "/other": 1} {
			ask("GET", w.URL()+path, want)
		}
		ask("PUT", w.URL()+"/own", 4)
		ask("POST", w.URL()+"/own", 1) // may not be repeated
		edge, _ := w.Edge("web", "api")
		ask("GET", "http://"+edge+"/", 2)
	}
}

func TestAnAttemptHasItsTime(t *testing.T) {
	slowly := &stack.Retries{Attempts: 1, On: []string{"reset"}, PerTryTimeout: 50 * time.Millisecond}
	st := declare(t,
		service("web", needs("api")),
		service("api", routed(stack.Route{Path: "/"}), func(s *stack.Service) { s.Retries = slowly; s.Balance.Policy = stack.RoundRobin }))
	w := begin(t, st, Options{})
	stuck := upstream(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	w.put("api-1", stuck, registry.Ready)
	w.put("api-2", says(t, "quick"), registry.Ready)
	edge, _ := w.Edge("web", "api")
	for protocol, client := range protocols(t) {
		for _, url := range []string{w.URL(), "http://" + edge} {
			for range 2 { // one of them goes to the stuck one first
				r, err := http.NewRequestWithContext(t.Context(), "GET", url+"/", nil)
				if err != nil {
					t.Fatal(err)
				}
				res, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				b, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if string(b) != "quick" {
					t.Errorf("%s of %s: %s %s", protocol, url, res.Status, b)
				}
			}
		}
	}
}

// When all attempts fail, those that are repeated add at most a fifth.
func TestRetriesDoNotBuryAService(t *testing.T) {
	const clients, requests = 60, 1200
	st := declare(t, service("api", routed(stack.Route{Path: "/"}), func(s *stack.Service) { s.Retries = retries(1, "5xx") }))
	w := begin(t, st, Options{})
	addr, n := counting(t, http.StatusServiceUnavailable)
	w.put("api-1", addr, registry.Ready)
	client := protocols(t)["HTTP/1.1"]
	var all sync.WaitGroup
	var begun atomic.Int64
	for range clients {
		all.Go(func() {
			for begun.Add(1) <= requests {
				r, err := http.NewRequestWithContext(context.Background(), "GET", w.URL()+"/", nil)
				if err != nil {
					t.Error(err)
					return
				}
				res, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
	}
	all.Wait()
	// In the end, when less than 15 are in flight, there are three all the same.
	const most = requests*6/5 + 15
	if got := n.Load(); got <= requests || got > most {
		t.Errorf("%d requests made %d attempts, want at most %d", requests, got, most)
	}
}

func TestAnInstanceThatFailsIsLeftOut(t *testing.T) {
	for _, c := range []struct {
		name     string
		ejection stack.Ejection
		want     int64 // requests that the failing one gets of 20
	}{
		{"after three", stack.Ejection{Errors: 3, Time: time.Hour}, 3},
		{"never", stack.Ejection{}, 10},
	} {
		st := declare(t, service("api", routed(stack.Route{Path: "/"}), func(s *stack.Service) { s.Ejection = c.ejection }))
		w := begin(t, st, Options{})
		good, right := counting(t, http.StatusOK)
		bad, wrong := counting(t, http.StatusInternalServerError)
		w.put("api-1", good, registry.Ready)
		w.put("api-2", bad, registry.Ready)
		for range 20 {
			w.get("", "/")
		}
		if wrong.Load() != c.want || right.Load() != 20-c.want {
			t.Errorf("%s: the failing instance got %d of 20, want %d", c.name, wrong.Load(), c.want)
		}
		// The last one is never left out.
		w.put("api-1", good, registry.Draining)
		if status, _, _ := w.get("", "/"); status != http.StatusInternalServerError {
			t.Errorf("%s: %d of the last instance", c.name, status)
		}
	}
}

func TestMoreRequestsThanAServiceTakesWait(t *testing.T) {
	const most = 3
	st := declare(t, service("api", routed(stack.Route{Path: "/"}), func(s *stack.Service) { s.MaxRequests = most }))
	w := begin(t, st, Options{})
	var now, top atomic.Int64
	arrived, leave := make(chan struct{}, 100), make(chan struct{})
	w.put("api-1", upstream(t, func(http.ResponseWriter, *http.Request) {
		for n := now.Add(1); ; {
			if was := top.Load(); n <= was || top.CompareAndSwap(was, n) {
				break
			}
		}
		arrived <- struct{}{}
		<-leave
		now.Add(-1)
	}), registry.Ready)
	client := protocols(t)["HTTP/1.1"]
	statuses := make(chan int, 20)
	for range cap(statuses) {
		r := w.request("GET", "", "/", nil)
		go func() {
			res, err := client.Do(r)
			if err != nil {
				statuses <- 0
				return
			}
			_ = res.Body.Close()
			statuses <- res.StatusCode
		}()
	}
	for range most {
		within(t, "a request", arrived)
	}
	eventually(t, "the others wait", func() bool {
		p := w.table.Load().pools["api"]
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.held == cap(statuses)-most
	})
	close(leave)
	for range cap(statuses) {
		if s := within(t, "a response", statuses); s != http.StatusOK {
			t.Errorf("status %d", s)
		}
	}
	if top.Load() != most {
		t.Errorf("%d requests at once, want %d", top.Load(), most)
	}
}

// The hashing policies keep what asks with the same text on one instance.
func TestTheSameTextFindsTheSameInstance(t *testing.T) {
	for by, field := range map[string]string{"header:X-Key": "X-Key", "cookie:sid": "Cookie", "client": ""} {
		for _, policy := range []stack.Policy{stack.RingHash, stack.Maglev} {
			st := declare(t, service("api", routed(stack.Route{Path: "/"}), func(s *stack.Service) {
				s.Balance = stack.Balance{Policy: policy, By: by}
			}))
			w := begin(t, st, Options{})
			for _, id := range []string{"api-1", "api-2", "api-3"} {
				w.put(id, says(t, id), registry.Ready)
			}
			seen := map[string]bool{}
			for _, key := range strings.Fields("a b c d e f g h i j k l m n o p") {
				of := map[string]bool{}
				for range 4 {
					r := w.request("GET", "", "/", nil)
					switch field {
					case "Cookie":
						r.Header.Set("Cookie", "theme=dark; sid="+key)
					case "":
					default:
						r.Header.Set(field, key)
					}
					_, id, _ := w.do(r)
					of[id], seen[id] = true, true
				}
				if len(of) != 1 {
					t.Errorf("%s by %s: %q went to %v", policy, by, key, of)
				}
			}
			if want := map[bool]int{true: 1, false: 3}[by == "client"]; len(seen) != want {
				t.Errorf("%s by %s: all went to %v, want %d instances", policy, by, seen, want)
			}
		}
	}
}

// An instance that has just become ready gets little at first.
func TestANewInstanceStartsSlowly(t *testing.T) {
	st := declare(t, service("api", routed(stack.Route{Path: "/"}), func(s *stack.Service) {
		s.Balance = stack.Balance{Policy: stack.RoundRobin, SlowStart: time.Hour}
	}))
	w := begin(t, st, Options{})
	old, _ := counting(t, http.StatusOK)
	fresh, n := counting(t, http.StatusOK)
	w.put("api-1", old, registry.Ready)
	w.table.Load().pools["api"].ready[0].Ready = time.Now().Add(-2 * time.Hour)
	w.put("api-2", fresh, registry.Ready)
	for range 110 {
		w.get("", "/")
	}
	if n.Load() != 10 { // a tenth of the other's share
		t.Errorf("the new one got %d of 110, want 10", n.Load())
	}
}

// A limit counts a request once, whichever engine carries it in the end.
func TestALimitCountsARequestOnce(t *testing.T) {
	limit := stack.Policies{RateLimit: &stack.RateLimit{Requests: 2, Per: time.Hour, Burst: 2}}
	for protocol, client := range protocols(t) {
		for _, speaks := range []stack.Protocol{stack.HTTP, stack.H2C} {
			st := declare(t, service("api", routed(stack.Route{Path: "/", Policies: limit}), func(s *stack.Service) { s.Protocol = speaks }))
			w := begin(t, st, Options{})
			w.put("api-1", says(t, "one"), registry.Ready)
			for n, want := range []int{200, 200, 429} {
				res, err := client.Do(w.request("GET", "", "/", nil))
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if res.StatusCode != want {
					t.Errorf("%s to %s: request %d got %d, want %d", protocol, speaks, n+1, res.StatusCode, want)
				}
			}
			client.CloseIdleConnections()
		}
	}
}

// Connecting has the service's own time, for raw connections as well.
func TestConnectingToARawServiceHasItsTime(t *testing.T) {
	st := declare(t, service("web", needs("db")), service("db", speaks(stack.TCP), func(s *stack.Service) { s.ConnectTimeout = time.Nanosecond }))
	w := begin(t, st, Options{})
	w.put("db-1", says(t, "db"), registry.Ready)
	edge, _ := w.Edge("web", "db")
	c, err := net.Dial("tcp", edge)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("Read = %v, want a reset", err)
	}
	eventually(t, "its record", func() bool {
		recent := w.Recorder().Recent()
		return len(recent) > 0 && strings.Contains(recent[len(recent)-1].Error, "timeout")
	})
}
