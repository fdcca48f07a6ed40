package cmd

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/templates"
)

func (a *app) addCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "add",
		Short:   "Add to a service that msctl new wrote",
		Example: "  msctl add resource item name:string price:decimal stock:int --service catalog",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("want resource, got %q", args[0])
			}
			return c.Help()
		},
	}
	a.add(c, a.addResourceCommand())
	return c
}

type addResourceOptions struct {
	service  string
	resource []string
	plural   string
	show     showOptions
}

func (a *app) addResourceCommand() *cobra.Command {
	var o addResourceOptions
	c := &cobra.Command{
		Use:   "resource NAME FIELD:TYPE...",
		Short: "Add a thing that the service keeps: model, migration, routes, tests",
		Long: `Add a thing that the service keeps: its model, its migration, routes with
validation and pagination, and their tests, in files of their own. What you have
written stays; in files that all resources share, lines are added. Adding the
same again changes nothing.

The types are string, text, int, decimal, bool and datetime.`,
		Example: "  msctl add resource order total:decimal placed_at:datetime --service orders",
		Args:    atLeast(2, "a name and its fields"),
		RunE: func(c *cobra.Command, args []string) error {
			o.resource = args
			return a.addResource(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.service, "service", "", "the service")
	c.Flags().StringVar(&o.plural, "plural", "", "of the name, where it is irregular")
	o.show.flags(c)
	_ = c.MarkFlagRequired("service") // it fails for a flag that is not there
	_ = c.RegisterFlagCompletionFunc("service", a.completeServices)
	return c
}

func (a *app) addResource(ctx context.Context, o addResourceOptions) error {
	resource, err := templates.ParseResource(o.resource)
	if err == nil {
		resource.Plural = o.plural
		err = resource.Check()
	}
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	root, err := a.stackDir()
	if err != nil {
		return err
	}
	if err := templates.Recover(ctx, root); err != nil {
		return err
	}
	disk := os.DirFS(root)
	r, err := templates.ReadRecord(disk, o.service)
	if err != nil {
		return err
	}
	for _, have := range r.Answers.Resources {
		switch {
		case have.Name != resource.Name:
		case have.String() == resource.String():
			a.note("%s has it already", o.service)
			return nil
		default:
			return &exitError{code: exitFailed, err: fmt.Errorf("%s has a resource %s", o.service, have), hint: "its files are yours to edit; nothing was written"}
		}
	}
	t, err := template(ctx, root, r.Template)
	if err != nil {
		return err
	}
	if t.Digest != r.Digest {
		return &exitError{code: exitFailed, err: fmt.Errorf("the template of %s has changed since", o.service), hint: "msctl update " + o.service + " first"}
	}
	dir, err := fs.Sub(disk, r.Dir)
	if err != nil {
		return err
	}
	resource.Number = t.NextNumber(dir, r.Answers)
	answers := r.Answers
	answers.Resources = append(slices.Clone(answers.Resources), resource)
	next, err := t.Render(answers)
	if err != nil {
		return err
	}
	plan, err := rewrite(disk, r, &templates.Record{Template: r.Template, Digest: r.Digest, Dir: r.Dir, Answers: next.Answers, Base: next})
	if err != nil {
		return err
	}
	if err := a.carryOut(ctx, root, plan, o.show); err != nil {
		return err
	}
	return a.sayUpdated(root, plan, updateOptions{show: o.show})
}
