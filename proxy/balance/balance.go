// Package balance says which instance of a service takes a request, which one
// is left out for a while, and how much may be tried again. It is data and
// decisions: it has no goroutines and no locks, and is told the time. What
// belongs to one service is called by one goroutine at a time.
package balance

import (
	"math/rand/v2"
	"slices"
	"time"
)

// panicPercent is how many hosts may be ejected before ejection is ignored
// (Envoy's common_lb_config.healthy_panic_threshold).
const panicPercent = 50

// Host is one endpoint. The caller keeps the exported fields; Weight and Ready
// count from the next Update on. An endpoint that was restarted is a new Host:
// nothing that the old one did is held against it.
type Host struct {
	Key    string    // tells it from the others: the hashing policies place it by this
	Weight int       // its share; below 1 is 1
	Active int       // requests in flight
	Ready  time.Time // since when it takes requests
	Owner  any       // what the caller embeds the Host in; nothing here looks at it

	gained   float64   // of the smooth weighted round robin
	failures int       // in a row
	ejected  int64     // how often in a row
	until    time.Time // when the last ejection ends
}

// Options are how a service's requests are spread.
type Options struct {
	Policy    string        // "least_request" (the default), "round_robin", "random", "ring_hash" or "maglev"
	SlowStart time.Duration // until a host has its full share; the hashing policies have none
	Ejection  Ejection
	Seed      uint64 // of the random choices; 0 takes another each time
}

// Balancer chooses among the hosts of one service.
type Balancer struct {
	options Options
	random  *rand.Rand
	hosts   []*Host
	even    bool      // all weights are equal
	warm    time.Time // when the last host has its full share
	until   time.Time // when the last ejection ends
	room    []*Host   // for the candidates of a pick, as long as hosts
	table   *table    // of the hashing policies; nil until somebody asks
}

// New returns a Balancer without hosts.
func New(o Options) *Balancer {
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	return &Balancer{options: o, random: rand.New(rand.NewPCG(o.Seed, 0))}
}

// Update makes hosts those that are chosen from. What is known of a host that
// stays is kept, as it is by another Balancer that takes it over.
func (b *Balancer) Update(hosts []*Host) {
	b.hosts, b.room, b.table = slices.Clone(hosts), make([]*Host, 0, len(hosts)), nil
	b.even, b.warm, b.until = true, time.Time{}, time.Time{}
	for _, h := range hosts {
		b.even = b.even && h.weight() == hosts[0].weight()
		if b.options.SlowStart > 0 {
			b.warm = later(b.warm, h.Ready.Add(b.options.SlowStart))
		}
		b.until = later(b.until, h.until)
	}
}

// Pick chooses a host that is neither among tried nor ejected; nil when all were
// tried. Ejection does not count when it leaves none, nor when more than half
// of the hosts are ejected. The hash is what ring_hash and maglev go by; without
// one, hashed is false, they choose at random. Pick does not allocate, but for
// their tables after an Update.
func (b *Balancer) Pick(now time.Time, hash uint64, hashed bool, tried []*Host) *Host {
	from := b.candidates(now, tried)
	if len(from) == 0 {
		return nil
	}
	switch b.options.Policy {
	case "round_robin":
		return b.roundRobin(from, now)
	case "random":
		return b.weighted(from, now, false)
	case "ring_hash", "maglev":
		if hashed {
			return b.owner(from, hash)
		}
		return b.weighted(from, now, false)
	default:
		return b.leastRequest(from, now)
	}
}

// Timeless reports whether Pick and a Report of success do the same at any
// time, so that nobody has to know it: no host is warming up or ejected.
func (b *Balancer) Timeless() bool { return b.warm.IsZero() && b.until.IsZero() }

// candidates are the hosts that a pick may choose. They are good until the next.
func (b *Balancer) candidates(now time.Time, tried []*Host) []*Host {
	eject := now.Before(b.until) && !b.panics(now)
	if !eject && len(tried) == 0 {
		return b.hosts
	}
	from := b.room[:0]
	for _, h := range b.hosts {
		if !slices.Contains(tried, h) && !(eject && h.Ejected(now)) {
			from = append(from, h)
		}
	}
	if len(from) > 0 || !eject {
		return from
	}
	for _, h := range b.hosts {
		if !slices.Contains(tried, h) {
			from = append(from, h)
		}
	}
	return from
}

// panics reports whether so many hosts are ejected that the fault is hardly
// theirs, and the few others would drown.
func (b *Balancer) panics(now time.Time) bool {
	n := 0
	for _, h := range b.hosts {
		if h.Ejected(now) {
			n++
		}
	}
	return n*100 > panicPercent*len(b.hosts)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
