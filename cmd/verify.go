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
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/runtime"
	"github.com/msctl/msctl/runtime/process"
	"github.com/msctl/msctl/stack"
	"github.com/msctl/msctl/verify"
)

type verifyOptions struct {
	services []string
	url      string
	json     bool
	timeout  time.Duration
}

func (a *app) verifyCommand() *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "verify [SERVICE...]",
		Short: "Check what services do at run time: probes, metrics, errors, logs, their end",
		Long: `Check what services do at run time: probes, metrics, errors, logs, and how they
end. Without SERVICE, all HTTP services of the stack are checked.

Each is started once more, beside the stack: on a port of its own, in its
environment, and with the addresses of its dependencies while the stack runs.
With --url, a service that runs already is looked at; what needs its process is
skipped. The exit code is 1 when a check fails.`,
		Example:           "  msctl verify\n  msctl verify catalog --json\n  msctl verify --url http://127.0.0.1:8000",
		ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			o.services = args
			return a.verify(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.url, "url", "", "look at the service that answers here")
	c.Flags().BoolVar(&o.json, "json", false, "print a JSON list")
	c.Flags().DurationVar(&o.timeout, "timeout", 30*time.Second, "how long a start, and each answer, may take")
	return c
}

func (a *app) verify(ctx context.Context, o verifyOptions) error {
	if o.timeout <= 0 {
		return usagef("--timeout: want a time above 0")
	}
	ctx, hurry := context.WithCancel(ctx)
	defer hurry()
	signalled, done := untilSignalled(ctx, hurry)
	defer done()
	report := &verifyReport{app: a, json: o.json, verdicts: []verdict{}}
	var err error
	if o.url != "" {
		err = a.verifyURL(signalled, o, report)
	} else {
		err = a.verifyServices(signalled, ctx.Done(), o, report)
	}
	if err != nil {
		return err
	}
	return report.end()
}

func (a *app) verifyURL(ctx context.Context, o verifyOptions, report *verifyReport) error {
	u, err := url.Parse(o.url)
	switch {
	case len(o.services) > 0:
		return usagef("want services or --url, not both")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return usagef("--url: want http://HOST:PORT, got %q", o.url)
	}
	return report.take(ctx, verify.Target{Name: u.Host, URL: u, Timeout: o.timeout})
}

// verifyServices checks one service after the other: two at a time would
// disturb each other's measures. kill ends what does not end by itself.
func (a *app) verifyServices(ctx context.Context, kill <-chan struct{}, o verifyOptions, report *verifyReport) (err error) {
	st, err := a.load()
	if err != nil {
		return err
	}
	services, err := verifiable(st, o.services)
	if err != nil {
		return err
	}
	for _, sv := range services {
		report.width = max(report.width, len(sv.Name))
	}
	state, unlock, err := lockVerify(ctx, st.Dir)
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
	for _, sv := range services {
		if err := a.verifyService(ctx, kill, runner, sv, o, report); err != nil {
			return err
		}
	}
	return nil
}

// verifiable are the services named, or all, that answer HTTP and run as
// processes.
func verifiable(st *stack.Stack, names []string) ([]*stack.Service, error) {
	selected, err := st.Select(names, nil, true)
	if err != nil {
		return nil, err
	}
	var out []*stack.Service
	for _, name := range selected {
		sv, _ := st.Service(name)
		serves := sv.Kind == stack.KindService && sv.Protocol == stack.HTTP && sv.Healthcheck.Kind != stack.ProbeNone && !sv.Command.IsZero()
		switch {
		case serves:
			out = append(out, sv)
		case slices.Contains(names, name):
			return nil, usagef("%s is no HTTP service that runs as a process", name)
		}
	}
	if len(out) == 0 {
		return nil, usagef("the stack has no HTTP service that runs as a process")
	}
	return out, nil
}

// lockVerify makes a state folder in the stack's own, which a stack that runs
// has to itself, and takes it for this process. Both know of one another what
// has been set up: to do it again may remove what running instances use.
func lockVerify(ctx context.Context, dir string) (state string, unlock func(), err error) {
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
	unlock, err = lockFolder(ctx, state, errors.New("another msctl verify of this stack is running"), "wait until it ends")
	return state, unlock, err
}

