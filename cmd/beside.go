package cmd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/msctl/msctl/runtime"
	"github.com/msctl/msctl/runtime/process"
	"github.com/msctl/msctl/stack"
	"github.com/msctl/msctl/verify"
)

// ownInstances starts instances that are a command's own, beside those of the
// stack, running or not.
type ownInstances struct {
	app    *app
	runner *process.Runner
	kill   <-chan struct{} // ends what does not end by itself
}

// beside lets use start instances. What it has started has ended, or is ended
// by a guardian, when beside returns.
func (a *app) beside(ctx context.Context, kill <-chan struct{}, dir string, use func(*ownInstances) error) (err error) {
	state, unlock, err := lockBeside(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	runner, _, err := process.Open(state)
	if err != nil {
		return err
	}
	guarded, release := context.WithCancel(context.WithoutCancel(ctx))
	guard := make(chan error, 1)
	go func() { guard <- runner.Guard(guarded) }()
	defer func() {
		release()
		err = errors.Join(err, <-guard)
	}()
	return use(&ownInstances{a, runner, kill})
}

// lockBeside makes a state folder in the stack's own, which a stack that runs
// has to itself, and takes it for this process. Both know of one another what
// has been set up: to do it again may remove what running instances use.
func lockBeside(ctx context.Context, dir string) (state string, unlock func(), err error) {
	if err := makeState(stateDir(dir)); err != nil {
		return "", nil, err
	}
	state = filepath.Join(stateDir(dir), "verify")
	for _, folder := range []string{state, filepath.Join(stateDir(dir), "setup")} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return "", nil, fmt.Errorf("make the state folder: %w", err)
		}
	}
	// Where there cannot be one, or is one, it is only set up once more, or not.
	_ = os.Symlink(filepath.Join("..", "setup"), filepath.Join(state, "setup"))
	unlock, err = lockFolder(ctx, state, errors.New("another instance is being looked at, by msctl verify or add client"), "wait until it ends")
	return state, unlock, err
}

// start builds and starts an instance of sv, on a port of its own.
func (own *ownInstances) start(ctx context.Context, sv *stack.Service) (*instance, *url.URL, error) {
	env, _, err := own.app.environment(ctx, sv.Name, nobody)
	if err != nil {
		return nil, nil, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, nil, err
	}
	id := sv.Name + "-verify"
	spec := runtime.Spec{
		ID: id, Service: sv.Name, Dir: sv.Dir,
		Command: sv.Command, Setup: sv.Setup, BuildCommand: sv.BuildCommand,
		Env:   slices.Concat(environ(), env.Env, []string{"INSTANCE_ID=" + id, "PORT=" + strconv.Itoa(port)}),
		Port:  port,
		Grace: sv.StopGracePeriod, StopSignal: stack.DefaultStopSignal,
		Limits: stack.Limits{Memory: sv.Limits.Memory, NoFile: sv.Limits.NoFile}, // those that processes get: of others the log would tell
		Kill:   own.kill,
	}
	return own.run(ctx, spec), &url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.Itoa(port)}, nil
}

// run builds and starts an instance. One that could not be built has ended with
// that.
func (own *ownInstances) run(ctx context.Context, spec runtime.Spec) *instance {
	i := &instance{done: make(chan struct{})}
	ctx, i.stop = context.WithCancel(ctx)
	if i.err = own.runner.Build(ctx, spec, own.app.err); i.err != nil {
		close(i.done)
		return i
	}
	go func() {
		defer close(i.done)
		i.err = own.runner.Run(ctx, spec, &i.log)
	}()
	return i
}

// instance is one that a command has started; it implements verify.Process.
type instance struct {
	log  verify.Log
	stop context.CancelFunc
	done chan struct{}
	err  error // once done is closed
}

func (i *instance) Log() *verify.Log { return &i.log }
func (i *instance) Terminate()       { i.stop() }

func (i *instance) Exited(ctx context.Context) error {
	select {
	case <-i.done:
		return i.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (i *instance) end() {
	i.stop()
	<-i.done
}
