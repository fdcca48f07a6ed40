package cmd

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/registry"
)

func (a *app) routesCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "routes",
		Short:   "List the gateway's routes, and where they lead",
		Example: "  msctl routes\n  msctl routes --json",
		Args:    none,
		RunE:    func(c *cobra.Command, _ []string) error { return a.routes(c.Context(), asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON list")
	return c
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
	fmt.Fprintln(w, "ROUTE\tSERVICE\tREADY\tSTRIP\tDECLARED\tNOTE")
	for _, r := range routes {
		ready, note, declared := strings.Join(r.Ready, ","), "", r.Declared
		if ready == "" {
			ready = "none"
		}
		if r.Shadowed != "" {
			note = "never used: " + r.Shadowed + " takes all of it"
		}
		if declared == "" {
			declared = "-" // every service has it
		}
		strip := r.Strip
		if strip == "" {
			strip = "-"
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join([]string{r.Pattern, r.Service, ready, strip, declared, note}, "\t"), "\t"))
	}
	return w.Flush()
}

// serviceView is a service as the registry knows it.
type serviceView struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`
	Selected  bool     `json:"selected"`
	Instances int      `json:"instances"`
	Ready     int      `json:"ready"`
	Addresses []string `json:"addresses"` // of ready instances
	URLs      []string `json:"urls"`      // at the gateway
	DependsOn []string `json:"depends_on"`
}

func (a *app) servicesCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "services",
		Short:   "List the services, as the registry knows them",
		Example: "  msctl services\n  msctl services --json",
		Args:    none,
		RunE:    func(c *cobra.Command, _ []string) error { return a.services(c.Context(), asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON list")
	return c
}

func (a *app) services(ctx context.Context, asJSON bool) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	snap, err := client.Next(ctx, 0)
	if err != nil {
		return err
	}
	views := []serviceView{}
	for _, s := range status.Services {
		views = append(views, view(s, snap))
	}
	if asJSON {
		return a.printJSON(views)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERVICE\tKIND\tREADY\tADDRESSES\tURL")
	for _, v := range views {
		ready := fmt.Sprintf("%d/%d", v.Ready, v.Instances)
		if !v.Selected {
			ready = "off"
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join([]string{v.Name, v.Kind, ready, orDash(v.Addresses), orDash(v.URLs)}, "\t"), "\t"))
	}
	return w.Flush()
}

func view(s control.Service, snap registry.Snapshot) serviceView {
	v := serviceView{
		Name: s.Name, Kind: s.Kind, Selected: s.Selected,
		Addresses: []string{}, URLs: append([]string{}, s.URLs...), DependsOn: append([]string{}, s.Depends...),
	}
	for _, i := range snap.Service(s.Name) {
		v.Instances++
		if i.State == registry.Ready || i.State == registry.Completed {
			v.Ready++
		}
		if i.State == registry.Ready && i.Address != "" {
			v.Addresses = append(v.Addresses, i.Address)
		}
	}
	return v
}

func orDash(list []string) string {
	if len(list) == 0 {
		return "-"
	}
	return strings.Join(list, ",")
}
