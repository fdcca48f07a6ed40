package cmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/registry/mirror"
	"github.com/msctl/msctl/stack"
)

// serviceView is a service as the registry knows it.
type serviceView struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"` // "registered" for one that is in the registry alone
	Selected  bool     `json:"selected"`
	Instances int      `json:"instances"`
	Ready     int      `json:"ready"`
	Addresses []string `json:"addresses"` // of ready instances
	URLs      []string `json:"urls"`      // at the gateway
	DependsOn []string `json:"depends_on"`
}

type servicesOptions struct {
	name   string // one service; all for ""
	watch  bool
	asJSON bool
}

func (a *app) servicesCommand() *cobra.Command {
	var o servicesOptions
	c := &cobra.Command{
		Use:   "services [SERVICE]",
		Short: "List the services, or a service's instances, as the registry knows them",
		Long: `List the services, or a service's instances, as the registry knows them: those
of the stack, and those that registered themselves.`,
		Example:           "  msctl services\n  msctl services catalog --watch\n  msctl services --json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.name = args[0]
			}
			return a.services(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.asJSON, "json", false, "print a JSON list")
	c.Flags().BoolVarP(&o.watch, "watch", "w", false, "print it again whenever it changes, until Ctrl-C")
	return c
}

// lookAgain is how often what registered itself is looked at, with --watch. The
// stack's own instances are told of at once.
const lookAgain = time.Second

func (a *app) services(ctx context.Context, o servicesOptions) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	st, err := a.load()
	if err != nil {
		return err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	viewer, err := openViewer(st, status)
	if err != nil {
		return err
	}
	defer viewer.Close()
	if !o.watch {
		_, err := a.printServices(ctx, client, viewer, o, a.out)
		return err
	}
	ctx, done := untilSignalled(ctx, func() {})
	defer done()
	for before, after := "", uint64(0); ; {
		var b bytes.Buffer
		revision, err := a.printServices(ctx, client, viewer, o, &b)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if text := b.String(); text != before {
			if before != "" && !o.asJSON {
				fmt.Fprintln(a.out)
			}
			fmt.Fprint(a.out, text)
			before = text
		}
		after = max(after, revision)
		until, cancel := context.WithTimeout(ctx, lookAgain)
		_, err = client.Next(until, after)
		cancel()
		if err != nil && until.Err() == nil {
			return err
		}
	}
}

// printServices prints once, and returns the revision of what it has printed.
func (a *app) printServices(ctx context.Context, client *control.Client, viewer *mirror.Viewer, o servicesOptions, to io.Writer) (uint64, error) {
	status, err := client.Status(ctx)
	if err != nil {
		return 0, err
	}
	snap, err := client.Next(ctx, 0)
	if err != nil {
		return 0, err
	}
	if o.name != "" {
		return snap.Revision, printService(ctx, viewer, status, o, to)
	}
	views := []serviceView{}
	for _, s := range status.Services {
		views = append(views, view(s, snap))
	}
	names, err := viewer.Names(ctx)
	if err != nil {
		return 0, fmt.Errorf("the registry: %w", err)
	}
	for _, name := range names {
		if slices.ContainsFunc(views, func(v serviceView) bool { return v.Name == name }) {
			continue
		}
		entries, err := viewer.Service(ctx, name)
		if err != nil {
			return 0, fmt.Errorf("the registry: %w", err)
		}
		views = append(views, registeredView(name, entries))
	}
	if o.asJSON {
		return snap.Revision, encodeJSON(to, views)
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERVICE\tKIND\tREADY\tADDRESSES\tURL")
	for _, v := range views {
		ready := fmt.Sprintf("%d/%d", v.Ready, v.Instances)
		if !v.Selected {
			ready = "off"
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join([]string{v.Name, v.Kind, ready, orDash(v.Addresses), orDash(v.URLs)}, "\t"), "\t"))
	}
	return snap.Revision, w.Flush()
}

// openViewer looks at the registry of a stack that runs.
func openViewer(st *stack.Stack, status control.Status) (*mirror.Viewer, error) {
	at := st.Registry.Consul
	if at == "" {
		at = "consul://" + strings.TrimPrefix(status.Registry, "http://") + "?tls=false"
	}
	config, err := mirror.Config(at)
	if err != nil {
		return nil, err
	}
	return mirror.NewViewer(config)
}

// printService prints the instances of one service.
func printService(ctx context.Context, viewer *mirror.Viewer, status control.Status, o servicesOptions, to io.Writer) error {
	entries, err := viewer.Service(ctx, o.name)
	if err != nil {
		return fmt.Errorf("the registry: %w", err)
	}
	declared := slices.ContainsFunc(status.Services, func(s control.Service) bool { return s.Name == o.name })
	if len(entries) == 0 && !declared && !o.watch {
		return &exitError{code: exitUsage, err: fmt.Errorf("there is no service %q", o.name), hint: "msctl services lists them all"}
	}
	if o.asJSON {
		return encodeJSON(to, entries)
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "INSTANCE\tNODE\tADDRESS\tSTATUS\tTAGS")
	for _, e := range entries {
		status := e.Status
		if e.Output != "" {
			status += " (" + firstLine(e.Output) + ")"
		}
		fmt.Fprintln(w, strings.Join([]string{e.ID, e.Node, e.Address, status, orDash(e.Tags)}, "\t"))
	}
	return w.Flush()
}

// registeredView is of a service that the registry alone has.
func registeredView(name string, entries []mirror.Entry) serviceView {
	v := serviceView{Name: name, Kind: "registered", Selected: true, Instances: len(entries), Addresses: []string{}, URLs: []string{}, DependsOn: []string{}}
	for _, e := range entries {
		if e.Status == "passing" {
			v.Ready++
			v.Addresses = append(v.Addresses, e.Address)
		}
	}
	return v
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
