package observe

import (
	"cmp"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// bounds are the upper bounds of a histogram's buckets in seconds: those that
// Prometheus' clients have by default, and three below, since a call on
// loopback rarely takes 5 ms.
var bounds = [...]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// Series counts requests: of a route, or from one service to another.
type Series struct {
	label
	inFlight atomic.Int64
	held     atomic.Int64
	errors   atomic.Uint64
	retries  atomic.Uint64
	bytesIn  atomic.Uint64
	bytesOut atomic.Uint64
	time     atomic.Uint64                  // of all, in nanoseconds
	buckets  [len(bounds) + 1]atomic.Uint64 // each without those below
	codes    [80]atomic.Uint64              // by codes.index
}

// end counts a request that is over.
func (s *Series) end(e *Entry) {
	s.inFlight.Add(-1)
	s.codes[codes.of(e.Status)].Add(1)
	s.buckets[bucket(e.Total)].Add(1)
	s.time.Add(uint64(max(e.Total, 0)))
	s.bytesIn.Add(uint64(max(e.Received, 0)))
	s.bytesOut.Add(uint64(max(e.Sent, 0)))
	if e.failed() {
		s.errors.Add(1)
	}
	if e.Attempts > 1 {
		s.retries.Add(uint64(e.Attempts - 1))
	}
}

// bucket is the index of the bucket that d belongs to.
func bucket(d time.Duration) int {
	seconds := d.Seconds()
	for i, b := range bounds {
		if seconds <= b {
			return i
		}
	}
	return len(bounds)
}

// histogram is how long requests took: how many by bucket.
type histogram [len(bounds) + 1]uint64

func (s *Series) histogram() (h histogram) {
	for i := range s.buckets {
		h[i] = s.buckets[i].Load()
	}
	return h
}

func (h *histogram) add(o histogram) {
	for i, n := range o {
		h[i] += n
	}
}

func (h *histogram) count() (n uint64) {
	for _, in := range h {
		n += in
	}
	return n
}

// quantile is below what q of the requests took, as far as the buckets tell:
// within one it goes straight, and the last has no end (Prometheus'
// histogram_quantile). 0 when there are none.
func (h *histogram) quantile(q float64) time.Duration {
	rank := q * float64(h.count())
	if rank == 0 {
		return 0
	}
	from := 0.0
	for i, to := range bounds {
		n := float64(h[i])
		if rank <= n {
			return time.Duration((from + (to-from)*rank/n) * float64(time.Second)).Round(time.Microsecond)
		}
		rank -= n
		from = to
	}
	return time.Duration(from * float64(time.Second))
}

// statuses are the codes that are counted by themselves; others count with
// their class, so that no service can make series without end.
type statuses struct {
	names []string   // "0" is none
	index [600]uint8 // of names, by status
}

var codes = func() (c statuses) {
	c.names = []string{"0", "1xx", "2xx", "3xx", "4xx", "5xx"}
	for status := 100; status < len(c.index); status++ {
		c.index[status] = uint8(status / 100)
		if http.StatusText(status) != "" {
			c.index[status] = uint8(len(c.names)) //nolint:gosec // far below 256
			c.names = append(c.names, strconv.Itoa(status))
		}
	}
	return c
}()

func (c *statuses) of(status int) uint8 {
	if status < 0 || status >= len(c.index) {
		return 0
	}
	return c.index[status]
}

func byLabel(a, b *Series) int {
	return cmp.Or(cmp.Compare(a.caller, b.caller), cmp.Compare(a.service, b.service), cmp.Compare(a.route, b.route))
}
