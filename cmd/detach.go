package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/runtime/process"
	"github.com/msctl/msctl/stack"
)

// superviseCommandName is the hidden command that runs a stack in the
// background.
const superviseCommandName = "__supervise"

// backgroundLog takes what a background supervisor has to say; the services'
// output has logs of its own.
const backgroundLog = "msctl.log"

// detach starts the stack in a process of its own, and returns once that has
// applied the stack file.
func (a *app) detach(st *stack.Stack, o upOptions) error {
	state := stateDir(st.Dir)
	if err := os.MkdirAll(state, 0o755); err != nil {
		return err
	}
	log := filepath.Join(state, backgroundLog)
	if err := os.Remove(log); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	args := []string{superviseCommandName, "--file", st.Files[0]}
	for _, p := range o.profiles {
		args = append(args, "--profile", p)
	}
	if o.noDeps {
		args = append(args, "--no-deps")
	}
	if o.noWatch {
		args = append(args, "--no-watch")
	}
	_, err := process.Detach(append(append(args, "--"), o.services...), log)
	var d *process.DetachError
	if errors.As(err, &d) {
		said, readErr := os.ReadFile(log)
		if readErr != nil {
			return err
		}
		fmt.Fprint(a.err, string(said))
		return &exitError{code: d.Code} // it has said why
	}
	return err
}

// superviseCommand is up, in the background: quiet, and deaf to the terminal.
func (a *app) superviseCommand() *cobra.Command {
	o := upOptions{background: true}
	c := &cobra.Command{
		Use:    superviseCommandName,
		Hidden: true,
		RunE: func(c *cobra.Command, args []string) error {
			o.services = args
			if o.started = process.Detached(); o.started != nil {
				defer o.started.Close() //nolint:errcheck // closed once all was said
			}
			o.loaded = time.Now()
			st, err := a.load()
			if err != nil {
				return err
			}
			names, err := st.Select(o.services, o.profiles, o.noDeps)
			if err != nil {
				return err
			}
			return a.serve(c.Context(), st, names, o)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.profiles, "profile", nil, "")
	f.BoolVar(&o.noDeps, "no-deps", false, "")
	f.BoolVar(&o.noWatch, "no-watch", false, "")
	return c
}

// sweepStale ends what a killed msctl left of the stack in dir.
func sweepStale(ctx context.Context, dir string) (int, error) {
	return process.SweepStale(ctx, stateDir(dir))
}
