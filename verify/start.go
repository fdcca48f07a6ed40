package verify

import (
	"context"
	"errors"
	"net"
	"time"
)

const (
	// startPoll is how often a service that starts is looked at.
	startPoll = 20 * time.Millisecond
	// lastWords is how much is shown of what a service wrote before it ended.
	lastWords = 200
)

// errExited is the end with exit code 0 of a process that should go on.
var errExited = errors.New("exit code 0")

// await looks until done, and says what ended that before: the timeout, or the
// end of the process. A service that is not ours gets one look.
func (r *run) await(ctx context.Context, done func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	living, release := r.alive(ctx)
	defer release()
	if until(living, startPoll, func() bool { return done(living) || r.Process == nil }) {
		return nil
	}
	return context.Cause(living)
}

// alive returns a context that ends with the process, which is its cause then.
func (r *run) alive(ctx context.Context) (context.Context, func()) {
	ctx, end := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if r.Process == nil {
			return
		}
		err := r.Process.Exited(ctx)
		if err == nil {
			err = errExited
		}
		end(err)
	}()
	return ctx, func() {
		end(nil)
		<-done
	}
}

// start waits until the service accepts connections. One that runs already
// gets one try.
func (r *run) start(ctx context.Context) Result {
	var last error
	began := time.Now()
	ended := r.await(ctx, func(ctx context.Context) bool {
		var d net.Dialer
		var c net.Conn
		if c, last = d.DialContext(ctx, "tcp", r.addr()); last == nil {
			_ = c.Close()
		}
		return last == nil
	})
	switch {
	case r.Process == nil && last != nil:
		return fail("is the service up, and the address right?", "%v", last)
	case r.Process == nil:
		return pass("listens on %s", r.addr())
	case ended == nil:
		return pass("listens on $PORT after %s", rounded(time.Since(began)))
	case errors.Is(ended, context.DeadlineExceeded):
		return fail("it has to listen on 127.0.0.1, on the port in $PORT", "nobody listens on $PORT after %s", r.Timeout)
	}
	return fail(r.advice(ended), "it ended before it listened: %v", ended)
}

// advice is what the end of the process says is to be done, or else what the
// process wrote last.
func (r *run) advice(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	lines, _ := r.Process.Log().Lines()
	if len(lines) == 0 {
		return "what it wrote, if anything, is above"
	}
	return "it wrote last: " + shortened(lines[len(lines)-1])
}

func shortened(s string) string {
	if len(s) > lastWords {
		return s[:lastWords] + "…"
	}
	return s
}

// rounded is a time as precise as a reader needs it.
func rounded(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
