package cmd

import (
	"context"
	"errors"
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
		Example: "  msctl add resource item name:string price:decimal stock:int --service catalog\n  msctl add store postgres --service orders",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("want resource or store, got %q", args[0])
			}
			return c.Help()
		},
	}
	a.add(c, a.addResourceCommand())
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
	return a.answerAnew(ctx, o.service, o.show, func(w written) (templates.Answers, error) {
		answers := w.record.Answers
		for _, have := range answers.Resources {
			switch {
			case have.Name != resource.Name:
			case have.String() == resource.String():
				return answers, errAlready
			default:
				return answers, &exitError{code: exitFailed, err: fmt.Errorf("%s has a resource %s", o.service, have), hint: "its files are yours to edit; nothing was written"}
			}
		}
		dir, err := fs.Sub(w.disk, w.record.Dir)
		if err != nil {
			return answers, err
		}
		resource.Number = w.template.NextNumber(dir, answers)
		answers.Resources = append(slices.Clone(answers.Resources), resource)
		return answers, nil
	})
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
	return a.answerAnew(ctx, o.service, o.show, func(w written) (templates.Answers, error) {
		answers := w.record.Answers
		had := answers.Options[storeOption]
		if had == o.store {
			return answers, errAlready
		}
		answers.Options = maps.Clone(answers.Options)
		if answers.Options == nil {
			answers.Options = map[string]string{}
		}
		answers.Options[storeOption] = o.store
		if had != "" && had != "none" && !o.show.json {
			a.note("what %s has in %s stays there", o.service, had)
		}
		return answers, nil
	})
}

// written is a service as msctl has written it.
type written struct {
	disk     fs.FS // the stack's folder
	record   *templates.Record
	template *templates.Template
}

// errAlready is what has nothing to be done for.
var errAlready = errors.New("it is so already")

// answerAnew renders a service once more, with other answers, and merges that
// with what the user has made of it.
func (a *app) answerAnew(ctx context.Context, service string, show showOptions, answer func(written) (templates.Answers, error)) error {
	root, err := a.stackDir()
	if err != nil {
		return err
	}
	if err := templates.Recover(ctx, root); err != nil {
		return err
	}
	disk := os.DirFS(root)
	r, err := templates.ReadRecord(disk, service)
	if err != nil {
		return err
	}
	t, err := template(ctx, root, r.Template)
	if err != nil {
		return err
	}
	if t.Digest != r.Digest {
		return &exitError{code: exitFailed, err: fmt.Errorf("the template of %s has changed since", service), hint: "msctl update " + service + " first"}
	}
	answers, err := answer(written{disk, r, t})
	if errors.Is(err, errAlready) {
		a.note("%s has it already", service)
		return nil
	}
	if err != nil {
		return err
	}
	next, err := t.Render(answers)
	if err != nil {
		return err
	}
	plan, err := rewrite(disk, r, &templates.Record{Template: r.Template, Digest: r.Digest, Dir: r.Dir, Answers: next.Answers, Base: next})
	if err != nil {
		return err
	}
	if err := a.carryOut(ctx, root, plan, show); err != nil {
		return err
	}
	return a.sayUpdated(root, plan, updateOptions{show: show})
}
