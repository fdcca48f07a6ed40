package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

const (
	// readyLimit is how long what stands by may take to become ready, or twice
	// its start_period where that is longer.
	readyLimit = 60 * time.Second
	// restartDrain bounds what is in flight at an instance that has to end
	// before the next one starts: other requests wait for that one meanwhile,
	// and they do so for twice as long.
	restartDrain = 5 * time.Second
)

// rollout makes a service run what there is now: it builds once, then replaces
// the instances, a few at a time. What runs goes on until its replacement is
// ready; when there will be none, it is marked as stale. Of each service there
// is one rollout at a time: the next one ends it.
type rollout struct {
	sup     *Supervisor
	service *stack.Service
	wants   []wanted
	build   build
	spec    Spec          // that is built
	hold    time.Duration // before it begins
	began   atomic.Int64  // when the build did, as Unix nanoseconds; 0 before
	seen    atomic.Bool   // an instance of it has taken its place
	cancel  context.CancelFunc
	done    chan struct{}
}

// swaps reports whether an instance of s can run beside the one that it
// replaces.
func swaps(s *stack.Service) bool {
	switch {
	case s.Kind != stack.KindService || len(s.Endpoints) > 0:
		return false
	case s.Reload.Mode == stack.ReloadSwap:
		return s.Port == 0
	}
	return hands(s)
}

// roll begins a rollout that makes instances of one service what is wanted,
// after a while.
func (s *Supervisor) roll(wants []wanted, hold time.Duration) {
	sv := wants[0].Service
	prev := s.supersede(sv.Name)
	r := &rollout{sup: s, service: sv, wants: wants, build: s.built[sv.Name], hold: hold, done: make(chan struct{})}
	if prev != nil {
		r.build = prev.build
	}
	r.build = build{n: r.build.n + 1}
	port := 0
	if i, ok := s.running[wants[0].ID]; ok {
		port = i.spec.Port
	}
	r.spec = s.spec(sv, wants[0].ID, port)
	r.spec.Bin = r.build.bin(sv.Name)
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	s.rollouts[sv.Name] = r
	s.goroutines.Go(func() {
		defer close(r.done)
		defer r.cancel()
		if prev != nil {
			<-prev.done
		}
		r.run(ctx)
	})
}

// supersede makes the rollout of a service end, and returns it; nil for none.
func (s *Supervisor) supersede(service string) *rollout {
	r := s.rollouts[service]
	if r != nil {
		r.cancel()
	}
	return r
}

// cutShort is what the rollouts make that steps are about to supersede, by
// service.
func (s *Supervisor) cutShort(steps []Step) map[string][]wanted {
	cut := map[string][]wanted{}
	for _, st := range steps {
		if i, ok := s.running[st.Instance]; ok {
			if r := s.rollouts[i.want.Service.Name]; r != nil && r.underWay() {
				cut[r.service.Name] = r.wants
			}
		}
	}
	return cut
}

// unfinished are those of wants that a rollout which was cut short still owes
// what it has made: they run on as they are, and the steps leave them alone.
func (s *Supervisor) unfinished(wants []wanted, steps []Step) []wanted {
	return slices.DeleteFunc(slices.Clone(wants), func(w wanted) bool {
		i, ok := s.running[w.ID]
		return !ok || i.stops() || i.build.n >= s.rollouts[w.Service.Name].build.n ||
			slices.ContainsFunc(steps, func(st Step) bool { return st.Instance == w.ID })
	})
}

// becoming is what a rollout that is under way makes of an instance. A nil one
// makes nothing.
func (r *rollout) becoming(id string) (wanted, bool) {
	if r == nil || !r.underWay() {
		return wanted{}, false
	}
	n := slices.IndexFunc(r.wants, func(w wanted) bool { return w.ID == id })
	if n < 0 {
		return wanted{}, false
	}
	return r.wants[n], true
}

func (r *rollout) underWay() bool {
	select {
	case <-r.done:
		return false
	default:
		return true
	}
}

func (r *rollout) run(ctx context.Context) {
	if !sleep(ctx, r.hold) {
		return
	}
	r.began.Store(time.Now().UnixNano())
	out := r.sup.Logs.Writer(r.service.Name, r.spec.ID)
	defer out.Close() //nolint:errcheck // the store reports its own failures
	if err := r.makes(ctx, out); err != nil {
		r.failed(ctx, out, err)
		return
	}
	b := build{r.build.n, true}
	g, replacing := errgroup.WithContext(ctx)
	g.SetLimit(max(r.service.Reload.MaxSurge, 1))
	for _, w := range r.wants {
		g.Go(func() error {
			if err := replacing.Err(); err != nil {
				return err
			}
			return r.replace(replacing, w, b)
		})
	}
	if err := g.Wait(); err != nil {
		r.failed(ctx, out, err)
		return
	}
	_, _ = r.sup.do(ctx, func() ([]Step, error) { return r.sup.follow(r.service.Name), nil })
}

// failure is a rollout that did not succeed, as it is told.
type failure struct {
	reason string
	output []string
	err    error
}

func (f *failure) Error() string { return f.reason }
func (f *failure) Unwrap() error { return f.err }

// makes builds what will run.
func (r *rollout) makes(ctx context.Context, out io.Writer) error {
	if r.spec.Setup.IsZero() && r.spec.BuildCommand.IsZero() {
		return ctx.Err()
	}
	tail := &tail{}
	err := r.sup.build(ctx, r.spec, io.MultiWriter(out, tail))
	if err == nil || ctx.Err() != nil {
		return err
	}
	step := "build"
	var b *BuildError
	if errors.As(err, &b) && b.Step == "setup" {
		step = b.Step
	}
	return &failure{step + " failed", tail.lines(), err}
}

