package cmd

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/templates"
)

func (a *app) addCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "add",
		Short:   "Add to a service that msctl new wrote",
		Example: "  msctl add resource item name:string price:decimal stock:int --service catalog\n  msctl add client --service orders --for catalog\n  msctl add store postgres --service orders",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("want resource, client or store, got %q", args[0])
			}
			return c.Help()
		},
	}
	a.add(c, a.addResourceCommand())
	a.add(c, a.addClientCommand())
	a.add(c, a.addStoreCommand())
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
	w, err := a.written(ctx, o.service)
	if err != nil {
		return err
	}
	answers := w.record.Answers
	for _, have := range answers.Resources {
		switch {
		case have.Name != resource.Name:
		case have.String() == resource.String():
			a.note("%s has it already", o.service)
			return nil
		default:
			return &exitError{code: exitFailed, err: fmt.Errorf("%s has a resource %s", o.service, have), hint: "its files are yours to edit; nothing was written"}
		}
	}
	dir, err := fs.Sub(w.disk, w.record.Dir)
	if err != nil {
		return err
	}
	resource.Number = w.template.NextNumber(dir, answers)
	answers.Resources = append(slices.Clone(answers.Resources), resource)
	return a.writeAnew(ctx, w, answers, o.show)
}

type addStoreOptions struct {
	service, store string
	show           showOptions
}

func (a *app) addStoreCommand() *cobra.Command {
	var o addStoreOptions
	c := &cobra.Command{
		Use:   "store KIND",
		Short: "Give the service a store, or another one: sqlite, postgres",
		Long: `Give the service a store, or another one, of those that its template knows
(msctl templates show NAME). What you have written stays, and the store's code
is merged with it; data is not carried over.`,
		Example: "  msctl add store postgres --service orders",
		Args:    cobra.MatchAll(atLeast(1, "a kind of store"), cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			o.store = args[0]
			return a.addStore(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.service, "service", "", "the service")
	o.show.flags(c)
	_ = c.MarkFlagRequired("service") // it fails for a flag that is not there
	_ = c.RegisterFlagCompletionFunc("service", a.completeServices)
	return c
}

// storeOption is the option of templates that says where a service's data is.
const storeOption = "store"

func (a *app) addStore(ctx context.Context, o addStoreOptions) error {
	w, err := a.written(ctx, o.service)
	if err != nil {
		return err
	}
	had := w.record.Answers.Options[storeOption]
	switch had {
	case o.store:
		a.note("%s has it already", o.service)
		return nil
	case "", "none":
	default:
		a.note("what %s has in %s stays there", o.service, had)
	}
	return a.writeAnew(ctx, w, w.answers(map[string]string{storeOption: o.store}), o.show)
}

// written is a service as its template has written it.
type written struct {
	root     string // the stack's folder
	disk     fs.FS  // the same
	record   *templates.Record
	template *templates.Template
}

// written reads what is recorded of a service. It refuses one whose template has
// changed since: what would be written is the template's as it is now.
func (a *app) written(ctx context.Context, service string) (*written, error) {
	root, err := a.stackDir()
	if err != nil {
		return nil, err
	}
	if err := templates.Recover(ctx, root); err != nil {
		return nil, err
	}
	w := &written{root: root, disk: os.DirFS(root)}
	if w.record, err = templates.ReadRecord(w.disk, service); err != nil {
		return nil, err
	}
	if w.template, err = template(ctx, root, w.record.Template); err != nil {
		return nil, err
	}
	if w.template.Digest != w.record.Digest {
		return nil, &exitError{code: exitFailed, err: fmt.Errorf("the template of %s has changed since", service), hint: "msctl update " + service + " first"}
	}
	return w, nil
}

// answers are those that it was written from, with other options.
func (w *written) answers(options map[string]string) templates.Answers {
	answers := w.record.Answers
	all := maps.Clone(answers.Options)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, options)
	answers.Options = all
	return answers
}

// plan renders the service once more, with other answers, and merges that with
// what the user has made of it.
func (w *written) plan(answers templates.Answers) ([]templates.Change, error) {
	next, err := w.template.Render(answers)
	if err != nil {
		return nil, err
	}
	r := w.record
	return rewrite(w.disk, r, &templates.Record{Template: r.Template, Digest: r.Digest, Dir: r.Dir, Answers: next.Answers, Base: next})
}

func (a *app) writeAnew(ctx context.Context, w *written, answers templates.Answers, show showOptions) error {
	plan, err := w.plan(answers)
	if err != nil {
		return err
	}
	if err := a.carryOut(ctx, w.root, plan, show); err != nil {
		return err
	}
	return a.sayUpdated(w.root, plan, updateOptions{show: show})
}
