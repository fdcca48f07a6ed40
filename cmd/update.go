package cmd

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/templates"
)

type updateOptions struct {
	services []string
	check    bool
	show     showOptions
}

func (a *app) updateCommand() *cobra.Command {
	var o updateOptions
	c := &cobra.Command{
		Use:   "update [SERVICE...]",
		Short: "Bring services up to date with their templates",
		Long: `Bring services up to date with their templates: what the template has changed
since is merged with what you have changed. Where both changed the same lines,
they are marked as git does, and the exit code is 1.

It needs neither git nor the old template: .msctl/scaffold has what the service
was written as.`,
		Example:           "  msctl update --check\n  msctl update catalog --diff\n  msctl update",
		ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			o.services = args
			return a.update(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.check, "check", false, "write nothing; exit code 1 when a service is not up to date")
	o.show.flags(c)
	return c
}

func (a *app) update(ctx context.Context, o updateOptions) error {
	root, err := a.stackDir()
	if err != nil {
		return err
	}
	if err := templates.Recover(ctx, root); err != nil {
		return err
	}
	services := o.services
	if len(services) == 0 {
		if services, err = templates.Recorded(os.DirFS(root)); err != nil {
			return err
		}
	}
	var plan []templates.Change
	for _, name := range services {
		changes, err := a.updates(ctx, root, name)
		if err != nil {
			return err
		}
		plan = append(plan, changes...)
	}
	o.show.dryRun = o.show.dryRun || o.check
	if err := a.carryOut(ctx, root, plan, o.show); err != nil {
		return err
	}
	return a.sayUpdated(root, plan, o)
}

// updates are what brings one service up to date.
func (a *app) updates(ctx context.Context, root, name string) ([]templates.Change, error) {
	disk := os.DirFS(root)
	r, err := templates.ReadRecord(disk, name)
	if err != nil {
		return nil, err
	}
	t, err := template(ctx, root, r.Template)
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", name, err)
	}
	if t.Digest == r.Digest {
		return nil, nil
	}
	next, err := t.Render(r.Answers)
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", name, err)
	}
	if string(next.Entry) != string(r.Base.Entry) {
		a.note("%s: its template now has other entries for the stack file, which is left as it is; msctl templates show %s --entry prints them", name, r.Template)
	}
	return rewrite(disk, r, &templates.Record{Template: r.Template, Digest: t.Digest, Dir: r.Dir, Answers: next.Answers, Base: next})
}

// rewrite plans the way from one record of a service to the next.
func rewrite(disk fs.FS, from, to *templates.Record) ([]templates.Change, error) {
	dir, err := fs.Sub(disk, from.Dir)
	if err != nil {
		return nil, err
	}
	files, err := templates.Plan(from.Base, to.Base, dir, from.Dir)
	if err != nil {
		return nil, err
	}
	kept, err := to.Changes(disk)
	return append(files, kept...), err
}

// sayUpdated says what came of it, and fails where somebody has to look.
func (a *app) sayUpdated(root string, plan []templates.Change, o updateOptions) error {
	var conflicts []string
	changed := 0
	for _, c := range plan {
		switch {
		case internalFile(c.Path):
			continue
		case c.Action == templates.Conflict:
			conflicts = append(conflicts, filepath.Join(root, filepath.FromSlash(c.Path)))
		}
		if !o.show.dryRun && !o.show.diff && !o.show.json {
			fmt.Fprintln(a.out, c)
		}
		changed++
	}
	stale := slices.ContainsFunc(plan, templates.Change.Writes)
	switch {
	case !stale:
		a.note("all is up to date")
	case o.check:
		return &exitError{code: exitFailed, err: fmt.Errorf("not up to date: %s", counted(changed, "file")), hint: "msctl update --diff shows how"}
	case len(conflicts) > 0 && !o.show.dryRun && !o.show.diff:
		return &exitError{code: exitFailed, err: fmt.Errorf("you and the template changed the same lines of %s", counted(len(conflicts), "file")), hint: "both are between <<<<<<< and >>>>>>> there"}
	}
	return nil
}
