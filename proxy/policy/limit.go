package policy

import (
	"container/list"
	"fmt"
	"hash/maphash"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/stack"
)

// maxKeys bounds what a limiter remembers. The key not seen for the longest time
// makes room; nearly always it has its whole burst again, as a new one has.
const maxKeys = 10_000

// limiter lets through so many requests of each key. It is the generic cell
// rate algorithm (ITU-T I.371): of a key one instant is kept, the one at which
// it will have been idle for long enough to have all of its burst again.
type limiter struct {
	by       string // "client", "header", "" for all together
	header   string
	interval int64 // ns from one request to the next
	burst    int64 // ns that a key may be ahead
	policy   string
	words    string // of the limit, for people
	now      func() time.Time
	began    time.Time
	seed     maphash.Seed

	mu   sync.Mutex
	keys map[uint64]*list.Element // of *cell
	used list.List                // the latest in front
}

type cell struct {
	key  uint64 // a hash: values of fields may be long
	full int64  // ns since began
}

func newLimiter(r *stack.RateLimit, now func() time.Time) (*limiter, error) {
	if r == nil || r.Requests == 0 {
		return nil, nil // there is no limit
	}
	if r.Requests < 0 || r.Per <= 0 {
		return nil, fmt.Errorf("%d requests in %s are no limit", r.Requests, r.Per)
	}
	l := &limiter{
		interval: max(int64(r.Per)/int64(r.Requests), 1),
		policy:   `"route";q=` + strconv.Itoa(r.Requests),
		words:    fmt.Sprintf("%d requests in %s", r.Requests, short(r.Per)),
		now:      now,
		began:    now(),
		seed:     maphash.MakeSeed(),
		keys:     map[uint64]*list.Element{},
	}
	// A century fits an int64 of nanoseconds twice.
	l.burst = l.interval * min(max(int64(r.Burst), 1), max(math.MaxInt64/4/l.interval, 1))
	if r.Per%time.Second == 0 {
		l.policy += ";w=" + strconv.FormatInt(int64(r.Per/time.Second), 10)
	}
	if header, ok := strings.CutPrefix(r.By, "header:"); ok {
		l.by, l.header = "header", header
	} else if l.by = r.By; l.by != "client" && l.by != "" {
		return nil, fmt.Errorf("by %q is neither client nor header:Name", r.By)
	}
	return l, nil
}

// check answers a request that is too many with 429 (RFC 6585 §4) and the
// fields of draft-ietf-httpapi-ratelimit-headers-10.
func (l *limiter) check(h *wire.Head) *wire.Answer {
	if l == nil {
		return nil
	}
	wait := l.take(l.key(h))
	if wait == 0 {
		return nil
	}
	seconds := strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
	return refuse(http.StatusTooManyRequests,
		fmt.Sprintf("more than %s came%s; the next may come in %s s (rate_limit)", l.words, l.whose(h), seconds),
		"Retry-After", seconds, "RateLimit-Policy", l.policy, "RateLimit", `"route";r=0;t=`+seconds)
}

// key tells callers apart. All who lack the header are one.
func (l *limiter) key(h *wire.Head) uint64 {
	switch l.by {
	case "client":
		a := h.Client.As16()
		return maphash.Bytes(l.seed, a[:])
	case "header":
		return maphash.String(l.seed, h.Header.Get(l.header))
	}
	return 0
}

// whose says of whom there were too many. The value of a header may be a
// secret.
func (l *limiter) whose(h *wire.Head) string {
	switch l.by {
	case "client":
		return " from " + h.Client.String()
	case "header":
		return " with the same " + l.header
	}
	return ""
}

// take counts a request of key: 0 lets it through, otherwise it may come again
// after the time returned.
func (l *limiter) take(key uint64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := int64(l.now().Sub(l.began))
	e := l.keys[key]
	if e == nil {
		e = l.admit(key)
	} else {
		l.used.MoveToFront(e)
	}
	c := e.Value.(*cell)
	full := max(c.full, now) + l.interval
	if ahead := full - now; ahead > l.burst {
		return time.Duration(ahead - l.burst)
	}
	c.full = full
	return 0
}

// admit makes room for one more key; l.mu is held.
func (l *limiter) admit(key uint64) *list.Element {
	if len(l.keys) < maxKeys {
		e := l.used.PushFront(&cell{key: key})
		l.keys[key] = e
		return e
	}
	e := l.used.Back()
	c := e.Value.(*cell)
	delete(l.keys, c.key)
	*c = cell{key: key}
	l.keys[key] = e
	l.used.MoveToFront(e)
	return e
}

// short is d without its zero parts: 1m, not 1m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
