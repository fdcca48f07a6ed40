package cmd

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/control"
)

type routesOptions struct {
	json    bool
	match   string
	headers []string
}

func (a *app) routesCommand() *cobra.Command {
	var o routesOptions
	c := &cobra.Command{
		Use:   "routes",
		Short: "List the gateway's routes, and where they lead",
		Long: `List the gateway's routes, and where they lead.

--match takes a request that need not be made, METHOD URL or a URL alone, and
says which route takes it and why. The exit code is 1 when none does.`,
		Example: "  msctl routes\n  msctl routes --match 'POST http://shop.localhost:8080/orders/7' --header 'X-Beta: 1'\n  msctl routes --json",
		Args:    none,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.match != "" {
				return a.match(c.Context(), o)
			}
			if len(o.headers) > 0 {
				return usagef("--header goes with --match")
			}
			return a.routes(c.Context(), o.json)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.StringVar(&o.match, "match", "", "say which route takes a request, such as 'GET /orders/7'")
	f.StringArrayVar(&o.headers, "header", nil, "a header field of the request of --match, such as 'X-Beta: 1'")
	return c
}

// query is the request that the options tell of.
func (o routesOptions) query() (control.MatchQuery, error) {
	q := control.MatchQuery{Method: http.MethodGet, Headers: http.Header{}}
	switch words := strings.Fields(o.match); len(words) {
	case 1:
		q.URL = words[0]
	case 2:
		q.Method, q.URL = strings.ToUpper(words[0]), words[1]
	default:
		return q, usagef("--match: want METHOD URL, or a URL alone, got %q", o.match)
	}
	if !strings.HasPrefix(q.URL, "/") && !strings.Contains(q.URL, "://") {
		q.URL = "http://" + q.URL
	}
	for _, h := range o.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return q, usagef("--header: want 'NAME: VALUE', got %q", h)
		}
		q.Headers.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return q, nil
}

func (a *app) match(ctx context.Context, o routesOptions) error {
	q, err := o.query()
	if err != nil {
		return err
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	m, err := client.Match(ctx, q)
	if err != nil {
		return err
	}
	if m == nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("no route takes %s %s", q.Method, q.URL), hint: "msctl routes lists them"}
	}
	if o.json {
		return a.printJSON(m)
	}
	fmt.Fprintf(a.out, "%s\n  since %s\n", leads(m.Route), m.Why)
	if len(m.Over) > 0 {
		fmt.Fprintln(a.out, "also matched by")
	}
	for _, r := range m.Over {
		fmt.Fprintf(a.out, "  %s\n", leads(r))
	}
	return nil
}

// leads is a route with where it goes and where it is declared, in one line.
func leads(r control.Route) string {
	line := r.Pattern + " → " + cmp.Or(r.Redirect, r.Service)
	if r.Declared != "" {
		line += " (" + r.Declared + ")"
	}
	return line
}

func (a *app) routes(ctx context.Context, asJSON bool) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	routes, err := client.Routes(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(append([]control.Route{}, routes...))
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ROUTE\tSERVICE\tREADY\tSTRIP\tREWRITE\tREDIRECT\tDECLARED\tNOTE")
	for _, r := range routes {
		ready, note := strings.Join(r.Ready, ","), ""
		if ready == "" && r.Redirect == "" {
			ready = "none"
		}
		if r.Shadowed != "" {
			note = "never used: " + r.Shadowed + " takes all of it"
		}
		cells := []string{r.Pattern, r.Service, ready, r.Strip, r.Rewrite, r.Redirect, r.Declared} // not declared: every service has it
		for i := range cells {
			cells[i] = cmp.Or(cells[i], "-")
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(append(cells, note), "\t"), "\t"))
	}
	return w.Flush()
}

func orDash(list []string) string {
	if len(list) == 0 {
		return "-"
	}
	return strings.Join(list, ",")
}
