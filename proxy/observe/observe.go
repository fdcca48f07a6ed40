// Package observe sees the requests of the gateway: it keeps the last ones as
// records, counts all of them by route and by who called whom, and continues
// their traces. Seeing a request costs it no allocation and no lock.
package observe

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxSeries bounds the series, each of about 1 KiB: what routes and edges a
// stack file had in all of its edits. What comes after shares one.
const maxSeries = 4096

// Recorder is what was seen of a gateway's requests. It is safe for concurrent
// use, and no reader delays a request.
type Recorder struct {
	started time.Time
	slots   []slot
	last    atomic.Uint64                 // the number given last
	newer   atomic.Pointer[chan struct{}] // closed with the next record; nil while nobody waits
	reading sync.Mutex                    // one reader at a time looks at the slots

	mu     sync.Mutex
	series map[label]*Series
}

// label is what tells one Series from another.
type label struct{ route, caller, service string }

// New returns a Recorder that has seen nothing.
func New() *Recorder {
	return &Recorder{started: time.Now(), slots: make([]slot, Records), series: map[label]*Series{}}
}

// Series is where the requests of a route, or of a caller within the stack, to
// a service are counted: the same one for the same texts. The route is "" for
// a call within, the caller is "" for requests from outside; both and the
// service are "" for what no route takes. It is meant to be kept: it takes a
// lock.
func (r *Recorder) Series(route, caller, service string) *Series {
	valid := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") } // as metrics want it
	l := label{valid(route), valid(caller), valid(service)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.series[l]; ok {
		return s
	}
	if len(r.series) >= maxSeries {
		l = label{route: "(more)"}
		if s, ok := r.series[l]; ok {
			return s
		}
	}
	s := &Series{label: l}
	r.series[l] = s
	return s
}

// all are the series in the order of their texts.
func (r *Recorder) all() []*Series {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Values(r.series), byLabel)
}
