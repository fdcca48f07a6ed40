package cmd

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/stack"
)

type configOptions struct {
	json, services, profiles bool
}

func (a *app) configCommand() *cobra.Command {
	var o configOptions
	c := &cobra.Command{
		Use:     "config",
		Short:   "Print the stack file as it is resolved",
		Long:    "Print the stack file as it is resolved: includes merged, variables replaced, defaults filled in.",
		Example: "  msctl config\n  msctl config --json\n  msctl config --services",
		Args:    none,
		RunE:    func(*cobra.Command, []string) error { return a.config(o) },
	}
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	c.Flags().BoolVar(&o.services, "services", false, "print the services' names only, one a line")
	c.Flags().BoolVar(&o.profiles, "profiles", false, "print the profiles' names only, one a line")
	c.MarkFlagsMutuallyExclusive("json", "services", "profiles")
	return c
}

func (a *app) config(o configOptions) error {
	st, err := a.load()
	if err != nil {
		return err
	}
	a.warn(st)
	lines := st.Names()
	switch {
	case o.profiles:
		lines = st.Profiles()
	case o.services:
	case o.json:
		return a.write(st.JSON())
	default:
		return a.write(st.YAML())
	}
	for _, l := range lines {
		fmt.Fprintln(a.out, l)
	}
	return nil
}

func (a *app) write(data []byte, err error) error {
	if err == nil {
		_, err = a.out.Write(data)
	}
	return err
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of stack files, for editors",
		Long: `Print the JSON Schema (2020-12) of stack files. Editors with a YAML language
server use it when a stack file begins with

  # yaml-language-server: $schema=stack.schema.json`,
		Example: "  msctl schema > stack.schema.json",
		Args:    none,
		RunE:    func(*cobra.Command, []string) error { return a.write(stack.Schema(), nil) },
	}
}

// problem is an error of a stack file, for programs.
type problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Path   string `json:"path,omitempty"`
	Text   string `json:"text"`
	Hint   string `json:"hint,omitempty"`
}

func (a *app) validateCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "validate",
		Short:   "Check the stack file, and say all that is wrong with it",
		Long:    "Check the stack file, and say all that is wrong with it. The exit code is 3 when anything is.",
		Example: "  msctl validate\n  msctl validate --json",
		Args:    none,
		RunE:    func(*cobra.Command, []string) error { return a.validate(asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON list of what is wrong")
	return c
}

func (a *app) validate(asJSON bool) error {
	st, err := a.load()
	var wrong stack.Errors
	if err != nil && !errors.As(err, &wrong) {
		return err
	}
	if asJSON {
		problems := []problem{}
		for _, e := range wrong {
			problems = append(problems, problem{e.Pos.File, e.Pos.Line, e.Pos.Col, e.Path, e.Text, e.Hint})
		}
		if err := a.printJSON(problems); err != nil {
			return err
		}
		if len(problems) > 0 {
			return &exitError{code: exitInvalid}
		}
		return nil
	}
	if err != nil {
		return err
	}
	a.warn(st)
	fmt.Fprintf(a.err, "%s is valid: %d services\n", st.Files[0], len(st.Services))
	return nil
}