func (a *app) verifyService(ctx context.Context, kill <-chan struct{}, runner *process.Runner, sv *stack.Service, o verifyOptions, report *verifyReport) error {
	env, _, err := a.environment(ctx, sv.Name)
	if err != nil {
		return err
	}
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	id := sv.Name + "-verify"
	spec := runtime.Spec{
		ID: id, Service: sv.Name, Dir: sv.Dir,
		Command: sv.Command, Setup: sv.Setup, BuildCommand: sv.BuildCommand,
		Env:   slices.Concat(environ(), env.Env, []string{"INSTANCE_ID=" + id, "PORT=" + strconv.Itoa(port)}),
		Port:  port,
		Grace: sv.StopGracePeriod, StopSignal: stack.DefaultStopSignal,
		Limits: stack.Limits{Memory: sv.Limits.Memory, NoFile: sv.Limits.NoFile}, // those that processes get: of others the log would tell
		Kill:   kill,
	}
	i := a.startInstance(ctx, runner, spec)
	defer i.end()
	return report.take(ctx, verify.Target{
		Name:    sv.Name,
		URL:     &url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.Itoa(port)},
		Timeout: o.timeout,
		Process: i,
		Dir:     sv.Dir,
		Grace:   sv.StopGracePeriod,
	})
}

// instance is one that was started to be looked at; it implements
// verify.Process.
type instance struct {
	log  verify.Log
	stop context.CancelFunc
	done chan struct{}
	err  error // once done is closed
}

// startInstance builds and starts an instance. One that could not be built has
// ended with that.
func (a *app) startInstance(ctx context.Context, runner *process.Runner, spec runtime.Spec) *instance {
	i := &instance{done: make(chan struct{})}
	ctx, i.stop = context.WithCancel(ctx)
	if i.err = runner.Build(ctx, spec, a.err); i.err != nil {
		close(i.done)
		return i
	}
	go func() {
		defer close(i.done)
		i.err = runner.Run(ctx, spec, &i.log)
	}()
	return i
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

// verdict is a result as it is printed.
type verdict struct {
	Service string `json:"service"`
	verify.Result
}

// verifyReport prints results as they come, or all of them as JSON.
type verifyReport struct {
	app      *app
	json     bool
	width    int // of the services' names
	verdicts []verdict
	failed   bool
}

// take makes the checks. It fails only when ctx ends.
func (r *verifyReport) take(ctx context.Context, t verify.Target) error {
	count := map[verify.Status]int{}
	for result := range verify.Run(ctx, t) {
		count[result.Status]++
		r.verdicts = append(r.verdicts, verdict{t.Name, result})
		if !r.json {
			r.print(t.Name, result)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !r.json {
		fmt.Fprintf(r.app.out, "%s: %d passed, %d failed, %d skipped\n", t.Name, count[verify.Pass], count[verify.Fail], count[verify.Skip])
	}
	r.failed = r.failed || count[verify.Fail] > 0
	return nil
}

func (r *verifyReport) print(service string, result verify.Result) {
	mark := map[verify.Status]string{verify.Pass: "ok", verify.Fail: "FAIL", verify.Skip: "skip"}[result.Status]
	fmt.Fprintf(r.app.out, "%-4s  %-*s  %-*s  %s\n", mark, r.width, service, verify.Width(), result.Check, oneLine(result.Seen))
	if result.Hint != "" {
		fmt.Fprintf(r.app.out, "      hint: %s\n", oneLine(result.Hint))
	}
}

// oneLine keeps what a service wrote from breaking up the columns.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// end prints what is left to print; the error is the exit code of a failure.
func (r *verifyReport) end() error {
	if r.json {
		if err := r.app.printJSON(r.verdicts); err != nil {
			return err
		}
	}
	if r.failed {
		return &exitError{code: exitFailed}
	}
	return nil
}
