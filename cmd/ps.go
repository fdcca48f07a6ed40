package cmd

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

type psOptions struct {
	services []string
	json     bool
	quiet    bool
}

func (a *app) psCommand() *cobra.Command {
	var o psOptions
	c := &cobra.Command{
		Use:               "ps [SERVICE...]",
		Short:             "List the instances and their state",
		Example:           "  msctl ps\n  msctl ps catalog --json",
		ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			o.services = args
			return a.ps(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.json, "json", false, "print a JSON list of instances")
	c.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "print the instances' names only")
	return c
}

func (a *app) ps(ctx context.Context, o psOptions) error {
	client, _, err := a.clientIfRunning()
	if err != nil {
		return err
	}
	instances := []registry.Instance{}
	if client == nil {
		a.note("the stack is not running")
	} else if instances, err = a.instances(ctx, client, o.services); err != nil {
		return err
	}
	switch {
	case o.json:
		return a.printJSON(instances)
	case o.quiet:
		for _, i := range instances {
			fmt.Fprintln(a.out, i.ID)
		}
		return nil
	case client == nil:
		return nil
	}
	a.printInstances(instances)
	return nil
}

// instances lists those of the services named, or all.
func (a *app) instances(ctx context.Context, client *control.Client, services []string) ([]registry.Instance, error) {
	status, err := client.Status(ctx)
	if err != nil {
		return nil, err
	}
	if status.Problem != "" {
		a.note("the stack file is not applied as it is now: %s", firstLine(status.Problem))
	}
	if err := known(status, services); err != nil {
		return nil, err
	}
	snap, err := client.Next(ctx, 0)
	if err != nil {
		return nil, err
	}
	out := []registry.Instance{}
	for _, i := range snap.Instances {
		if len(services) == 0 || slices.Contains(services, i.Service) {
			out = append(out, i)
		}
	}
	return out, nil
}

// known returns an error for the first of services that the stack has not.
func known(status control.Status, services []string) error {
	st := stack.Stack{}
	for _, s := range status.Services {
		st.Services = append(st.Services, stack.Service{Name: s.Name})
	}
	return st.Check(services)
}

func (a *app) printInstances(instances []registry.Instance) {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "INSTANCE\tSTATE\tSINCE\tRESTARTS\tPID\tADDRESS\tREASON")
	for _, i := range instances {
		pid, addr := "-", "-"
		if i.PID != 0 {
			pid = strconv.Itoa(i.PID)
		}
		if i.Address != "" && i.State.Running() {
			addr = i.Address
		}
		line := fmt.Sprintf("%s\t%s\t%s\t%d\t%s\t%s\t%s", i.ID, i.State, ago(i.Since), i.Restarts, pid, addr, firstLine(why(i)))
		fmt.Fprintln(w, strings.TrimRight(line, "\t "))
	}
	_ = w.Flush()
}

// why is what there is to say about the state of an instance.
func why(i registry.Instance) string {
	if i.Stale != nil {
		return "old code: " + i.Stale.Reason + " " + ago(i.Stale.Since) + " ago"
	}
	return cmp.Or(i.Reason, i.CrashLoop)
}

// ago is how long something has been so, in its largest unit.
func ago(t time.Time) string {
	d := max(time.Since(t), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// printJSON writes v for programs.
func (a *app) printJSON(v any) error { return encodeJSON(a.out, v) }

func encodeJSON(to io.Writer, v any) error {
	e := json.NewEncoder(to)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
