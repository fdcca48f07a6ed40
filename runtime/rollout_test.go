package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// doors is a gateway that notes what it is asked to drain, and waits for it
// until it may go on.
type doors struct {
	noGateway
	mu      sync.Mutex
	drained []string
	open    chan struct{} // nil: nothing is in flight
}

func (d *doors) Drain(ctx context.Context, addr string) error {
	d.mu.Lock()
	d.drained = append(d.drained, addr)
	d.mu.Unlock()
	if d.open == nil {
		return nil
	}
	select {
	case <-d.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reloading is a service whose replicas run at once what program says.
func reloading(name string, replicas int) stack.Service {
	sv := service(name, "serve")
	sv.Replicas, sv.BuildCommand = replicas, stack.Command{Line: "good"}
	return sv
}

// reload begins a reload and returns its steps as text.
func (f *fixture) reload(service string) string {
	f.t.Helper()
	steps, err := f.Reload(f.t.Context(), []string{service}, "app.py changed")
	if err != nil {
		f.t.Fatal(err)
	}
	return lines(steps)
}

// quiet waits until a service has the rows named, and no other.
func (f *fixture) quiet(service string, ids ...string) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 20*time.Second)
	defer cancel()
	for after := uint64(0); ; {
		s, err := f.Registry.Next(ctx, after)
		if err != nil {
			f.t.Fatalf("want %v of %s, got %+v", ids, service, f.Registry.Snapshot().Service(service))
		}
		after = s.Revision
		var got []string
		for _, i := range s.Service(service) {
			got = append(got, i.ID)
		}
		if slices.Equal(got, ids) {
			return
		}
	}
}

func TestASwapLeavesNoGap(t *testing.T) {
	f := supervise(t)
	gates := &doors{}
	f.Gateway = gates
	f.up(reloading("api", 2))
	old := []registry.Instance{f.state("api-1", registry.Ready), f.state("api-2", registry.Ready)}
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	begun := f.Registry.Snapshot().Revision
	go func() { watched <- alwaysReady(ctx, f.Registry, begun, "api-1", "api-2") }()
	if got, want := f.reload("api"), "swap     api-1  app.py changed\nswap     api-2  app.py changed\n"; got != want {
		t.Errorf("steps:\n%s", got)
	}
	for _, was := range old {
		is := f.until(was.ID, func(i registry.Instance) bool { return i.Started.After(was.Started) })
		if is.Address == was.Address || is.State != registry.Ready {
			t.Errorf("%s is %s at %s, was at %s", is.ID, is.State, is.Address, was.Address)
		}
	}
	f.quiet("api", "api-1", "api-2")
	cancel()
	if err := <-watched; err != nil {
		t.Error(err)
	}
	gates.mu.Lock()
	defer gates.mu.Unlock()
	if want := []string{old[0].Address, old[1].Address}; !slices.Equal(gates.drained, want) {
		t.Errorf("drained %v, want %v", gates.drained, want)
	}
}

// alwaysReady fails when one of the instances is not ready at some revision,
// or one that stands beside it is.
func alwaysReady(ctx context.Context, reg *registry.Registry, after uint64, ids ...string) error {
	for {
		s, err := reg.Next(ctx, after)
		if err != nil {
			return nil //nolint:nilerr // the test is over
		}
		after = s.Revision
		for _, id := range ids {
			if i, _ := s.Instance(id); i.State != registry.Ready {
				return fmt.Errorf("%s is %s", id, i.State)
			}
		}
		for _, i := range s.Instances {
			if i.Beside != "" && i.State == registry.Ready {
				return fmt.Errorf("%s is ready as well", i.ID)
			}
		}
	}
}

func TestABrokenBuildChangesNothing(t *testing.T) {
	f := supervise(t)
	f.up(reloading("api", 2))
	was := f.state("api-1", registry.Ready)
	f.state("api-2", registry.Ready)
	f.runner.breaks(true)
	f.reload("api")
	for _, id := range []string{"api-1", "api-2"} {
		i := f.until(id, func(i registry.Instance) bool { return i.Stale != nil })
		if i.State != registry.Ready || i.Stale.Reason != "build failed" {
			t.Errorf("%+v", i)
		}
	}
	if i := f.state("api-1", registry.Ready); !i.Started.Equal(was.Started) {
		t.Error("api-1 was restarted")
	}
	f.runner.breaks(false)
	f.reload("api")
	for _, id := range []string{"api-1", "api-2"} {
		f.until(id, func(i registry.Instance) bool { return i.Stale == nil && i.Started.After(was.Started) })
	}
	f.quiet("api", "api-1", "api-2")
}

