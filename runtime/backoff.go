package runtime

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/msctl/msctl/stack"
)

// The restart policy's figures.
const (
	backoffBase  = 100 * time.Millisecond // Docker's first delay, doubled each time
	backoffMax   = 30 * time.Second       // a developer who fixed the cause should not wait a minute, as Docker would have it
	backoffReset = 10 * time.Second       // a run of this length counts as stable (Docker's rule)
	loopExits    = 3                      // short runs in a row that make a crash loop
)

// backoff decides what follows an instance's end. It belongs to one goroutine.
type backoff struct {
	policy stack.Restart
	short  int       // short runs in a row
	first  time.Time // end of the first of them
	total  int       // restarts so far
}

// verdict is what to do next.
type verdict struct {
	Restart bool
	Delay   time.Duration
	Loop    string // "crash loop: 4 exits in 3s", when it is one
}

// ended takes the end of a run into account. success is exit code 0.
func (b *backoff) ended(success bool, ran time.Duration, now time.Time) verdict {
	if ran >= backoffReset {
		b.short = 0
	}
	if b.short == 0 {
		b.first = now
	}
	b.short++
	if !b.restarts(success) {
		return verdict{}
	}
	b.total++
	v := verdict{Restart: true, Delay: b.delay()}
	if b.short >= loopExits {
		v.Loop = fmt.Sprintf("crash loop: %d exits in %s", b.short, now.Sub(b.first).Round(100*time.Millisecond))
	}
	return v
}

func (b *backoff) restarts(success bool) bool {
	switch b.policy.Mode {
	case stack.RestartAlways, stack.RestartUnlessStopped:
		return true
	case stack.RestartOnFailure:
		return !success && (b.policy.Max == 0 || b.total < b.policy.Max)
	}
	return false
}

// delay is nothing for the first restart, since most crashes are single ones,
// then doubles, with a fifth of jitter so that replicas do not march in step.
func (b *backoff) delay() time.Duration {
	if b.short <= 1 {
		return 0
	}
	d := backoffMax
	if n := b.short - 2; n < 16 {
		d = min(backoffMax, backoffBase<<n)
	}
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64())) //nolint:gosec // jitter
}
