package balance

import (
	"cmp"
	"slices"
)

const (
	ringPoints = 1024      // of a host, for each unit of its weight (Envoy's minimum_ring_size is 1024 for all together)
	ringLimit  = 64 * 1024 // for all together; above, they share it by weight

	maglevSize = 65537 // Envoy's table_size, a prime
)

// Hash is the hash of a text for Pick. It is the same in every run, so that a
// client finds its instance again after a restart: FNV-1a, which is quick for
// texts as short as addresses and cookies, and mixed, because the ring goes by
// the high bits, which FNV leaves alike.
func Hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

// mix is the finaliser of SplitMix64.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// nth is the nth number of the series that belongs to a key: SplitMix64.
func nth(key uint64, n int) uint64 { return mix(key + uint64(n)*0x9e3779b97f4a7c15) }

// table says whose a hash is.
type table struct {
	points []uint64 // of a ring, ascending; nil for Maglev, where a hash is an index
	owners []int32  // indices of hosts
}

// owner returns the host of a hash. When that is no candidate, its hashes go to
// who comes next in the table, and all others stay where they are.
func (b *Balancer) owner(from []*Host, hash uint64) *Host {
	if b.table == nil {
		b.tabulate()
	}
	t := b.table
	at := t.find(hash)
	for range t.owners {
		h := b.hosts[t.owners[at]]
		if len(from) == len(b.hosts) || slices.Contains(from, h) {
			return h
		}
		if at++; at == len(t.owners) {
			at = 0
		}
	}
	return from[0] // there are more hosts than entries
}

func (t *table) find(hash uint64) int {
	if t.points == nil {
		return int(hash % uint64(len(t.owners)))
	}
	at, _ := slices.BinarySearch(t.points, hash)
	if at == len(t.points) {
		return 0
	}
	return at
}

// tabulate makes the table, which depends on the hosts but not on their order.
func (b *Balancer) tabulate() {
	slices.SortFunc(b.hosts, func(x, y *Host) int { return cmp.Compare(x.Key, y.Key) })
	if b.options.Policy == "maglev" {
		b.table = maglev(b.hosts, maglevSize)
	} else {
		b.table = ring(b.hosts)
	}
}

// ring is ketama's: a host has points all over the circle, and each owns the
// hashes up to it. Envoy fits the number of points to the number of hosts,
// which moves hashes between hosts that stay; here it is the same for as long
// as there is room.
func ring(hosts []*Host) *table {
	total := 0
	for _, h := range hosts {
		total += h.weight()
	}
	type point struct {
		hash  uint64
		owner int32
	}
	var points []point
	for i, h := range hosts {
		n := h.weight() * ringPoints
		if total > ringLimit/ringPoints {
			n = max(h.weight()*ringLimit/total, 1)
		}
		key := Hash(h.Key)
		for p := range n {
			points = append(points, point{nth(key, p), int32(i)})
		}
	}
	slices.SortFunc(points, func(x, y point) int { return cmp.Compare(x.hash, y.hash) })
	t := &table{points: make([]uint64, len(points)), owners: make([]int32, len(points))}
	for i, p := range points {
		t.points[i], t.owners[i] = p.hash, p.owner
	}
	return t
}

// maglev is the table of Eisenbud and others, "Maglev: a fast and reliable
// software network load balancer" (NSDI 2016), §3.4: in turn, each host takes
// the free entry that it likes best. Weights count as in Envoy: one that has
// half of the greatest takes its turn every other time. size is a prime.
func maglev(hosts []*Host, size int) *table {
	type turn struct {
		next, skip int // of its permutation of the entries
		due        int
	}
	turns := make([]turn, len(hosts))
	greatest := 0
	for i, h := range hosts {
		key := Hash(h.Key)
		turns[i].next = int(nth(key, 0) % uint64(size))
		turns[i].skip = int(nth(key, 1)%uint64(size-1)) + 1
		greatest = max(greatest, h.weight())
	}
	t := &table{owners: slices.Repeat([]int32{-1}, size)}
	for round, taken := 1, 0; ; round++ {
		for i := range turns {
			w := &turns[i]
			if round*hosts[i].weight() < w.due {
				continue
			}
			w.due += greatest
			for t.owners[w.next] >= 0 {
				w.next = (w.next + w.skip) % size
			}
			t.owners[w.next] = int32(i)
			if taken++; taken == size {
				return t
			}
		}
	}
}
