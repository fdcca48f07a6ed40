package cmd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/logs"
	"github.com/msctl/msctl/ports"
	"github.com/msctl/msctl/proxy"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/runtime"
	"github.com/msctl/msctl/runtime/process"
	"github.com/msctl/msctl/runtime/watch"
	"github.com/msctl/msctl/stack"
)

// errDown is the cause of a stop that msctl down asked for.
var errDown = errors.New("stopped by msctl down")

// gcPercent is GOGC, unless that is set: a stack that runs allocates next to
// nothing, so that collecting early costs little, while what connections leave
// behind would be kept for long.
const gcPercent = 25

// serve runs the stack in this process until ctx ends, a signal comes or msctl
// down asks for it, and returns when nothing of it is left. Two contexts order
// the end: the user's ends the supervisor, and what the instances stand on
// (the gateway, the control API, the guard of the processes) ends after it.
func (a *app) serve(ctx context.Context, st *stack.Stack, names []string, o upOptions) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	state, unlock, err := lockState(ctx, st.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	leases, err := ports.Open(st.Dir)
	if err != nil {
		return err
	}
	defer leases.Close() //nolint:errcheck // the leases end with the process in any case
	store, err := logs.Open(filepath.Join(state, "logs"), logs.OnError(func(err error) { a.note("%v", err) }))
	if err != nil {
		return err
	}
	now, err := store.Seek(logs.Query{Tail: logs.None})
	if err != nil {
		return err
	}
	runner, swept, err := process.Open(state)
	if err != nil {
		return err
	}
	if swept > 0 {
		a.note("ended %d processes that a killed msctl had left behind", swept)
	}

	reg := registry.New()
	gateway := proxy.New(reg, proxy.Options{
		Listen:   ports.Listen,
		LastLine: func(instance string) string { return strings.Join(store.Tail(instance, 1), "") },
		OnError:  func(err error) { a.note("gateway: %v", err) },
	})
	discovery, err := openDiscovery(ctx, st, reg, state, func(err error) { a.note("the registry: %v", err) })
	if err != nil {
		return err
	}
	supervisor := runtime.New(runtime.Options{
		Registry: reg, Logs: store, Gateway: gateway, Runner: runner, Ports: leases, Environ: environ(), Offers: discovery.offers(),
	})
	patient, hurry := context.WithCancel(context.WithoutCancel(ctx))
	defer hurry()
	signalled, done := untilSignalled(ctx, func() {
		supervisor.Kill()
		hurry()
	})
	defer done()
	user, stop := context.WithCancelCause(signalled)
	defer stop(nil)
	op := &operator{app: a, supervisor: supervisor, gateway: gateway, options: o, stop: stop, started: time.Now(), discovery: discovery, begun: make(chan struct{})}
	op.watcher = watch.New(watch.Options{Changed: func(b watch.Batch) { op.changed(user, b) }, Notice: func(err error) { printError(a.err, err) }})
	server, err := control.Listen(ctx, control.Options{Dir: st.Dir, Registry: reg, Logs: store, Operator: op, Viewer: op, Traffic: traffic{gateway.Recorder()}})
	if err != nil {
		return err
	}

	under, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	var g errgroup.Group
	run := func(ctx context.Context, f func(context.Context) error) {
		g.Go(func() error {
			err := f(ctx)
			if err != nil {
				stop(err)
			}
			return err
		})
	}
	run(under, runner.Guard)
	run(under, gateway.Run)
	run(under, server.Run)
	run(under, discovery.run)
	run(user, func(ctx context.Context) error {
		defer release()
		return supervisor.Run(ctx)
	})
	run(user, func(ctx context.Context) error {
		if err := op.begin(ctx, st, names); err != nil {
			return err
		}
		if !o.background {
			run(under, func(ctx context.Context) error { return a.show(ctx, patient, reg, store, now, o.plain) })
			run(under, func(ctx context.Context) error { return a.tellStop(ctx, user, reg) })
		}
		if !o.noWatch {
			run(user, func(ctx context.Context) error {
				return watch.Files(ctx, o.loaded, op.files, func() { op.reload(ctx) })
			})
			run(user, op.watcher.Run)
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if cause := context.Cause(user); !errors.Is(cause, errDown) {
		return cause
	}
	return nil
}
