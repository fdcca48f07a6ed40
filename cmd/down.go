package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"github.com/msctl/msctl/control"
)

func (a *app) downCommand() *cobra.Command {
	var volumes bool
	c := &cobra.Command{
		Use:   "down",
		Short: "Stop the stack and all of its processes",
		Long: `Stop the stack and all of its processes.

Services are stopped in reverse order of depends_on, each within its
stop_grace_period. What a killed msctl left behind is ended as well. It is no
error when nothing runs.`,
		Example: "  msctl down\n  msctl down --volumes",
		Args:    none,
		RunE:    func(c *cobra.Command, _ []string) error { return a.down(c.Context(), volumes) },
	}
	c.Flags().BoolVarP(&volumes, "volumes", "v", false, "delete the stack's state as well: logs, built programs and data in .msctl")
	return c
}

func (a *app) down(ctx context.Context, volumes bool) error {
	client, dir, err := a.clientIfRunning()
	if err != nil {
		return err
	}
	if client != nil {
		if _, err := client.Do(ctx, control.Action{Verb: control.Down}); err != nil && !errors.Is(err, control.ErrGone) {
			return err
		}
	}
	state := stateDir(dir)
	if _, err := os.Stat(state); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(a.err, "nothing runs")
		return nil
	}
	// The supervisor holds the lock until nothing is left.
	lock := flock.New(filepath.Join(state, lockName))
	if err := a.waitForEnd(ctx, lock, client); err != nil {
		return fmt.Errorf("wait for the stack to end: %w", err)
	}
	defer lock.Unlock() //nolint:errcheck // it ends with the process
	swept, err := sweepStale(ctx, dir)
	if err != nil {
		return err
	}
	if volumes {
		if err := removeState(state); err != nil {
			return err
		}
	}
	switch {
	// First: a supervisor that is killed still takes a connection while it dies.
	case swept > 0:
		fmt.Fprintf(a.err, "ended %d processes that a killed msctl had left behind\n", swept)
	case client != nil:
		fmt.Fprintln(a.err, "the stack is down")
	default:
		fmt.Fprintln(a.err, "nothing runs")
	}
	return nil
}

// waitForEnd takes the lock, and says meanwhile what is slow to stop.
func (a *app) waitForEnd(ctx context.Context, lock *flock.Flock, client *control.Client) error {
	telling, told := context.WithCancel(ctx)
	var g sync.WaitGroup
	defer g.Wait()
	defer told()
	if client != nil {
		g.Go(func() { a.tellSlowStop(telling, client, "") })
	}
	_, err := lock.TryLockContext(ctx, lockPoll)
	return err
}

// removeState deletes what msctl keeps, but for what is committed to git.
func removeState(state string) error {
	entries, err := os.ReadDir(state)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.Name() {
		case "scaffold", ".gitignore", lockName:
			continue
		}
		if err := os.RemoveAll(filepath.Join(state, e.Name())); err != nil {
			return fmt.Errorf("delete the state: %w", err)
		}
	}
	return nil
}
