package policy

import (
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/stack"
)

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := compile(t, stack.Policies{RateLimit: &stack.RateLimit{Requests: 2, Per: 10 * time.Second, Burst: 3}}, Options{})
		h := request("GET")
		pass := func(n int) {
			t.Helper()
			for i := range n {
				if a := p.Check(t.Context(), h); a != nil {
					t.Fatalf("request %d of %d: %s", i+1, n, a.Problem.Detail)
				}
			}
		}
		refused := func(seconds string) {
			t.Helper()
			a := p.Check(t.Context(), h)
			if status(a) != 429 {
				t.Fatalf("got %d", status(a))
			}
			for name, want := range map[string]string{
				"Retry-After":      seconds,
				"RateLimit-Policy": `"route";q=2;w=10`,
				"RateLimit":        `"route";r=0;t=` + seconds,
			} {
				if got := value(t, a, name); got != want {
					t.Errorf("%s: got %s, want %s", name, got, want)
				}
			}
		}
		pass(3)
		refused("5")
		<-time.After(3500 * time.Millisecond)
		refused("2") // 1.5 s, and a client that comes after 1 s is too early
		<-time.After(1500 * time.Millisecond)
		pass(1)
		refused("5")
		<-time.After(time.Hour)
		pass(3)
		refused("5")
	})
}

func TestRateLimitTellsCallersApart(t *testing.T) {
	from := func(client, header string) *wire.Head {
		h := request("GET", "x-api-key", header)
		h.Client = netip.MustParseAddr(client)
		return h
	}
	heads := []*wire.Head{from("10.0.0.1", "a"), from("10.0.0.2", "a"), from("10.0.0.1", "b"), from("::ffff:10.0.0.1", "b")}
	for by, want := range map[string][]int{
		"":                 {0, 429, 429, 429},
		"client":           {0, 0, 429, 429},
		"header:X-Api-Key": {0, 429, 0, 429},
	} {
		p := compile(t, stack.Policies{RateLimit: &stack.RateLimit{Requests: 1, Per: time.Hour, Burst: 1, By: by}}, Options{})
		for n, h := range heads {
			if got := status(p.Check(t.Context(), h)); got != want[n] {
				t.Errorf("by %q, request %d: got %d, want %d", by, n+1, got, want[n])
			}
		}
	}
}

func TestRateLimitIsBounded(t *testing.T) {
	p := compile(t, stack.Policies{RateLimit: &stack.RateLimit{Requests: 1, Per: time.Hour, Burst: 1, By: "header:K"}}, Options{})
	first := request("GET", "K", "0")
	if p.Check(t.Context(), first) != nil {
		t.Fatal("the first was refused")
	}
	for n := 1; n < maxKeys; n++ {
		p.Check(t.Context(), request("GET", "K", strconv.Itoa(n)))
	}
	if p.Check(t.Context(), first) == nil { // which makes key 1 the oldest
		t.Fatal("a key was forgotten while there was room")
	}
	p.Check(t.Context(), request("GET", "K", "one more"))
	if len(p.limit.keys) != maxKeys || p.limit.used.Len() != maxKeys {
		t.Errorf("%d keys, %d in order", len(p.limit.keys), p.limit.used.Len())
	}
	if p.Check(t.Context(), first) == nil {
		t.Error("the key that was used last was forgotten")
	}
	if p.Check(t.Context(), request("GET", "K", "1")) != nil {
		t.Error("the key that was not used for the longest time was kept")
	}
}

func TestRateLimitAllocatesNothing(t *testing.T) {
	for _, by := range []string{"", "client", "header:K"} {
		p := compile(t, stack.Policies{RateLimit: &stack.RateLimit{Requests: 1e9, Per: time.Second, Burst: 1e9, By: by}}, Options{})
		h := request("GET", "K", "a")
		if n := testing.AllocsPerRun(100, func() { p.Check(t.Context(), h) }); n != 0 {
			t.Errorf("by %q: %v allocations", by, n)
		}
	}
}

func TestRateLimitInParallel(t *testing.T) {
	const burst = 100
	p := compile(t, stack.Policies{RateLimit: &stack.RateLimit{Requests: 1, Per: time.Hour, Burst: burst, By: "client"}}, Options{})
	var passed atomic.Int64
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			h := request("GET")
			for range burst {
				if p.Check(t.Context(), h) == nil {
					passed.Add(1)
				}
			}
		})
	}
	callers.Wait()
	if passed.Load() != burst {
		t.Errorf("%d passed, want %d", passed.Load(), burst)
	}
}

func TestExtremeRates(t *testing.T) {
	for _, r := range []stack.RateLimit{
		{Requests: 1, Per: 1 << 62, Burst: 1 << 30},
		{Requests: 1 << 30, Per: 1, Burst: 1 << 30},
	} {
		p := compile(t, stack.Policies{RateLimit: &r}, Options{})
		for range 3 {
			if a := p.Check(t.Context(), request("GET")); a != nil && a.Problem.Detail == "" {
				t.Errorf("%+v: got %+v", r, a)
			}
		}
		if p.limit.burst <= 0 || p.limit.interval <= 0 {
			t.Errorf("%+v: burst %d, interval %d", r, p.limit.burst, p.limit.interval)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1s", 10 * time.Second: "10s", time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h", 10 * time.Minute: "10m", 61 * time.Minute: "1h1m",
	} {
		if got := short(d); got != want {
			t.Errorf("%s: got %s", want, got)
		}
	}
}

func BenchmarkRateLimit(b *testing.B) {
	p := compile(b, stack.Policies{RateLimit: &stack.RateLimit{Requests: 1e9, Per: time.Second, Burst: 1e9, By: "client"}}, Options{})
	h := request("GET")
	b.ReportAllocs()
	for b.Loop() {
		p.Check(b.Context(), h)
	}
}
