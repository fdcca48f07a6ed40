package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// tailLines is how much output a failure report carries.
const tailLines = 10

// instance is one replica: a goroutine that brings it up, keeps it up by
// policy, and writes each state into the registry.
type instance struct {
	sup       *Supervisor
	want      wanted
	build     build
	slot      int // which of the replica's ports it has
	await     []stack.Dependency
	elsewhere map[string]string // of these, those that others run: their name in the registry
	probe     prober
	spec      Spec
	cancel    context.CancelFunc
	done      chan struct{}   // closed when nothing of it is left
	patience  context.Context // ends when the gateway need not drain it any more
	hurry     context.CancelFunc
	trial     chan error // of a standby: gets once how its start went
	unable    error      // why it cannot be run

	mu       sync.Mutex
	row      registry.Instance
	told     *stack.Service // what the row says of the service
	standby  bool           // its replica's place is another's
	exited   *failure       // how a standby ended before it took its place
	drain    time.Duration  // what is in flight when it stops may take so long
	stopping bool           // asked to end
	removed  bool           // its row goes with it
	replaced bool           // another gets its row, and requests wait for that one
	ended    bool

	next time.Duration // until the next start; of run's goroutine
}

// stop marks the instance as ending; cancel makes it end.
func (i *instance) stop(remove, hurry bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stopping, i.removed = true, remove
	if hurry {
		i.hurry()
	}
	if i.ended && i.removed {
		i.sup.Registry.Delete(i.row.ID) // run would, and is over
	}
}

// replace is stop for another one to follow under its name: the row says
// nothing in between that would send away who waits.
func (i *instance) replace() {
	i.stop(false, false)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.replaced = true
}

func (i *instance) isReplaced() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.replaced
}

// existing describes the instance for plan; gone says that it has left the table.
func (i *instance) existing() (e existing, gone bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return existing{
		ID:      i.want.ID,
		Service: i.want.Service,
		Ended:   i.ended,
		Stopped: i.stopping,
		Success: i.row.State == registry.Completed,
		Serving: i.serves(),
		DotEnv:  i.want.DotEnv,
	}, i.ended && i.removed
}

// enter puts the first row of the instance into the table.
func (i *instance) enter() {
	i.mu.Lock()
	defer i.mu.Unlock()
	w := i.want
	i.row = registry.Instance{
		Tags:     i.told.Tags,
		Meta:     i.told.Meta,
		Weight:   i.told.Weight,
		ID:       w.ID,
		Service:  w.Service.Name,
		Replica:  w.Replica,
		Kind:     string(w.Service.Kind),
		State:    registry.Pending,
		Since:    time.Now(),
		External: w.Address != "",
	}
	if i.standby {
		i.row.ID, i.row.Beside = fmt.Sprintf("%s-next%d", w.ID, i.build.n), w.ID
	}
	i.sup.Registry.Put(i.row)
}

// describe has the table say of the instance what the stack file says of its
// service by now. It goes on as it is.
func (i *instance) describe(s *stack.Service) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.told = s
	if i.row.ID == "" || i.removed { // it has not entered yet, or leaves
		return
	}
	i.row.Tags, i.row.Meta, i.row.Weight = s.Tags, s.Meta, s.Weight
	i.sup.Registry.Put(i.row)
}

// become moves the instance to a state, if it may be entered from where it is
// (a probe's last word must not revive what has ended), after edit has set
// what else changes.
func (i *instance) become(to registry.State, edit func(r *registry.Instance)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if to == registry.Ready && i.standby {
		to = i.row.State // until it is given the place
		i.settle(nil)
	}
	if to != i.row.State {
		if !i.row.State.CanBecome(to) {
			return
		}
		i.row.State, i.row.Since = to, time.Now()
		i.row.Reason, i.row.Hint, i.row.Output = "", "", nil
	}
	if edit != nil {
		edit(&i.row)
	}
	i.sup.Registry.Put(i.row)
}

