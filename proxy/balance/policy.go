package balance

import "time"

// slowStartFloor is the share that a host begins with (Envoy's
// slow_start_config.min_weight_percent, 10 %).
const slowStartFloor = 0.1

// leastRequest takes the less busy of two random hosts; both may be the same
// one. With unequal shares it goes by weight and busyness at once: Envoy's
// weight/(active+1)^active_request_bias, whose bias is 1.
func (b *Balancer) leastRequest(from []*Host, now time.Time) *Host {
	if !b.even || now.Before(b.warm) {
		return b.weighted(from, now, true)
	}
	h, other := from[b.random.IntN(len(from))], from[b.random.IntN(len(from))]
	if other.Active < h.Active {
		return other
	}
	return h
}

// roundRobin is nginx's smooth weighted round robin: each host gains its
// weight, the richest is taken and pays all that was gained.
func (b *Balancer) roundRobin(from []*Host, now time.Time) *Host {
	var best *Host
	total := 0.0
	for _, h := range from {
		w := b.share(h, now)
		total += w
		h.gained += w
		if best == nil || h.gained > best.gained {
			best = h
		}
	}
	best.gained -= total
	return best
}

// weighted chooses at random by the hosts' shares, of which each request in
// flight takes away when busy is set.
func (b *Balancer) weighted(from []*Host, now time.Time, busy bool) *Host {
	if b.even && !busy && !now.Before(b.warm) {
		return from[b.random.IntN(len(from))]
	}
	var chosen *Host
	total := 0.0
	for _, h := range from {
		w := b.share(h, now)
		if busy {
			w /= float64(h.Active + 1)
		}
		// Who comes later displaces the choice so far with what it has of the
		// total: one pass does, and the first is always chosen.
		total += w
		if b.random.Float64()*total < w {
			chosen = h
		}
	}
	return chosen
}

// share is a host's weight, as much of it as slow start leaves: Envoy's
// max(10 %, time since ready / window), with its aggression of 1.
func (b *Balancer) share(h *Host, now time.Time) float64 {
	w := float64(h.weight())
	if !now.Before(b.warm) {
		return w
	}
	grown := float64(now.Sub(h.Ready)) / float64(b.options.SlowStart)
	return w * min(max(grown, slowStartFloor), 1)
}

func (h *Host) weight() int { return max(h.Weight, 1) }
