package verify

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"
)

const (
	// atOnce is how soon after the signal /readyz has to tell of it.
	atOnce = time.Second
	// unreadyPoll is how often it is asked.
	unreadyPoll = 10 * time.Millisecond
	// late is how long beyond its grace period an end is waited for, to say
	// how late it came.
	late = 3 * time.Second
)

// ending is what was seen when the service was made to end.
type ending struct {
	load    *load
	unready Result
	exit    error
	took    time.Duration
}

// end sends SIGTERM while requests are made and some are held, once; three
// checks look at what came of it.
func (r *run) end(ctx context.Context) *ending {
	if r.ended != nil {
		return r.ended
	}
	d, _ := r.description(ctx) // without one, there are no requests to hold
	load := startLoad(ctx, r.addr(), cmp.Or(d.path("get"), nowhere()), r.Timeout)
	held := holdAll(ctx, r.addr(), d.path("post"), r.Timeout)
	load.settle(ctx, func() { _, _ = r.get(ctx, "/healthz") })

	e := &ending{load: load}
	exited := make(chan struct{})
	load.signalled()
	at := time.Now()
	r.Process.Terminate()
	go func() {
		defer close(exited)
		ctx, cancel := context.WithTimeout(ctx, r.Grace+late)
		defer cancel()
		e.exit = r.Process.Exited(ctx)
		e.took = time.Since(at)
	}()
	e.unready = r.withdrawn(ctx, at)
	for _, h := range held {
		load.add(h.release())
	}
	load.stop()
	<-exited
	r.ended = e
	return e
}

// withdrawn waits until the service takes no more requests. The requests that
// are held keep it from ending before that.
func (r *run) withdrawn(ctx context.Context, at time.Time) Result {
	ctx, cancel := context.WithTimeout(ctx, atOnce)
	defer cancel()
	var err error
	status := 0 // of the last answer
	told := until(ctx, unreadyPoll, func() bool {
		var a answer
		if a, err = r.get(ctx, "/readyz"); err == nil {
			status = a.status
		}
		return ctx.Err() == nil && (err != nil || status == http.StatusServiceUnavailable)
	})
	after := rounded(time.Since(at))
	const hint = "from SIGTERM on, answer /readyz with 503, or close the listener"
	switch {
	case told && err != nil:
		return pass("nobody listens %s after SIGTERM", after)
	case told:
		return pass("GET /readyz 503 %s after SIGTERM", after)
	case status != 0:
		return fail(hint, "GET /readyz %d %s after SIGTERM", status, after)
	}
	return fail(hint, "connections are accepted %s after SIGTERM, but not answered", after)
}

func (r *run) drain(ctx context.Context) Result {
	l := r.end(ctx).load
	switch {
	case l.lost > 0:
		return fail("on SIGTERM, stop accepting, let what is in flight finish, and only then exit",
			"%d of %d requests in flight got no answer: %v", l.lost, l.inFlight, l.err)
	case l.inFlight == 0:
		return skip("no request was in flight at SIGTERM for certain: /openapi.json has no POST to hold")
	}
	return pass("requests in flight at SIGTERM: %d, all answered", l.inFlight)
}

func (r *run) unready(ctx context.Context) Result { return r.end(ctx).unready }

func (r *run) exit(ctx context.Context) Result {
	e := r.end(ctx)
	took := rounded(e.took)
	switch {
	case errors.Is(e.exit, context.DeadlineExceeded):
		return fail("let nothing hold up the end: close idle connections, and bound every wait", "it runs %s after SIGTERM", took)
	case e.exit != nil:
		return fail("handle SIGTERM, and exit with code 0", "%v, %s after SIGTERM", e.exit, took)
	case e.took > r.Grace:
		return fail("bound the wait for what is in flight, or give it a longer stop_grace_period", "exit code 0 %s after SIGTERM; it may take %s", took, r.Grace)
	}
	return pass("exit code 0 %s after SIGTERM", took)
}
