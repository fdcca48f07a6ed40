package balance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	policies = []string{"least_request", "round_robin", "random", "ring_hash", "maglev"}
	start    = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// weighing returns hosts called a, b, c …, ready since start.
func weighing(weights ...int) []*Host {
	var hosts []*Host
	for i, w := range weights {
		hosts = append(hosts, &Host{Key: string(rune('a' + i)), Weight: w, Ready: start})
	}
	return hosts
}

func balancing(o Options, hosts ...*Host) *Balancer {
	o.Seed = 1
	b := New(o)
	b.Update(hosts)
	return b
}

// spread picks n times, with hashes where the policy goes by them, and returns
// the percentage of each host.
func spread(b *Balancer, n int, now time.Time) []float64 {
	taken := map[*Host]int{}
	for i := range n {
		taken[b.Pick(now, nth(7, i), true, nil)]++
	}
	var out []float64
	for _, h := range b.hosts {
		out = append(out, float64(taken[h])*100/float64(n))
	}
	return out
}

func near(got, want []float64, by float64) bool {
	return slices.EqualFunc(got, want, func(g, w float64) bool { return g > w-by && g < w+by })
}

func TestShares(t *testing.T) {
	for _, c := range []struct {
		name    string
		policy  string
		weights []int
		active  []int
		want    []float64
	}{
		{"one of three is busy", "least_request", []int{1, 1, 1}, []int{0, 0, 10}, []float64{44.45, 44.45, 11.1}},
		{"one of two is busier", "least_request", []int{1, 1}, []int{2, 3}, []float64{75, 25}},
		{"all are idle", "least_request", []int{1, 1}, []int{0, 0}, []float64{50, 50}},
		{"weights", "least_request", []int{2, 1}, []int{0, 0}, []float64{66.7, 33.3}},
		{"weights and busyness", "least_request", []int{2, 1}, []int{3, 0}, []float64{33.3, 66.7}},
		{"the default", "", []int{1, 1}, []int{3, 2}, []float64{25, 75}},
		{"random is even", "random", []int{0, 1, 1}, []int{9, 0, 0}, []float64{33.3, 33.3, 33.3}},
		{"random has weights", "random", []int{5, 3, 2}, []int{0, 0, 9}, []float64{50, 30, 20}},
		{"round robin has weights", "round_robin", []int{5, 3, 2}, []int{0, 0, 9}, []float64{50, 30, 20}},
		{"Maglev has weights", "maglev", []int{5, 3, 2}, []int{0, 0, 9}, []float64{50, 30, 20}},
	} {
		t.Run(c.name, func(t *testing.T) {
			hosts := weighing(c.weights...)
			for i, h := range hosts {
				h.Active = c.active[i]
			}
			got := spread(balancing(Options{Policy: c.policy}, hosts...), 100_000, start)
			if !near(got, c.want, 1) {
				t.Errorf("%.2f %%, want %v", got, c.want)
			}
		})
	}
}

func TestRoundRobinIsSmooth(t *testing.T) {
	for _, c := range []struct {
		weights []int
		want    string
	}{
		{[]int{0, 0, 0}, "abcabcabc"},
		{[]int{5, 1, 1}, "aabacaaaabacaa"}, // nginx's example
		{[]int{2, 1}, "abaaba"},
		{[]int{11, 3}, "aabaaaabaaabaa" + "aabaaaabaaabaa"},
	} {
		b := balancing(Options{Policy: "round_robin"}, weighing(c.weights...)...)
		var got strings.Builder
		for range c.want {
			got.WriteString(b.Pick(start, 0, false, nil).Key)
		}
		if got.String() != c.want {
			t.Errorf("weights %v: %s, want %s", c.weights, &got, c.want)
		}
	}
}

func TestSlowStart(t *testing.T) {
	const window = time.Minute
	for _, policy := range []string{"least_request", "round_robin", "random"} {
		for _, c := range []struct {
			window, after time.Duration
			share         float64 // of a full one
		}{
			{window, -time.Second, 0.1},
			{window, 0, 0.1},
			{window, window / 20, 0.1},
			{window, window / 4, 0.25},
			{window, window / 2, 0.5},
			{window, window, 1},
			{window, time.Hour, 1},
			{0, 0, 1},
			{0, -time.Second, 1},
		} {
			hosts := weighing(1, 1)
			hosts[0].Ready = time.Time{}
			got := spread(balancing(Options{Policy: policy, SlowStart: c.window}, hosts...), 20_000, start.Add(c.after))
			if want := []float64{100 / (1 + c.share), 100 * c.share / (1 + c.share)}; !near(got, want, 1) {
				t.Errorf("%s: %s of %s: %.1f %%, want %.1f", policy, c.after, c.window, got, want)
			}
		}
	}
}