// replace makes one instance what is wanted, and returns once it is.
func (r *rollout) replace(ctx context.Context, w wanted, b build) error {
	var old, standby *instance
	began := time.Now()
	_, err := r.sup.do(ctx, func() (_ []Step, err error) {
		i, ok := r.sup.running[w.ID]
		if !ok || i.stops() {
			return nil, nil // it is not wanted any more
		}
		old = i
		if e, _ := i.existing(); e.Serving && swaps(r.service) {
			standby, err = r.sup.standBy(w, b)
			return nil, err
		}
		return nil, r.sup.replaceNow(i, w, b)
	})
	switch {
	case err != nil || old == nil:
		return err
	case standby == nil:
		err = r.awaitReady(ctx, w.ID, began)
		r.seen.Store(true)
		return err
	}
	if err = r.awaitTrial(ctx, standby); err == nil {
		_, err = r.sup.do(ctx, func() ([]Step, error) {
			r.seen.Store(true)
			return nil, r.sup.promote(old, standby)
		})
	}
	if err != nil {
		standby.explain(err)
		standby.stop(true, true)
		standby.cancel()
	}
	return err
}

// awaitTrial waits until what stands by is ready.
func (r *rollout) awaitTrial(ctx context.Context, i *instance) error {
	limit := max(readyLimit, 2*r.service.Healthcheck.StartPeriod)
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case err := <-i.trial:
		if err == nil && r.hold > 0 && !sleep(ctx, loopUnseen) {
			return ctx.Err()
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return &failure{fmt.Sprintf("the new instance is not ready after %s", limit), r.sup.Logs.Tail(i.want.ID, tailLines), nil}
	}
}

// awaitReady waits until the instance that took the place of one that had to
// end first is ready, or has failed; who looks at the table sees why.
func (r *rollout) awaitReady(ctx context.Context, id string, since time.Time) error {
	for after := uint64(0); ; {
		snap, err := r.sup.Registry.Next(ctx, after)
		if err != nil {
			return err
		}
		after = snap.Revision
		i, ok := snap.Instance(id)
		switch {
		case !ok, i.Since.Before(since): // it is the old one
		case i.State == registry.Ready, i.State == registry.Completed:
			return nil
		case i.State == registry.Failed, i.State == registry.Backoff:
			return &failure{"the new instance has failed", i.Output, nil}
		}
	}
}

// failed says in the table and in the log why what runs is not the latest.
func (r *rollout) failed(ctx context.Context, out io.Writer, err error) {
	if ctx.Err() != nil || errors.Is(err, errEnded) || errors.Is(err, context.Canceled) {
		return // the next one takes over, or the stack ends
	}
	f := &failure{reason: err.Error(), err: err}
	errors.As(err, &f)
	_, _ = fmt.Fprintf(out, "msctl: %s: %s goes on with the code from before\n", f.reason, r.service.Name)
	stale := &registry.Stale{Reason: f.reason, Since: time.Now(), Output: f.output}
	_, _ = r.sup.do(ctx, func() ([]Step, error) {
		for _, w := range r.wants {
			if i, ok := r.sup.running[w.ID]; ok && i.build.n != r.build.n {
				i.stale(stale, f.err)
			}
		}
		return nil, nil
	})
}

// standBy starts an instance beside the one whose place it is to take.
func (s *Supervisor) standBy(w wanted, b build) (*instance, error) {
	slot, port := s.freeSlot(w.ID), 0
	if old, ok := s.running[w.ID]; ok && hands(w.Service) && old.spec.Socket != nil {
		slot, port = old.slot, old.spec.Port
	} else {
		var err error
		if port, err = s.leasePort(w.ID, slot); err != nil {
			return nil, err
		}
	}
	i := s.instance(w, b, port)
	i.slot, i.standby, i.trial = slot, true, make(chan error, 1)
	s.beside[i] = struct{}{}
	i.enter()
	var ctx context.Context
	ctx, i.cancel = context.WithCancel(context.Background())
	s.goroutines.Go(func() { i.run(ctx, nil) })
	return i, nil
}

// promote gives a standby its replica's place, in one revision of the table,
// and has the other one drain and end.
func (s *Supervisor) promote(old, standby *instance) error {
	if s.running[old.want.ID] != old || old.stops() {
		return context.Canceled
	}
	// On a socket that both have, only one may accept: requests wait until the
	// old one has finished what it had, and has gone.
	shared := standby.spec.Socket != nil && standby.spec.Socket == old.spec.Socket
	to, drain := registry.Ready, standby.want.Service.Reload.Drain
	if shared {
		to, drain = registry.Starting, min(drain, restartDrain)
	}
	if err := standby.takePlace(old, to, drain); err != nil {
		return err
	}
	s.running[old.want.ID] = standby
	delete(s.beside, standby)
	s.beside[old] = struct{}{}
	s.built[standby.want.Service.Name] = standby.build
	if standby.spec.Socket == nil {
		s.sockets.close(old.want.ID)
	}
	if shared {
		s.goroutines.Go(func() {
			<-old.done
			standby.become(registry.Ready, nil)
		})
	}
	old.cancel()
	return nil
}

// replaceNow ends an instance, and then starts what was built in its place.
func (s *Supervisor) replaceNow(old *instance, w wanted, b build) error {
	port := w.Service.Port
	if port == 0 {
		var err error
		if port, err = s.leasePort(w.ID, old.slot); err != nil {
			return err
		}
	}
	s.built[w.Service.Name] = b
	old.mu.Lock()
	old.drain = min(w.Service.Reload.Drain, restartDrain)
	old.mu.Unlock()
	s.halt(Step{Action: Replace, Instance: w.ID}, false)
	i := s.instance(w, b, port)
	i.slot = old.slot
	s.launch(i, old)
	return nil
}
