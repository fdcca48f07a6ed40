package cmd

import (
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
