package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/registry"
)

func (a *app) waitCommand() *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:               "wait [SERVICE...]",
		Short:             "Wait until services are ready, and jobs have completed",
		Long:              "Wait until services are ready, and jobs have completed.\n\nA service without a health check that nobody calls is ready once it runs.\nThe exit code is 4 when one fails, keeps crashing or takes longer than the timeout.",
		Example:           "  msctl wait\n  msctl wait catalog --timeout 30s",
		ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			return a.wait(c.Context(), client, args, timeout)
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 0, "give up after this time (0: never)")
	return c
}

// snapshots is the registry, here or at the other end of a socket.
type snapshots interface {
	Next(ctx context.Context, after uint64) (registry.Snapshot, error)
}

// wait follows the stack until all of the services named, or all that are
// meant to run, are ready or completed, and says what happens meanwhile.
func (a *app) wait(ctx context.Context, client *control.Client, services []string, timeout time.Duration) error {
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if err := known(status, services); err != nil {
		return err
	}
	if len(services) == 0 {
		for _, s := range status.Services {
			if s.Selected {
				services = append(services, s.Name)
			}
		}
	}
	news := newsFrom(a)
	news.only = func(i registry.Instance) bool { return slices.Contains(services, i.Service) }
	return waitUntil(ctx, client, news, timeout, func(s registry.Snapshot) (waiting []string, err error) {
		for _, name := range services {
			for _, i := range s.Service(name) {
				switch {
				case i.State == registry.Ready || i.State == registry.Completed:
				case i.State == registry.Failed || i.State == registry.Stopped || i.CrashLoop != "":
					return nil, unhealthy(i)
				default:
					waiting = append(waiting, describe(i))
				}
			}
		}
		return waiting, nil
	})
}

// waitUntil follows snapshots, and tells the news of them, until done names
// nothing more to wait for. Timeout 0 is none.
func waitUntil(ctx context.Context, from snapshots, news *newsTeller, timeout time.Duration, done func(registry.Snapshot) (waiting []string, err error)) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	var waiting []string
	for after := uint64(0); ; {
		snap, err := from.Next(ctx, after)
		if err != nil {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return &exitError{
					code: exitUnhealthy, err: fmt.Errorf("after %s still waiting for %s", timeout, strings.Join(waiting, ", ")),
					hint: "msctl logs shows what they write, msctl ps where they are",
				}
			}
			return err
		}
		after = snap.Revision
		news.tell(snap)
		if waiting, err = done(snap); err != nil {
			news.rest(ctx, from, after)
			return err
		}
		if len(waiting) == 0 {
			return nil
		}
	}
}

// lastWords is how long the news of a failure may take to be complete: what an
// instance wrote last comes after its end.
const lastWords = 100 * time.Millisecond

// rest tells what comes within lastWords.
func (n *newsTeller) rest(ctx context.Context, from snapshots, after uint64) {
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	for {
		snap, err := from.Next(ctx, after)
		if err != nil {
			return
		}
		after = snap.Revision
		n.tell(snap)
	}
}

// unhealthy is the error of an instance that will not become ready by itself.
func unhealthy(i registry.Instance) error {
	h := i.Hint
	if h == "" {
		h = "msctl logs " + i.Service + " shows all that it wrote"
	}
	return &exitError{code: exitUnhealthy, err: fmt.Errorf("%s did not become ready: %s", i.ID, reasonOf(i)), hint: h}
}

func describe(i registry.Instance) string { return fmt.Sprintf("%s (%s)", i.ID, reasonOf(i)) }

func reasonOf(i registry.Instance) string {
	switch {
	case i.CrashLoop != "":
		return i.CrashLoop // whether it waits for its next start or tries it
	case i.Reason == "":
		return string(i.State)
	}
	return string(i.State) + ": " + firstLine(i.Reason)
}
