package proxy

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/msctl/msctl/proxy/observe"
	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

func TestRoundRobinIsEvenAndSmooth(t *testing.T) {
	for _, c := range []struct {
		weights []int
		want    string
	}{
		{[]int{0, 0, 0}, "abcabcabc"},
		{[]int{5, 1, 1}, "aabacaaaabacaa"}, // nginx's example
		{[]int{2, 1}, "abaaba"},
	} {
		p := newTestPool(stack.RoundRobin)
		var in []registry.Instance
		for n, w := range c.weights {
			in = append(in, registry.Instance{ID: string(rune('a' + n)), Address: "x", State: registry.Ready, Weight: w})
		}
		p.update(in, time.Now())
		var got strings.Builder
		for range c.want {
			e, _ := p.take(&pass{})
			got.WriteString(e.instance)
		}
		if got.String() != c.want {
			t.Errorf("weights %v: %s, want %s", c.weights, &got, c.want)
		}
	}
}

func TestOnlyReadyInstancesTakeRequests(t *testing.T) {
	w := begin(t, declare(t, service("api")), Options{})
	w.put("api-1", says(t, "one"), registry.Ready)
	w.put("api-2", says(t, "two"), registry.Ready)
	w.put("api-3", says(t, "three"), registry.Unready)
	seen := map[string]int{}
	for range 10 {
		_, body, _ := w.get("api.localhost", "/")
		seen[body]++
	}
	if seen["one"] != 5 || seen["two"] != 5 {
		t.Errorf("answers: %v", seen)
	}
	w.put("api-1", says(t, "one"), registry.Draining)
	for range 4 {
		if _, body, _ := w.get("api.localhost", "/"); body != "two" {
			t.Errorf("%s answered", body)
		}
	}
}

func TestWeightsCount(t *testing.T) {
	w := begin(t, declare(t, service("api")), Options{})
	w.put("api-1", says(t, "one"), registry.Ready, weighing(3))
	w.put("api-2", says(t, "two"), registry.Ready)
	seen := map[string]int{}
	for range 40 {
		_, body, _ := w.get("api.localhost", "/")
		seen[body]++
	}
	if seen["one"] != 30 || seen["two"] != 10 {
		t.Errorf("answers: %v", seen)
	}
}

func TestAnotherInstanceTakesWhatOneRefused(t *testing.T) {
	w := begin(t, declare(t, service("api")), Options{})
	w.put("api-1", nobody(t), registry.Ready)
	w.put("api-2", upstream(t, func(w http.ResponseWriter, r *http.Request) { echo(w, r) }), registry.Ready)
	for range 6 {
		r := w.request("POST", "api.localhost", "/", strings.NewReader("a body that must not be lost"))
		if code, body, _ := w.do(r); code != 200 || body != "a body that must not be lost" {
			t.Errorf("%d %q", code, body)
		}
	}
}

// The deadlines of waiting, without waiting.
func TestHowLongARequestWaits(t *testing.T) {
	ready := func(s registry.State) []registry.Instance {
		return []registry.Instance{{ID: "api-1", Service: "api", Address: "127.0.0.1:1", State: s}}
	}
	for _, c := range []struct {
		name  string
		steps []registry.State
		want  time.Duration
	}{
		{"never had an instance", nil, 0},
		{"failed before anybody asked", []registry.State{registry.Failed}, 0},
		{"starts", []registry.State{registry.Starting}, DefaultHold},
		{"is in backoff", []registry.State{registry.Ready, registry.Backoff}, DefaultHold},
		{"has just been stopped", []registry.State{registry.Ready, registry.Stopped}, restartGap},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newTestPool(stack.RoundRobin)
				for _, s := range c.steps {
					p.update(ready(s), time.Now())
				}
				began := time.Now()
				_, err := testPass(p).Next(t.Context(), nil)
				if took := time.Since(began); err == nil || took != c.want {
					t.Errorf("%v after %s, want %s", err, took, c.want)
				}
			})
		})
	}
}

func TestAReadyInstanceThatRefusesIsWaitedForABit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPool(stack.RoundRobin)
		p.update([]registry.Instance{{ID: "api-1", Address: "127.0.0.1:1", State: registry.Ready}}, time.Now())
		w := testPass(p)
		if _, err := w.Next(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err := w.Next(t.Context(), http.ErrServerClosed)
		if took := time.Since(began); err == nil || took != settle || !strings.Contains(err.Error(), "api-1") {
			t.Errorf("%v after %s", err, took)
		}
		w.Done(&wire.Outcome{})
		if n := p.all[0].Active; n != 0 {
			t.Errorf("%d in flight", n)
		}
	})
}

// newTestPool is a pool whose upstreams lead nowhere.
func newTestPool(policy stack.Policy) *pool {
	p := newPool("api")
	p.configure(&stack.Service{Balance: stack.Balance{Policy: policy}})
	p.connect = func(addr string, _ time.Duration) wire.Upstream { return nowhere(addr) }
	return p
}

// testPass is the way of a request to p.
func testPass(p *pool) *pass {
	r := observe.New()
	return newPass(p, r, r.Series("", "", p.service), &wire.Head{Header: testHeader{}})
}

type nowhere string

func (n nowhere) Addr() string { return string(n) }

func (nowhere) Forget() {}

func (nowhere) End(bool) {}
