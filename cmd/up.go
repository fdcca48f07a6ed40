package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/runtime"
	"github.com/msctl/msctl/stack"
)

type upOptions struct {
	services    []string
	profiles    []string
	detach      bool
	wait        bool
	waitTimeout time.Duration
	dryRun      bool
	noDeps      bool
	noWatch     bool
	plain       bool
	background  bool           // there is nobody to look at the output
	started     io.WriteCloser // hears that the stack was applied; may be nil
	loaded      time.Time      // when the stack file was read, or just before
}

func (a *app) upCommand() *cobra.Command {
	var o upOptions
	c := &cobra.Command{
		Use:   "up [SERVICE...]",
		Short: "Bring the stack up, or the services named with what they need",
		Long: `Bring the stack up, or the services named with what they need.

In the foreground, up prints what the services write until Ctrl-C stops the
stack; a second Ctrl-C kills it at once. On a stack that runs already, up
applies what has changed in its file.`,
		Example:           "  msctl up\n  msctl up -d --wait\n  msctl up orders --dry-run",
		ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			o.services = args
			o.detach = o.detach || o.wait // as in compose
			return a.up(c.Context(), o)
		},
	}
	f := c.Flags()
	f.BoolVarP(&o.detach, "detach", "d", false, "run in the background")
	f.BoolVar(&o.wait, "wait", false, "wait until all services are ready, in the background (implies -d)")
	f.DurationVar(&o.waitTimeout, "wait-timeout", 0, "give up waiting after this time (0: never)")
	f.BoolVar(&o.dryRun, "dry-run", false, "print what would be done, and do nothing")
	f.BoolVar(&o.noDeps, "no-deps", false, "leave out what the services named depend on")
	f.StringArrayVar(&o.profiles, "profile", nil, "enable a profile (repeatable)")
	_ = c.RegisterFlagCompletionFunc("profile", a.completeProfiles) // it fails for a flag that is not there
	f.BoolVar(&o.noWatch, "no-watch", false, "do not follow changes of files: neither the stack file's nor the services'")
	f.BoolVar(&o.plain, "plain", false, "print plain lines, without colour")
	return c
}

func (a *app) up(ctx context.Context, o upOptions) error {
	o.loaded = time.Now()
	st, err := a.load()
	if err != nil {
		return err
	}
	a.warn(st)
	names, err := st.Select(o.services, o.profiles, o.noDeps)
	if err != nil {
		return err
	}
	client, result, err := applyRunning(ctx, st, o)
	switch {
	case err == nil:
		return a.upRunning(ctx, client, result, o)
	case !control.IsNotRunning(err) && !errors.Is(err, control.ErrGone): // one that was killed just now is gone
		return err
	case o.dryRun:
		a.printSteps(runtime.Preview(st, names))
		return nil
	case o.detach:
		return a.upDetached(ctx, st, o)
	}
	return a.serve(ctx, st, names, o)
}

// applyRunning has a stack that runs already apply its file.
func applyRunning(ctx context.Context, st *stack.Stack, o upOptions) (*control.Client, control.Result, error) {
	client, err := control.Dial(st.Dir)
	if err != nil {
		return nil, control.Result{}, err
	}
	result, err := client.Do(ctx, control.Action{
		Verb: control.Apply, File: st.Files[0], Services: o.services, Profiles: o.profiles, NoDeps: o.noDeps, DryRun: o.dryRun, Environ: environ(),
	})
	return client, result, err
}

// upRunning is what up does after the file was applied: nothing more, wait, or
// follow the output.
func (a *app) upRunning(ctx context.Context, client *control.Client, result control.Result, o upOptions) error {
	a.printControlSteps(result.Steps)
	switch {
	case o.dryRun, o.detach && !o.wait:
		return nil
	case o.wait:
		return a.wait(ctx, client, o.services, o.waitTimeout)
	}
	return a.attach(ctx, client, o)
}

// upDetached starts the stack in the background.
func (a *app) upDetached(ctx context.Context, st *stack.Stack, o upOptions) error {
	if err := a.detach(st, o); err != nil {
		return err
	}
	client, err := control.Dial(st.Dir)
	if err != nil {
		return err
	}
	if o.wait {
		if err := a.wait(ctx, client, o.services, o.waitTimeout); err != nil {
			return err
		}
	}
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	a.printWhere(status, st)
	fmt.Fprintln(a.err, "it runs in the background: msctl logs -f follows it, msctl down stops it")
	return nil
}

// attach follows the output of a stack that another process runs, until that
// ends or Ctrl-C leaves it running.
func (a *app) attach(ctx context.Context, client *control.Client, o upOptions) error {
	ctx, done := untilSignalled(ctx, func() {})
	defer done()
	err := a.follow(ctx, client, o)
	if errors.Is(context.Cause(ctx), errInterrupted) {
		fmt.Fprintln(a.err, "\nthe stack runs on in the background; msctl down stops it")
		return errInterrupted
	}
	return err
}
