package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/registry"
)

// serviceCommand is a command that acts on services of the running stack, all
// of them when none is named, and waits until that is done.
func (a *app) serviceCommand(verb control.Verb, short, long string) *cobra.Command {
	var noWait bool
	c := &cobra.Command{
		Use:               string(verb) + " [SERVICE...]",
		Short:             short,
		Long:              short + ".\n\n" + long,
		Example:           fmt.Sprintf("  msctl %s\n  msctl %s catalog", verb, verb),
		ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			return a.act(c.Context(), control.Action{Verb: verb, Services: args}, noWait)
		},
	}
	c.Flags().BoolVar(&noWait, "no-wait", false, "do not wait until it is done")
	return c
}

func (a *app) startCommand() *cobra.Command {
	return a.serviceCommand(control.Start, "Start services that are stopped or have ended",
		"Jobs that have completed run again when they are named.")
}

func (a *app) stopCommand() *cobra.Command {
	return a.serviceCommand(control.Stop, "Stop services; the rest runs on",
		"They stay stopped until they are started, whatever their restart policy.")
}

func (a *app) restartCommand() *cobra.Command {
	return a.serviceCommand(control.Restart, "Stop services and start them anew", "Jobs run only when they are named.")
}

func (a *app) reloadCommand() *cobra.Command {
	return a.serviceCommand(control.Reload, "Build services anew and replace what runs, without a gap",
		"It is what saving a file does, for services that are not watched. An instance whose replacement\n"+
			"does not build or start goes on as it is.")
}

func (a *app) scaleCommand() *cobra.Command {
	var noWait bool
	c := &cobra.Command{
		Use:     "scale SERVICE=N...",
		Short:   "Set how many instances of a service run",
		Long:    "Set how many instances of a service run, until the stack goes down; replicas in the stack file says it for good.",
		Example: "  msctl scale catalog=3",
		Args:    atLeast(1, "SERVICE=N, such as catalog=3"),
		ValidArgsFunction: func(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			names, _ := a.completeServices(c, args, toComplete)
			for i := range names {
				names[i] += "="
			}
			return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		},
		RunE: func(c *cobra.Command, args []string) error {
			replicas, err := parseScale(args)
			if err != nil {
				return err
			}
			return a.act(c.Context(), control.Action{Verb: control.Scale, Replicas: replicas}, noWait)
		},
	}
	c.Flags().BoolVar(&noWait, "no-wait", false, "do not wait until it is done")
	return c
}

func parseScale(args []string) (map[string]int, error) {
	out := map[string]int{}
	for _, arg := range args {
		name, number, ok := strings.Cut(arg, "=")
		n, err := strconv.Atoi(number)
		if !ok || name == "" || err != nil || n < 0 {
			return nil, usagef("want SERVICE=N with N a whole number of at least 0, got %q", arg)
		}
		out[name] = n
	}
	return out, nil
}

// act has the stack do something, and follows it to its end.
func (a *app) act(ctx context.Context, action control.Action, noWait bool) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	before, err := client.Next(ctx, 0)
	if err != nil {
		return err
	}
	result, err := client.Do(ctx, action)
	if err != nil {
		return err
	}
	if noWait || len(result.Steps) == 0 {
		a.printControlSteps(result.Steps)
		return nil
	}
	news := newsFrom(a).after(before)
	news.only = func(i registry.Instance) bool {
		return slices.ContainsFunc(result.Steps, func(s control.Step) bool { return s.Instance == i.ID })
	}
	return waitUntil(ctx, client, news, 0, func(now registry.Snapshot) (waiting []string, err error) {
		for _, step := range result.Steps {
			was, _ := before.Instance(step.Instance)
			is, there := now.Instance(step.Instance)
			done, err := stepDone(step, was, is, there)
			if err != nil {
				return nil, err
			}
			if !done {
				waiting = append(waiting, step.Instance)
			}
		}
		return waiting, nil
	})
}

// stepDone reports whether a step has had its effect.
func stepDone(step control.Step, was, is registry.Instance, there bool) (bool, error) {
	switch step.Action {
	case "stop", "remove":
		return !there || is.State.Terminal(), nil
	case "signal":
		return true, nil
	}
	if is.Stale != nil && (was.Stale == nil || is.Stale.Since.After(was.Stale.Since)) {
		return false, &exitError{
			code: exitUnhealthy, err: errors.New(is.ID + " " + isStale(is)),
			hint: "the next save that works ends that; msctl logs " + is.Service + " shows all that it wrote",
		}
	}
	again := !is.Started.Equal(was.Started) || is.State == registry.Failed && !is.Since.Equal(was.Since)
	switch {
	case !there || !again && !is.External:
		return false, nil
	case is.State == registry.Failed, is.CrashLoop != "":
		return false, unhealthy(is)
	}
	return is.State == registry.Ready || is.State == registry.Completed || is.State == registry.Stopped, nil
}
