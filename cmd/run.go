package cmd

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/runtime"
	"github.com/msctl/msctl/runtime/process"
	"github.com/msctl/msctl/stack"
)

func (a *app) runCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "run SERVICE [COMMAND [ARG...]]",
		Short: "Run a command once in a service's folder and environment",
		Long: `Run a command once in a service's folder and environment: a migration, a
shell, a test. Without a command, it runs the service's own, with a port of its
own. The exit code is the command's.

The addresses of its dependencies are there while the stack runs.`,
		Example:           "  msctl run orders go test ./...\n  msctl run catalog python3 -m pdb app.py\n  msctl run orders -- sh -c 'echo $CATALOG_URL'",
		Args:              atLeast(1, "a service"),
		ValidArgsFunction: a.completeService,
		RunE: func(c *cobra.Command, args []string) error {
			return a.runOnce(c.Context(), args[0], command(args[1:]))
		},
	}
	c.Flags().SetInterspersed(false) // flags after the service are the command's
	return c
}

func (a *app) execCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "exec SERVICE|INSTANCE COMMAND [ARG...]",
		Short: "Run a command beside a running instance",
		Long: `Run a command beside a running instance: in its folder, with exactly its
environment, PORT included. A service's name stands for its first instance.
The exit code is the command's.`,
		Example:           "  msctl exec catalog-2 sh -c 'curl -s localhost:$PORT/readyz'",
		Args:              atLeast(2, "a service or instance, and a command"),
		ValidArgsFunction: a.completeService,
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			env, err := client.Environment(c.Context(), args[0])
			if err != nil {
				return err
			}
			if args = command(args[1:]); len(args) == 0 {
				return usagef("want a command")
			}
			return a.become(env, stack.Command{Args: verbatim(args)})
		},
	}
	c.Flags().SetInterspersed(false)
	return c
}

// command drops the -- that may stand before a command.
func command(args []string) []string {
	if len(args) > 0 && args[0] == "--" {
		return args[1:]
	}
	return args
}

// verbatim keeps arguments from having variables replaced: the user's shell
// has done that.
func verbatim(args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		for _, c := range arg {
			if c == '$' {
				out[i] += "$"
			}
			out[i] += string(c)
		}
	}
	return out
}

func (a *app) runOnce(ctx context.Context, service string, args []string) error {
	env, st, err := a.environment(ctx, service, nowhere)
	if err != nil {
		return err
	}
	env.Env = slices.DeleteFunc(env.Env, func(kv string) bool { return hasName(kv, "PORT") || hasName(kv, "INSTANCE_ID") })
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	env.Env = append(env.Env, "INSTANCE_ID="+service+"-run", "PORT="+strconv.Itoa(port))
	c := stack.Command{Args: verbatim(args)}
	if len(args) == 0 {
		sv, _ := st.Service(service)
		if c = sv.Command; c.IsZero() {
			return usagef("%s has no command of its own; name one", service)
		}
	}
	return a.become(env, c)
}

// become ends this process in favour of the command.
func (a *app) become(env control.Environment, c stack.Command) error {
	code, err := process.Become(env.Dir, append(environ(), env.Env...), c)
	if err != nil {
		return err
	}
	if code != exitOK {
		return &exitError{code: code}
	}
	return nil
}

// environment is a service's, from the running stack or, where that does not
// run, from its file: with absent in place of what it depends on.
func (a *app) environment(ctx context.Context, service string, absent absence) (control.Environment, *stack.Stack, error) {
	st, err := a.load()
	if err != nil {
		return control.Environment{}, nil, err
	}
	client, err := control.Dial(st.Dir)
	if err == nil {
		env, err := client.Environment(ctx, service)
		return env, st, err
	}
	if err := st.Check([]string{service}); err != nil {
		return control.Environment{}, nil, err
	}
	sv, _ := st.Service(service)
	if len(sv.DependsOn) > 0 {
		a.note("the stack is not running: "+absent.note, service)
	}
	return control.Environment{Env: runtime.Environment(st, sv, environ(), nil, service+"-1", sv.Port, absent.edge), Dir: sv.Dir}, st, nil
}

// absence is what there is in place of a gateway that does not run.
type absence struct {
	edge func(caller, callee string) (string, bool)
	note string // with the caller's name
}

var (
	// nowhere leaves the addresses out.
	nowhere = absence{func(string, string) (string, bool) { return "", false }, "the addresses of what %s depends on are missing"}
	// nobody gives addresses that nobody answers at: many services do not start
	// without.
	nobody = absence{func(string, string) (string, bool) { return "127.0.0.1:1", true }, "nobody answers %s where what it depends on would be"}
)

func hasName(kv, name string) bool {
	return len(kv) > len(name) && kv[:len(name)] == name && kv[len(name)] == '='
}

// freePort is a port that nobody listens on.
func freePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()                          //nolint:errcheck // nobody has connected
	return l.Addr().(*net.TCPAddr).Port, nil //nolint:forcetypeassert // of a TCP listener
}
