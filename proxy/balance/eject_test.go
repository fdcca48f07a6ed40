package balance

import (
	"testing"
	"time"
)

func TestEjection(t *testing.T) {
	h := &Host{}
	b := balancing(Options{Ejection: Ejection{Errors: 3, Time: time.Minute}}, h)
	now := start
	// fails lets h fail n times; the last must eject it, for as long as said.
	fails := func(n int, want time.Duration) {
		t.Helper()
		for i := range n {
			if ejected := b.Report(h, false, now); ejected != (i == n-1) {
				t.Fatalf("failure %d: ejected %v", i+1, ejected)
			}
		}
		if !h.Ejected(now.Add(want-1)) || h.Ejected(now.Add(want)) {
			t.Fatalf("ejected for %s, want %s", h.until.Sub(now), want)
		}
		now = h.until
	}
	b.Report(h, false, now)
	b.Report(h, false, now)
	b.Report(h, true, now) // not in a row
	fails(3, time.Minute)
	fails(3, 2*time.Minute)
	fails(3, 3*time.Minute)
	now = now.Add(time.Minute - 1)
	fails(3, 4*time.Minute) // it has not been well for long enough
	now = now.Add(2 * time.Minute)
	fails(3, 3*time.Minute) // 4 less 2, and one more
	now = now.Add(time.Hour)
	fails(3, time.Minute)
	for _, n := range []time.Duration{2, 3, 4, 5, 5, 5} { // Envoy's max_ejection_time
		fails(3, n*time.Minute)
	}
	now = now.Add(time.Minute)
	fails(3, 5*time.Minute) // at the cap, ejections are not piled up
	now = now.Add(2 * time.Minute)
	fails(3, 4*time.Minute)
}

func TestWhatAnEjectedHostAnswersDoesNotCount(t *testing.T) {
	h := &Host{}
	b := balancing(Options{Ejection: Ejection{Errors: 2, Time: time.Minute}}, h)
	b.Report(h, false, start)
	b.Report(h, false, start)
	until := h.until
	for range 5 {
		if b.Report(h, false, start.Add(time.Second)) || h.until != until {
			t.Fatalf("ejected again, until %s", h.until)
		}
	}
	if b.Report(h, false, until) {
		t.Error("the first failure after it ejected the host again")
	}
	if !b.Report(h, false, until) {
		t.Error("the second failure after it did not eject the host again")
	}
}

func TestHowLongTheFirstEjectionIs(t *testing.T) {
	for _, c := range []struct {
		e    Ejection
		want time.Duration
	}{
		{Ejection{}, 0},
		{Ejection{Time: time.Minute}, 0},
		{Ejection{Errors: 1}, 0},
		{Ejection{Errors: 1, Time: 30 * time.Second}, 30 * time.Second},
		{Ejection{Errors: 1, Time: time.Hour}, time.Hour}, // above the cap: Envoy takes the greater
	} {
		h := &Host{}
		b := balancing(Options{Ejection: c.e}, h)
		ejected := b.Report(h, false, start)
		if ejected != (c.want > 0) || h.Ejected(start) != ejected {
			t.Errorf("%+v: ejected %v", c.e, ejected)
		}
		if ejected && h.until.Sub(start) != c.want {
			t.Errorf("%+v: ejected for %s, want %s", c.e, h.until.Sub(start), c.want)
		}
	}
}

// A change of options makes a new Balancer, an Update another set of hosts.
func TestEjectionsOutliveABalancer(t *testing.T) {
	hosts := weighing(1, 1, 1)
	o := Options{Policy: "round_robin", Ejection: Ejection{Errors: 1, Time: time.Minute}}
	b := balancing(o, hosts...)
	b.Report(hosts[0], false, start)
	for _, b := range []*Balancer{balancing(o, hosts...), b} {
		b.Update(hosts)
		for range 3 {
			if b.Pick(start, 0, false, nil) == hosts[0] {
				t.Fatal("an ejected host was chosen")
			}
		}
		back := false
		for range 3 {
			back = back || b.Pick(start.Add(time.Minute), 0, false, nil) == hosts[0]
		}
		if !back {
			t.Error("a host was not chosen when its ejection was over")
		}
	}
}
