package proxy

import (
	"context"
	"maps"
	"slices"
	"time"
)

// What is in flight at an address that had its time to drain has endLimit to
// come to an end as its protocol does, and cutLimit once it is cut.
const (
	endLimit = 1500 * time.Millisecond // a WebSocket takes up to 1 s of it
	cutLimit = 500 * time.Millisecond
)

// end closes what is in flight at e, and returns when it is gone, or does not go
// whatever is done. One that takes requests is left alone.
func (p *pool) end(ctx context.Context, e *endpoint) {
	for _, cut := range []bool{false, true} {
		p.mu.Lock()
		gone := e.gone
		e.ending = gone
		relays := slices.Collect(maps.Keys(e.relays))
		p.mu.Unlock()
		if !gone {
			return
		}
		e.upstream.End(cut)
		limit := endLimit
		for _, r := range relays {
			if cut {
				r.cut()
			} else {
				r.end()
			}
		}
		if cut {
			limit = cutLimit
		}
		limited, cancel := context.WithTimeout(ctx, limit)
		err := p.drained(limited, e)
		cancel()
		if err == nil {
			return
		}
	}
}

// relays counts r among what end closes at e; false when that is over. relayed
// must follow.
func (p *pool) relays(e *endpoint, r *relay) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.ending {
		return false
	}
	if e.relays == nil {
		e.relays = map[*relay]struct{}{}
	}
	e.relays[r] = struct{}{}
	return true
}

func (p *pool) relayed(e *endpoint, r *relay) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(e.relays, r)
}

// ends reports whether what is at e is ended.
func (p *pool) ends(e *endpoint) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return e.ending
}
