package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/stack"
)

// load reads the stack file with this process's environment.
func (a *app) load() (*stack.Stack, error) { return a.loadWith(environ()) }

// loadWith reads the stack file with the variables of environ.
func (a *app) loadWith(environ []string) (*stack.Stack, error) {
	st, err := stack.Load(stack.Options{Dir: a.dir, File: a.file, Environ: environ})
	switch {
	case errors.Is(err, stack.ErrNotFound):
		return nil, notFound(err)
	case err != nil:
		return nil, &exitError{code: exitInvalid, err: err}
	}
	return st, nil
}

func notFound(err error) error {
	return &exitError{code: exitInvalid, err: err, hint: "-C names the folder of the stack, -f its file"}
}

// checkDir makes sure of the folder that -C names: the search for a stack file
// upwards would not notice.
func (a *app) checkDir() error {
	if i, err := os.Stat(a.dir); a.dir != "" && (err != nil || !i.IsDir()) {
		return usagef("-C: there is no folder %s", a.dir)
	}
	return nil
}

// warn prints what loading had to say.
func (a *app) warn(st *stack.Stack) {
	for _, w := range st.Warnings {
		a.note("%v", w)
	}
	for _, s := range st.Services {
		if len(s.Stores) > 0 {
			a.note("%s: services.%s: stores are not provided by this version; give the service its data's address in environment", s.Stores[0].Pos, s.Name)
		}
	}
}

// stackDir is the folder of the stack, without reading its file.
func (a *app) stackDir() (string, error) {
	if a.file != "" {
		file := a.file
		if !filepath.IsAbs(file) {
			file = filepath.Join(a.dir, file)
		}
		return filepath.Abs(filepath.Dir(file))
	}
	file, err := stack.Find(a.dir)
	if err == nil {
		return filepath.Dir(file), nil
	}
	if dir, ok := findState(a.dir); ok {
		return dir, nil // the file has gone, as with git checkout, and its stack may run
	}
	return "", notFound(err)
}

// findState finds the folder of a stack that has been up, in dir or above.
func findState(dir string) (string, bool) {
	at, err := filepath.Abs(dir)
	for err == nil {
		if _, err := os.Stat(filepath.Join(stateDir(at), lockName)); err == nil {
			return at, true
		}
		above := filepath.Dir(at)
		if above == at {
			break
		}
		at = above
	}
	return "", false
}

// client connects to the running stack.
func (a *app) client() (*control.Client, error) {
	dir, err := a.stackDir()
	if err != nil {
		return nil, err
	}
	c, err := control.Dial(dir)
	if control.IsNotRunning(err) {
		return nil, &exitError{code: exitFailed, err: err, hint: "msctl up starts it"}
	}
	return c, err
}

// clientIfRunning is client for commands that have something to say of a stack
// that does not run, too: the client is nil then. dir is the stack's folder.
func (a *app) clientIfRunning() (c *control.Client, dir string, err error) {
	if dir, err = a.stackDir(); err != nil {
		return nil, "", err
	}
	c, err = control.Dial(dir)
	if control.IsNotRunning(err) {
		return nil, dir, nil
	}
	return c, dir, err
}

// completionTimeout bounds what a shell's completion waits for.
const completionTimeout = 500 * time.Millisecond

// completeServices offers the services that are not on the line yet.
func (a *app) completeServices(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(c.Context(), completionTimeout)
	defer cancel()
	var names []string
	if st, err := a.load(); err == nil {
		names = st.Names()
	} else if client, err := a.client(); err == nil { // the file is broken, but the stack runs
		status, err := client.Status(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for _, s := range status.Services {
			names = append(names, s.Name)
		}
	}
	var out []string
	for _, n := range names {
		if !slices.Contains(args, n) {
			out = append(out, n)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeProfiles offers the profiles of the stack file.
func (a *app) completeProfiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	st, err := a.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return st.Profiles(), cobra.ShellCompDirectiveNoFileComp
}

// completeService offers one service.
func (a *app) completeService(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return a.completeServices(c, args, toComplete)
}

// atLeast is cobra.MinimumNArgs with an error that says what to name.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) >= n {
			return nil
		}
		return &exitError{code: exitUsage, err: fmt.Errorf("want %s", what), hint: fmt.Sprintf("see %q", c.CommandPath()+" --help")}
	}
}

// none takes no arguments.
func none(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &exitError{code: exitUsage, err: fmt.Errorf("want no arguments, got %q", args[0]), hint: fmt.Sprintf("see %q", c.CommandPath()+" --help")}
}