func TestAReplacementThatEndsLeavesTheOldOne(t *testing.T) {
	f := supervise(t)
	sv := reloading("api", 2)
	sv.Healthcheck = stack.Healthcheck{Kind: stack.ProbeLog, Log: "ready", Timeout: time.Second}
	f.runner.set("serve", func(ctx context.Context, _ Spec, out io.Writer) error {
		_, _ = io.WriteString(out, "ready\n")
		<-ctx.Done()
		return nil
	})
	f.up(sv)
	was := f.state("api-1", registry.Ready)
	f.state("api-2", registry.Ready)
	f.runner.mu.Lock()
	f.runner.rest = "no such module\n"
	f.runner.mu.Unlock()
	f.runner.set("serve", func(context.Context, Spec, io.Writer) error { return &ExitError{Code: 3} })
	f.reload("api")
	i := f.until("api-1", func(i registry.Instance) bool { return i.Stale != nil })
	if i.State != registry.Ready || !i.Started.Equal(was.Started) || i.Stale.Reason != "the new instance ended: exit code 3" {
		t.Errorf("%+v %+v", i, i.Stale)
	}
	if len(i.Stale.Output) == 0 || i.Stale.Output[len(i.Stale.Output)-1] != "no such module" {
		t.Errorf("output: %q", i.Stale.Output)
	}
	f.until("api-2", func(i registry.Instance) bool { return i.Stale != nil && i.State == registry.Ready })
	f.quiet("api", "api-1", "api-2")
}

func TestASaveSupersedesTheReloadBefore(t *testing.T) {
	f := supervise(t)
	st := f.up(reloading("api", 1))
	f.state("api-1", registry.Ready)
	f.runner.set("hangs", func(ctx context.Context, _ Spec, _ io.Writer) error { <-ctx.Done(); return nil })
	next := *st
	next.Services = slices.Clone(st.Services)
	// It never becomes ready.
	next.Services[0].Command.Line = "hangs"
	next.Services[0].Healthcheck = stack.Healthcheck{Kind: stack.ProbeLog, Log: "never", Timeout: time.Second}
	f.apply(&next)
	standby := f.until("api-1-next1", func(i registry.Instance) bool { return i.State == registry.Starting })
	if standby.Beside != "api-1" {
		t.Errorf("%+v", standby)
	}
	was := f.state("api-1", registry.Ready)
	f.apply(st)
	f.quiet("api", "api-1")
	f.reload("api")
	f.until("api-1", func(i registry.Instance) bool { return i.Started.After(was.Started) && i.Stale == nil })
	f.quiet("api", "api-1")
}

func TestOneThatMustEndFirstIsRestarted(t *testing.T) {
	f := supervise(t)
	sv := reloading("api", 1)
	sv.Reload.Mode = "restart"
	f.up(sv)
	was := f.state("api-1", registry.Ready)
	f.runner.breaks(true)
	if got := f.reload("api"); got != "replace  api-1  app.py changed\n" {
		t.Errorf("steps: %s", got)
	}
	f.until("api-1", func(i registry.Instance) bool {
		return i.Stale != nil && i.State == registry.Ready && i.Started.Equal(was.Started)
	})
	f.runner.breaks(false)
	f.reload("api")
	is := f.until("api-1", func(i registry.Instance) bool { return i.State == registry.Ready && i.Started.After(was.Started) })
	if is.Address != was.Address {
		t.Errorf("it moved from %s to %s", was.Address, is.Address)
	}
	f.runner.mu.Lock()
	defer f.runner.mu.Unlock()
	if f.runner.most["api-1"] != 1 {
		t.Errorf("%d ran at once", f.runner.most["api-1"])
	}
}

func TestWhatFailedIsStartedByTheNextSave(t *testing.T) {
	f := supervise(t)
	sv := reloading("api", 1)
	f.runner.breaks(true)
	f.up(sv)
	f.state("api-1", registry.Failed)
	f.reload("api")
	f.runner.breaks(false)
	f.reload("api")
	f.state("api-1", registry.Ready)
}

func TestWhatReloadsItselfIsToldOrLeftAlone(t *testing.T) {
	f := supervise(t)
	by, alone := reloading("by", 1), reloading("alone", 1)
	by.Reload = stack.Reload{Mode: "signal", Signal: "SIGHUP"}
	alone.Reload.Mode = "none"
	f.up(by, alone)
	f.state("by-1", registry.Ready)
	f.state("alone-1", registry.Ready)
	if got := f.reload("by") + f.reload("alone"); got != "signal   by-1  app.py changed\n" {
		t.Errorf("steps: %s", got)
	}
	f.runner.mu.Lock()
	defer f.runner.mu.Unlock()
	if !slices.Equal(f.runner.signals, []string{"SIGHUP"}) {
		t.Errorf("signals: %v", f.runner.signals)
	}
}

