package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

type envOptions struct {
	service string
	json    bool
	dotenv  bool
}

func (a *app) envCommand() *cobra.Command {
	var o envOptions
	c := &cobra.Command{
		Use:               "env SERVICE",
		Short:             "Print a service's environment, for any shell",
		Long:              "Print a service's environment as a shell takes it; system variables are left out.",
		Example:           "  eval \"$(msctl env orders)\"\n  msctl env orders --dotenv > .env.orders",
		Args:              atLeast(1, "a service"),
		ValidArgsFunction: a.completeService,
		RunE: func(c *cobra.Command, args []string) error {
			o.service = args[0]
			return a.env(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.json, "json", false, "print a JSON object")
	c.Flags().BoolVar(&o.dotenv, "dotenv", false, "print NAME='value', without export")
	return c
}

func (a *app) env(ctx context.Context, o envOptions) error {
	e, _, err := a.environment(ctx, o.service, nowhere)
	if err != nil {
		return err
	}
	if o.json {
		vars := map[string]string{}
		for _, kv := range e.Env {
			name, value, _ := strings.Cut(kv, "=")
			vars[name] = value
		}
		return a.printJSON(vars)
	}
	export := "export "
	if o.dotenv {
		export = ""
	}
	for _, kv := range e.Env {
		name, value, _ := strings.Cut(kv, "=")
		fmt.Fprintf(a.out, "%s%s=%s\n", export, name, shellQuote(value))
	}
	return nil
}

// shellQuote quotes s so that a POSIX shell takes it as one word, unchanged.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
