package cmd

import (
	"context"

	"github.com/spf13/cobra"
)

type graphOptions struct{ mermaid, dot, json bool }

func (a *app) graphCommand() *cobra.Command {
	var o graphOptions
	c := &cobra.Command{
		Use:   "graph",
		Short: "Show who called whom through the gateway, how often and how fast",
		Long: `Show who called whom through the gateway, how often and how fast.

A call is an edge from its caller, a service or whoever is outside, to the
service that it went to. Edges that the stack file declares and nobody used are
there, too. Errors are responses of 5xx and none at all; P50 and P99 are what
half of the requests, and all but one in a hundred, took at most.`,
		Example: "  msctl graph\n  msctl graph --mermaid >>README.md\n  msctl graph --dot | dot -Tsvg >stack.svg",
		Args:    none,
		RunE:    func(c *cobra.Command, _ []string) error { return a.graph(c.Context(), o) },
	}
	f := c.Flags()
	f.BoolVar(&o.mermaid, "mermaid", false, "print a flowchart for Mermaid")
	f.BoolVar(&o.dot, "dot", false, "print a graph for Graphviz")
	f.BoolVar(&o.json, "json", false, "print JSON")
	c.MarkFlagsMutuallyExclusive("mermaid", "dot", "json")
	return c
}

func (a *app) graph(ctx context.Context, o graphOptions) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	g, err := client.Graph(ctx)
	switch {
	case err != nil:
		return err
	case o.json:
		return a.printJSON(g)
	case o.mermaid:
		return observed(g).Mermaid(a.out)
	case o.dot:
		return observed(g).DOT(a.out)
	}
	return observed(g).Text(a.out)
}