func TestOnlyDependentsThatAskForItFollow(t *testing.T) {
	f := supervise(t)
	api := reloading("api", 1)
	asks, not := reloading("asks", 1), reloading("not", 1)
	asks.DependsOn = []stack.Dependency{{Service: "api", Restart: true, Required: true}}
	not.DependsOn = []stack.Dependency{{Service: "api", Required: true}}
	f.up(api, asks, not)
	was := map[string]registry.Instance{}
	for _, id := range []string{"api-1", "asks-1", "not-1"} {
		was[id] = f.state(id, registry.Ready)
	}
	f.reload("api")
	for _, id := range []string{"api-1", "asks-1"} {
		f.until(id, func(i registry.Instance) bool { return i.State == registry.Ready && i.Started.After(was[id].Started) })
	}
	if i := f.state("not-1", registry.Ready); !i.Started.Equal(was["not-1"].Started) {
		t.Error("not-1 was reloaded")
	}
}

func TestWhatDrainsLongDelaysNoSave(t *testing.T) {
	f := supervise(t)
	gates := &doors{open: make(chan struct{})}
	f.Gateway = gates
	sv := reloading("api", 1)
	sv.Reload.Drain = time.Hour
	f.up(sv)
	was := f.state("api-1", registry.Ready)
	addrs := map[string]bool{was.Address: true}
	for range 5 {
		f.reload("api")
		was = f.until("api-1", func(i registry.Instance) bool { return i.Started.After(was.Started) })
		if addrs[was.Address] {
			t.Errorf("%s is still draining", was.Address)
		}
		addrs[was.Address] = true
	}
	f.quiet("api", "api-1", "api-1-old1", "api-1-old2", "api-1-old3", "api-1-old4", "api-1-old5")
	close(gates.open)
	f.quiet("api", "api-1")
}

func TestTheEndDoesNotWaitForWhatDrains(t *testing.T) {
	f := supervise(t)
	f.Gateway = &doors{open: make(chan struct{})}
	sv := reloading("api", 1)
	sv.Reload.Drain = time.Hour
	f.up(sv)
	was := f.state("api-1", registry.Ready)
	f.reload("api")
	f.until("api-1", func(i registry.Instance) bool { return i.Started.After(was.Started) })
	f.stop() // it would not return
}

func TestAnUnknownServiceIsNotReloaded(t *testing.T) {
	f := supervise(t)
	f.up(reloading("api", 1))
	if _, err := f.Reload(t.Context(), []string{"apj"}, ""); err == nil || !strings.Contains(err.Error(), "apj") {
		t.Errorf("Reload = %v", err)
	}
}

func TestTheTailIsOfWholeLines(t *testing.T) {
	var w tail
	for n := range 12 {
		fmt.Fprintf(&w, "line %d\r\n", n)
	}
	_, _ = io.WriteString(&w, "and")
	_, _ = io.WriteString(&w, " more"+strings.Repeat("x", 2*maxTailLine))
	got := w.lines()
	if len(got) != tailLines || got[0] != "line 3" || len(got[9]) != maxTailLine || !strings.HasPrefix(got[9], "and more") {
		t.Errorf("%q", got)
	}
	if err := errors.Unwrap(&failure{"x", nil, io.EOF}); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// A rollout that loses one of its replicas goes on with the others.
func TestWhoScalesDuringAReloadGetsTheNewCode(t *testing.T) {
	f := supervise(t)
	f.up(reloading("api", 3))
	var was []registry.Instance
	for _, id := range []string{"api-1", "api-2", "api-3"} {
		was = append(was, f.state(id, registry.Ready))
	}
	slow := make(chan struct{})
	f.runner.holds(slow) // the build of the reload
	f.reload("api")
	if _, err := f.Scale(t.Context(), map[string]int{"api": 2}); err != nil {
		t.Fatal(err)
	}
	close(slow)
	for _, i := range was[:2] {
		f.until(i.ID, func(is registry.Instance) bool { return is.State == registry.Ready && is.Started.After(i.Started) })
	}
	f.quiet("api", "api-1", "api-2")
}

// One that is stopped meanwhile keeps none of them from the new code.
func TestWhoStopsDuringAReloadStopsAll(t *testing.T) {
	f := supervise(t)
	f.up(reloading("api", 2))
	f.state("api-1", registry.Ready)
	f.state("api-2", registry.Ready)
	slow := make(chan struct{})
	f.runner.holds(slow)
	f.reload("api")
	if _, err := f.Stop(t.Context(), []string{"api"}); err != nil {
		t.Fatal(err)
	}
	close(slow)
	f.state("api-1", registry.Stopped)
	f.state("api-2", registry.Stopped)
	f.quiet("api", "api-1", "api-2")
}
