package balance

import "testing"

func TestBudget(t *testing.T) {
	for _, c := range []struct{ active, want int }{
		{1, 3}, // min_retry_concurrency
		{15, 3},
		{24, 4},
		{120, 20}, // 100 and their retries
		{1200, 200},
	} {
		var b Budget
		n := 0
		for b.Allow(c.active) {
			n++
		}
		if n != c.want {
			t.Errorf("%d active: %d retries, want %d", c.active, n, c.want)
		}
		b.Done()
		if !b.Allow(c.active) || b.Allow(c.active) {
			t.Errorf("%d active: a retry that is done does not make room for one", c.active)
		}
	}
}

// All attempts fail, each after one step, and every request would be tried
// again without end. New requests come all the same, or when others ended.
func TestRetriesAddAFifthToTheLoad(t *testing.T) {
	const steps = 1000
	for _, clients := range []int{1, 3, 10, 100, 1000} {
		for _, waits := range []bool{false, true} {
			var b Budget
			first, retries := clients, 0 // in flight
			var firsts, again int
			for range steps {
				firsts += first
				again += retries
				active := first + retries
				failed, tried := active, retries
				retries = 0
				for ; failed > 0; failed-- {
					if tried > 0 {
						tried--
						b.Done()
					}
					if b.Allow(active) {
						retries++
					} else {
						active--
					}
				}
				first = clients
				if waits {
					first -= retries
				}
				if most := max(first/5, 3); retries > most {
					t.Fatalf("%d clients: %d retries in flight with %d other requests, want at most %d", clients, retries, first, most)
				}
			}
			if most := firsts/5 + 3*steps; again == 0 || again > most {
				t.Errorf("%d clients: %d attempts and %d retries, want at most %d", clients, firsts, again, most)
			}
		}
	}
}