// run is the instance's whole life; it waits first for prev, the end of the
// one that had its name. ctx asks it to end.
func (i *instance) run(ctx context.Context, prev <-chan struct{}) {
	defer close(i.done)
	if prev != nil {
		<-prev
		i.enter()
	}
	switch {
	case i.want.Address != "":
		i.follow(ctx)
	default:
		i.keepUp(ctx)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = true
	if i.removed {
		i.sup.Registry.Delete(i.row.ID)
	}
}

// follow watches an instance that runs elsewhere.
func (i *instance) follow(ctx context.Context) {
	i.become(registry.Starting, func(r *registry.Instance) { r.Address = i.want.Address })
	i.watch(ctx, time.Now(), Spec{}, i.want.Address)
	i.become(registry.Draining, nil)
	i.become(registry.Stopped, nil)
}

// keepUp runs the instance until ctx is done or its policy gives up.
func (i *instance) keepUp(ctx context.Context) {
	policy := backoff{policy: i.want.Service.Restart}
	for first := true; ; first = false {
		// What stands by is for one that runs already.
		if !i.standsBy() && i.waitForDependencies(ctx) != nil {
			break
		}
		if !i.once(ctx, &policy, first && !i.build.done) {
			break
		}
		if !i.pause(ctx) {
			break
		}
	}
	if ctx.Err() != nil && !i.isReplaced() {
		i.become(registry.Stopped, func(r *registry.Instance) { r.PID = 0 })
	}
}

// once builds and runs the instance once, and reports whether it is to start again.
func (i *instance) once(ctx context.Context, policy *backoff, build bool) bool {
	out := i.sup.Logs.Writer(i.want.Service.Name, i.want.ID)
	defer out.Close() //nolint:errcheck // the store reports its own failures
	spec := i.spec
	if i.want.Service.Container != nil {
		i.unable = errContainer
	}
	if i.unable != nil {
		i.fail(i.unable)
		return false
	}
	if build && !(spec.Setup.IsZero() && spec.BuildCommand.IsZero()) {
		i.become(registry.Building, nil)
		if err := i.sup.build(ctx, spec, out); err != nil {
			i.fail(err)
			return false
		}
	}
	i.become(registry.Starting, func(r *registry.Instance) {
		r.Exit, r.Address = nil, ""
		if spec.BuildCommand.IsZero() {
			r.Stale = nil // it starts from the files as they are
		}
		if i.want.Service.Kind != stack.KindJob {
			r.Address = fmt.Sprintf("127.0.0.1:%d", i.spec.Port)
		}
	})
	if i.spec.Socket == nil { // or it is ours
		if err := portTaken(i.want.Service); err != nil {
			return i.refuse(err, policy)
		}
	}
	var w io.Writer = out
	if m, ok := i.probe.(*logProbe); ok {
		w = m.tee(out)
	}

	var (
		started time.Time
		v       verdict
		probing sync.WaitGroup
	)
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	alive, exited := context.WithCancel(ctx)
	defer exited()
	spec.OnStart = func(pid int) {
		started = time.Now()
		i.become(registry.Starting, func(r *registry.Instance) { r.PID, r.Started = pid, started })
		probing.Go(func() { i.watch(alive, started, spec, spec.addr()) })
	}
	spec.OnExit = func(err error) {
		if ctx.Err() == nil && !i.failsTrial(err) {
			v = policy.ended(err == nil, time.Since(started), time.Now())
			i.exit(err, v, policy.total)
		}
		exited()
	}
	// The end of ctx takes the instance out of the gateway first, then stops it.
	leaving := context.AfterFunc(ctx, func() {
		i.leave()
		stop()
	})
	err := i.sup.Runner.Run(running, spec, w)
	leaving()
	exited()
	probing.Wait()
	switch {
	case ctx.Err() != nil:
		return false
	case started.IsZero():
		i.fail(err)
		return false
	}
	i.report(err, v)
	return v.Restart
}

// refuse takes a start that cannot be for one that failed: it is tried again as
// the policy has it.
func (i *instance) refuse(err error, policy *backoff) bool {
	v := policy.ended(false, 0, time.Now())
	i.exit(err, v, policy.total)
	i.next = v.Delay
	return v.Restart
}

// leave marks the instance as draining and lets the gateway finish with it.
func (i *instance) leave() {
	i.become(registry.Draining, nil)
	i.mu.Lock()
	addr, limit := i.row.Address, i.drain
	i.mu.Unlock()
	if i.patience.Err() != nil || addr == "" {
		return
	}
	ctx, cancel := context.WithTimeout(i.patience, limit)
	defer cancel()
	_ = i.sup.Gateway.Drain(ctx, addr) // it closes what takes longer
}

// containerError: what runs is processes.
type containerError struct{}

var errContainer containerError

func (containerError) Error() string { return "containers are not run by this version of msctl" }
func (containerError) Hint() string {
	return "give the service a command to run it as a process, or endpoints where it runs already"
}

// exit writes the end of a run at once, so that the gateway stops using it.
func (i *instance) exit(err error, v verdict, restarts int) {
	to := registry.Failed
	switch {
	case v.Restart:
		to = registry.Backoff
	case err == nil:
		to = registry.Completed
	}
	i.become(to, func(r *registry.Instance) {
		r.PID, r.Restarts = 0, restarts
		r.Exit = exitOf(err)
		r.Hint = hintOf(err)
		if err != nil || to == registry.Backoff {
			r.Reason = reason(err)
		}
		r.CrashLoop = ""
		if v.Loop != "" {
			r.CrashLoop = v.Loop + ", last " + r.Reason
			r.Reason = r.CrashLoop
		}
		if v.Delay > 0 {
			r.Reason += fmt.Sprintf(", next start in %s", v.Delay.Round(10*time.Millisecond))
		}
	})
}

// report adds to a failure what the instance said last, once all of it is in.
func (i *instance) report(err error, v verdict) {
	i.next = v.Delay
	if err == nil || v.Restart && v.Loop == "" {
		return
	}
	i.mu.Lock()
	state := i.row.State
	i.mu.Unlock()
	i.become(state, func(r *registry.Instance) { r.Output = i.sup.Logs.Tail(i.want.ID, tailLines) })
}

// fail ends the instance with a cause that starting again would not change.
func (i *instance) fail(err error) {
	if errors.Is(err, context.Canceled) || i.failsTrial(err) {
		return
	}
	i.become(registry.Failed, func(r *registry.Instance) {
		r.PID = 0
		r.Reason, r.Hint = err.Error(), hintOf(err)
		var b *BuildError
		if errors.As(err, &b) {
			r.Output = i.sup.Logs.Tail(i.want.ID, tailLines)
		}
	})
}

// exitOf is the end of a run; nil for one that never began.
func exitOf(err error) *registry.Exit {
	var e *ExitError
	switch {
	case err == nil:
		return &registry.Exit{}
	case errors.As(err, &e):
		return &registry.Exit{Code: e.Code, Signal: e.Signal}
	}
	return nil
}

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

func reason(err error) string {
	if err == nil {
		return "exit code 0"
	}
	return err.Error()
}
