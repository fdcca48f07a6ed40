package balance

import (
	"fmt"
	"math/bits"
	"slices"
	"testing"
)

// named returns n hosts with addresses for keys.
func named(n int) []*Host {
	var hosts []*Host
	for i := range n {
		hosts = append(hosts, &Host{Key: fmt.Sprintf("127.0.0.1:%d", 40000+i)})
	}
	return hosts
}

func TestHash(t *testing.T) {
	// It must not change: clients would lose their instances with an update.
	for text, want := range map[string]uint64{
		"":          0xf52a15e9a9b5e89b,
		"127.0.0.1": 0x360fa4ade68d5ada,
	} {
		if got := Hash(text); got != want {
			t.Errorf("Hash(%q) = %#x, want %#x", text, got, want)
		}
	}
	// Texts that differ in their last digit differ in half of the bits.
	flipped := 0
	for i := range 1000 {
		flipped += bits.OnesCount64(Hash(fmt.Sprint("user-", i)) ^ Hash(fmt.Sprint("user-", i+1)))
	}
	if flipped < 31*1000 || flipped > 33*1000 {
		t.Errorf("%d of 64000 bits differ", flipped)
	}
}

// A host that leaves takes its own hashes with it and, on Maglev's table,
// about as many again; one that is only left out, its own alone.
func TestHowManyHashesMove(t *testing.T) {
	const picks = 20_000
	for _, c := range []struct {
		policy string
		hosts  int
		most   float64 // of the ideal 1/hosts
	}{
		{"ring_hash", 3, 1.1},
		{"ring_hash", 10, 1.1},
		{"ring_hash", 50, 1.1},
		{"maglev", 3, 2},
		{"maglev", 10, 2},
		{"maglev", 50, 2},
	} {
		hosts := named(c.hosts)
		gone := hosts[c.hosts/2]
		b := balancing(Options{Policy: c.policy}, hosts...)
		pick := func(tried ...*Host) []*Host {
			var out []*Host
			for i := range picks {
				out = append(out, b.Pick(start, nth(7, i), true, tried))
			}
			return out
		}
		before, without := pick(), pick(gone)
		b.Update(slices.Delete(hosts, c.hosts/2, c.hosts/2+1))
		after := pick()

		moved := 0
		for i, h := range before {
			if (h == gone) != (without[i] != h) {
				t.Fatalf("%s, %d hosts: leaving out %s moved a hash of %s", c.policy, c.hosts, gone.Key, h.Key)
			}
			if after[i] != h {
				moved++
			}
		}
		ideal := float64(picks) / float64(c.hosts)
		if got := float64(moved) / ideal; got < 0.8 || got > c.most {
			t.Errorf("%s: without one of %d, %.2f times as many hashes as its share moved, want at most %v", c.policy, c.hosts, got, c.most)
		}
	}
}

func TestTablesDoNotDependOnTheOrderOfHosts(t *testing.T) {
	for _, policy := range []string{"ring_hash", "maglev"} {
		hosts := named(5)
		one := balancing(Options{Policy: policy}, hosts...)
		slices.Reverse(hosts)
		other := balancing(Options{Policy: policy}, hosts...)
		for i := range maglevSize {
			for _, hash := range []uint64{uint64(i), nth(7, i)} {
				if x, y := one.Pick(start, hash, true, nil), other.Pick(start, hash, true, nil); x != y {
					t.Fatalf("%s: %s and %s for the same hash", policy, x.Key, y.Key)
				}
			}
		}
		if hosts[0].Key < hosts[1].Key {
			t.Errorf("%s: the caller's hosts were put in another order", policy)
		}
	}
}

func TestRing(t *testing.T) {
	weighted := named(4)
	weighted[0].Weight = 3
	heavy := named(2)
	heavy[0].Weight = 1_000_000
	for _, c := range []struct {
		name  string
		hosts []*Host
		want  []int // points of the first hosts
	}{
		{"one", named(1), []int{1024}},
		{"three", named(3), []int{1024, 1024, 1024}},
		{"weights", weighted, []int{3072, 1024, 1024, 1024}},
		{"more than there is room for", named(100), []int{655, 655}},
		{"much more weight than another", heavy, []int{65535, 1}},
	} {
		r := ring(c.hosts)
		if !slices.IsSorted(r.points) || len(r.points) < ringPoints || len(r.points) > ringLimit+len(c.hosts) {
			t.Errorf("%s: %d points, sorted: %v", c.name, len(r.points), slices.IsSorted(r.points))
		}
		if got := entries(r, len(c.hosts))[:len(c.want)]; !slices.Equal(got, c.want) {
			t.Errorf("%s: points %v, want %v", c.name, got, c.want)
		}
	}
}

func TestARingIsEven(t *testing.T) {
	for _, n := range []int{2, 3, 10} {
		for i, got := range spread(balancing(Options{Policy: "ring_hash"}, named(n)...), 50_000, start) {
			if ideal := 100 / float64(n); got < 0.85*ideal || got > 1.15*ideal {
				t.Errorf("host %d of %d has %.1f %%", i, n, got)
			}
		}
	}
}

func TestTheRingCloses(t *testing.T) {
	r := ring(named(2))
	last := r.points[len(r.points)-1]
	if at := r.find(last); at != len(r.points)-1 {
		t.Errorf("the last point's hash is owned by point %d", at)
	}
	if at := r.find(last + 1); at != 0 {
		t.Errorf("a hash beyond the last point is owned by point %d", at)
	}
}

func TestMaglevTable(t *testing.T) {
	weights := func(w ...int) []*Host {
		hosts := named(len(w))
		for i := range hosts {
			hosts[i].Weight = w[i]
		}
		return hosts
	}
	for _, c := range []struct {
		name        string
		hosts       []*Host
		size        int
		least, most []int // entries of each host
	}{
		{"small", named(6), 7, []int{1, 1, 1, 1, 1, 1}, []int{2, 2, 2, 2, 2, 2}},
		{"even", named(3), maglevSize, []int{21845, 21845, 21845}, []int{21846, 21846, 21846}},
		{"weights", weights(1, 2), maglevSize, []int{21846, 43691}, []int{21846, 43691}},
		{"weights, reversed", weights(2, 1), maglevSize, []int{43691, 21846}, []int{43691, 21846}},
		{"crowded", named(8), 7, make([]int, 8), []int{1, 1, 1, 1, 1, 1, 1, 1}},
	} {
		got := entries(maglev(c.hosts, c.size), len(c.hosts))
		sum := 0
		for i, n := range got {
			sum += n
			if n < c.least[i] || n > c.most[i] {
				t.Errorf("%s: entries %v, want %v to %v", c.name, got, c.least, c.most)
				break
			}
		}
		if sum != c.size {
			t.Errorf("%s: %d entries, want %d", c.name, sum, c.size)
		}
	}
}

func TestAHostWithoutEntriesIsFound(t *testing.T) {
	hosts := named(8)
	b := balancing(Options{Policy: "maglev"}, hosts...)
	b.table = maglev(b.hosts, 7)
	without := slices.Index(entries(b.table, 8), 0)
	tried := slices.Delete(slices.Clone(hosts), without, without+1)
	if h := b.Pick(start, 0, true, tried); h != hosts[without] {
		t.Errorf("%v, want %s", h, hosts[without].Key)
	}
}

// entries counts what each host owns of a table.
func entries(t *table, hosts int) []int {
	n := make([]int, hosts)
	for _, o := range t.owners {
		n[o]++
	}
	return n
}
