// Package cmd is the command line: it parses flags, wires the packages
// together and prints. One file a command.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/runtime/process"
)

// Exit codes, the whole of them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInvalid     = 3   // the stack file is invalid
	exitUnhealthy   = 4   // a service did not become healthy
	exitInterrupted = 130 // SIGINT, as a shell reports it
)

// app is what every command gets: streams and the global flags.
type app struct {
	in       io.Reader
	out, err io.Writer
	dir      string // -C
	file     string // -f
	parsed   bool   // the command line was right; what fails after it is no wrong usage
}

// Main runs the command line and returns the exit code. It alone prints errors.
func Main(args []string) int {
	if len(args) == 2 && args[0] == process.GuardCommand { // before all else: it is started with every stack
		if err := process.Guardian(os.Stdin, args[1]); err != nil {
			return exitFailed
		}
		return exitOK
	}
	return run(context.Background(), args, os.Stdin, os.Stdout, os.Stderr)
}

func run(ctx context.Context, args []string, in io.Reader, out, errw io.Writer) int {
	a := &app{in: in, out: out, err: errw}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errw)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var e *exitError
	if errors.As(err, &e) && e.err == nil {
		return e.code // a child's exit code: it has said all there is to say
	}
	if !a.parsed && !errors.As(err, &e) {
		err = &exitError{code: exitUsage, err: err, hint: "msctl --help lists the commands, msctl COMMAND --help its flags"}
	}
	printError(errw, err)
	return exitCode(err)
}

func (a *app) root() *cobra.Command {
	c := &cobra.Command{
		Use:           "msctl",
		Short:         "Run microservices on one machine: processes, registry, gateway and logs from one file",
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			e := &exitError{code: exitUsage, err: fmt.Errorf("unknown command %q", args[0]), hint: "msctl --help lists the commands"}
			if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				e.hint = "did you mean " + near[0] + "?"
			}
			return e
		},
	}
	c.PersistentPreRunE = func(*cobra.Command, []string) error { return a.checkDir() }
	c.PersistentFlags().StringVarP(&a.dir, "dir", "C", "", "run as if started in this folder")
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &exitError{code: exitUsage, err: err, hint: fmt.Sprintf("see %q", c.CommandPath()+" --help")}
	})
	c.SuggestionsMinimumDistance = 2
	c.Version = version()
	c.SetVersionTemplate("msctl {{.Version}}\n")
	c.TraverseChildren = true // msctl -f other.yaml logs -f
	a.fileFlag(c, "f")
	for _, g := range a.groups() {
		c.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, sub := range g.commands {
			sub.GroupID = g.title
			a.add(c, sub)
		}
	}
	c.SetHelpCommandGroupID("Others:")
	c.SetCompletionCommandGroupID("Others:")
	return c
}

// add completes a command with what all have.
func (a *app) add(root, c *cobra.Command) {
	short := "f"
	if c.Flags().ShorthandLookup(short) != nil {
		short = "" // it is the command's own, as compose's logs -f
	}
	a.fileFlag(c, short)
	act := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		a.parsed = true
		return act(c, args)
	}
	root.AddCommand(c)
}

func (a *app) fileFlag(c *cobra.Command, short string) {
	c.Flags().StringVarP(&a.file, "file", short, a.file, "the stack file (default stack.yaml, here or in a folder above)")
}

// group is commands under a title of the help.
type group struct {
	title    string
	commands []*cobra.Command
}

// groups list every command, in the order of the help.
func (a *app) groups() []group {
	return []group{
		{"Write:", []*cobra.Command{
			a.newCommand(), a.addCommand(), a.updateCommand(), a.templatesCommand(), a.importCommand(), a.demoCommand(),
		}},
		{"Run:", []*cobra.Command{
			a.upCommand(), a.downCommand(), a.startCommand(), a.stopCommand(), a.restartCommand(), a.reloadCommand(), a.scaleCommand(),
			a.runCommand(), a.execCommand(), a.waitCommand(),
		}},
		{"See:", []*cobra.Command{
			a.psCommand(), a.logsCommand(), a.servicesCommand(), a.routesCommand(),
			a.requestsCommand(), a.graphCommand(), a.openCommand(), a.envCommand(),
		}},
		{"Check:", []*cobra.Command{
			a.validateCommand(), a.configCommand(), a.schemaCommand(), a.doctorCommand(), a.verifyCommand(),
		}},
		{"Others:", []*cobra.Command{a.trustCommand(), a.versionCommand(), a.superviseCommand()}},
	}
}