func TestTriedAndEjectedHostsAreLeftOut(t *testing.T) {
	for _, c := range []struct {
		hosts   int
		tried   string
		ejected string
		want    string // all that are ever picked
	}{
		{0, "", "", ""},
		{3, "", "", "abc"},
		{3, "b", "", "ac"},
		{3, "ab", "", "c"},
		{3, "abc", "", ""},
		{3, "", "a", "bc"},
		{3, "b", "a", "c"},
		{3, "bc", "a", "a"},   // there is no other
		{3, "", "ab", "abc"},  // more than half
		{3, "c", "ab", "ab"},  // more than half
		{4, "", "ab", "cd"},   // half
		{4, "cd", "ab", "ab"}, // there are no others
		{4, "abcd", "ab", ""},
		{2, "", "a", "b"},
		{1, "", "a", "a"},
	} {
		for _, policy := range policies {
			hosts := weighing(make([]int, c.hosts)...)
			b := balancing(Options{Policy: policy, Ejection: Ejection{Errors: 1, Time: time.Minute}}, hosts...)
			var tried []*Host
			for _, h := range hosts {
				if strings.Contains(c.ejected, h.Key) {
					b.Report(h, false, start)
				}
				if strings.Contains(c.tried, h.Key) {
					tried = append(tried, h)
				}
			}
			for _, hashed := range []bool{true, false} {
				picked := map[string]bool{}
				for i := range 100 {
					if h := b.Pick(start, nth(7, i), hashed, tried); h != nil {
						picked[h.Key] = true
					}
				}
				var got string
				for _, h := range hosts {
					if picked[h.Key] {
						got += h.Key
					}
				}
				if got != c.want {
					t.Errorf("%s (hash: %v): of %d without %q, ejected %q: %q, want %q",
						policy, hashed, c.hosts, c.tried, c.ejected, got, c.want)
				}
			}
		}
	}
}

func TestAHostThatLeftIsNotPicked(t *testing.T) {
	for _, policy := range policies {
		hosts := weighing(1, 1, 1)
		b := balancing(Options{Policy: policy}, hosts...)
		spread(b, 10, start)
		b.Update(hosts[:2])
		for i := range 100 {
			if h := b.Pick(start, nth(7, i), true, nil); h == hosts[2] {
				t.Fatalf("%s chose a host that left", policy)
			}
		}
	}
}

func TestPickDoesNotAllocate(t *testing.T) {
	for _, policy := range policies {
		hosts := weighing(3, 1, 1, 1)
		b := balancing(Options{Policy: policy, SlowStart: time.Minute, Ejection: Ejection{1, time.Minute}}, hosts...)
		tried := hosts[1:2]
		var i int
		pick := func() {
			i++
			b.Pick(start, nth(7, i), true, nil)
			b.Pick(start, nth(7, i), false, tried)
			b.Pick(start, nth(7, i), true, tried)
		}
		if n := testing.AllocsPerRun(100, pick); n != 0 {
			t.Errorf("%s: %v allocations", policy, n)
		}
		b.Report(hosts[0], false, start)
		if n := testing.AllocsPerRun(100, pick); n != 0 {
			t.Errorf("%s: %v allocations with one ejected", policy, n)
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, policy := range policies {
		for _, c := range []struct {
			name    string
			weights []int
		}{
			{"3", []int{1, 1, 1}},
			{"3 weighted", []int{3, 2, 1}},
			{"16", make([]int, 16)},
		} {
			b.Run(fmt.Sprintf("%s/%s", policy, c.name), func(b *testing.B) {
				balancer := balancing(Options{Policy: policy}, weighing(c.weights...)...)
				balancer.Pick(start, 0, true, nil) // makes the table
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					balancer.Pick(start, nth(7, i), true, nil)
				}
			})
		}
	}
}

// What the caller pays once after a change.
func BenchmarkTable(b *testing.B) {
	for _, policy := range []string{"ring_hash", "maglev"} {
		for _, n := range []int{3, 16, 100} {
			b.Run(fmt.Sprintf("%s/%d", policy, n), func(b *testing.B) {
				hosts := weighing(make([]int, n)...)
				balancer := balancing(Options{Policy: policy})
				for b.Loop() {
					balancer.Update(hosts)
					balancer.Pick(start, 0, true, nil)
				}
			})
		}
	}
}

func BenchmarkHash(b *testing.B) {
	for b.Loop() {
		Hash("session=6ba7b810-9dad-11d1-80b4")
	}
}
