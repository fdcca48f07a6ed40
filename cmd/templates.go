package cmd

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/stack"
	"github.com/msctl/msctl/templates"
)

func (a *app) templatesCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "templates",
		Short:   "List, show and check the templates of msctl new",
		Example: "  msctl templates\n  msctl templates show go-api\n  msctl templates lint ./mine\n  msctl templates test ./mine",
		Args:    none,
		RunE:    func(*cobra.Command, []string) error { return a.listTemplates(asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON list")
	list := &cobra.Command{
		Use: "list", Short: "List the templates", Args: none,
		RunE: func(*cobra.Command, []string) error { return a.listTemplates(asJSON) },
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print a JSON list")
	a.add(c, list)
	a.add(c, a.showTemplateCommand())
	a.add(c, &cobra.Command{
		Use: "lint TEMPLATE...", Short: "Check a template's form: that it renders, and what it is rendered from",
		Args: atLeast(1, "a template"),
		RunE: func(c *cobra.Command, args []string) error { return a.lintTemplates(c.Context(), args) },
	})
	a.add(c, a.testTemplateCommand())
	return c
}

// templateInfo is a template as it is printed.
type templateInfo struct {
	Name        string             `json:"name"`
	Language    string             `json:"language"`
	Description string             `json:"description"`
	Options     []templates.Option `json:"options"`
	Resource    string             `json:"resource,omitempty"`
}

func infoOf(t *templates.Template) templateInfo {
	info := templateInfo{Name: t.Name, Language: t.Language, Description: t.Description, Options: t.Options}
	if t.Resource != nil {
		info.Resource = t.Resource.String()
	}
	return info
}

func (a *app) listTemplates(asJSON bool) error {
	var all []templateInfo
	for _, name := range templates.Names() {
		t, err := templates.Named(name)
		if err != nil {
			return err
		}
		all = append(all, infoOf(t))
	}
	if asJSON {
		return a.printJSON(all)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, t := range all {
		fmt.Fprintf(w, "%s\t%s\n", t.Name, t.Description)
		for _, o := range t.Options {
			fmt.Fprintf(w, "\t  %s\n", optionLine(o))
		}
	}
	return w.Flush()
}

// optionLine is an option as a flag, with the default first.
func optionLine(o templates.Option) string {
	flag := "--set " + o.Name + "="
	if o.Name == "store" || o.Name == "auth" {
		flag = "--" + o.Name + " "
	}
	if o.Choices == nil {
		return fmt.Sprintf("%s%s: %s", flag, strings.ToUpper(o.Name), o.Description)
	}
	return fmt.Sprintf("%s%s: %s (default %s)", flag, strings.Join(o.Choices, "|"), o.Description, o.Default)
}

func (a *app) showTemplateCommand() *cobra.Command {
	var asJSON, entry bool
	c := &cobra.Command{
		Use: "show TEMPLATE", Short: "Show a template's options and the files that it writes",
		Args: cobra.MatchAll(atLeast(1, "a template"), cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := template(c.Context(), a.dir, args[0])
			if err != nil {
				return err
			}
			r, err := t.Render(defaults(t, "catalog"))
			if err != nil {
				return err
			}
			switch {
			case entry:
				return a.write(r.Entry, nil)
			case asJSON:
				return a.printJSON(infoOf(t))
			}
			fmt.Fprintf(a.out, "%s: %s\n", t.Name, t.Description)
			for _, o := range t.Options {
				fmt.Fprintf(a.out, "  %s\n", optionLine(o))
			}
			if t.Resource != nil {
				fmt.Fprintf(a.out, "  --resource %q\n", t.Resource)
			}
			fmt.Fprintln(a.out)
			for _, p := range r.Files.Paths() {
				fmt.Fprintln(a.out, p)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&entry, "entry", false, "print the entries of the stack file only")
	return c
}

// lintTemplates checks what can be told without running anything.
func (a *app) lintTemplates(ctx context.Context, sources []string) error {
	bad := 0
	for _, source := range sources {
		t, err := template(ctx, a.dir, source)
		if err != nil {
			return err
		}
		wrong := t.Identity()
		for _, answers := range t.Pairs() {
			r, err := t.Render(answers)
			if err == nil {
				_, err = stack.AddServices([]byte("services: {}\n"), r.Entry, stack.AddOptions{Dir: "service"})
			}
			if err != nil {
				wrong = append(wrong, err)
			}
		}
		for _, err := range wrong {
			fmt.Fprintf(a.err, "%s: %v\n", source, err)
		}
		if len(wrong) == 0 {
			fmt.Fprintf(a.out, "ok  %s: %d ways\n", source, len(t.Pairs()))
		} else {
			bad++
		}
	}
	if bad > 0 {
		return &exitError{code: exitFailed, err: fmt.Errorf("%d of %d templates are wrong", bad, len(sources))}
	}
	return nil
}

type testTemplateOptions struct {
	source string
	keep   string
	only   int
}

func (a *app) testTemplateCommand() *cobra.Command {
	var o testTemplateOptions
	c := &cobra.Command{
		Use:   "test TEMPLATE",
		Short: "Render a template in every pair of its options, and run its checks in each",
		Args:  cobra.MatchAll(atLeast(1, "a template"), cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			o.source = args[0]
			return a.testTemplate(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.keep, "keep", "", "render into this folder, and leave it there")
	c.Flags().IntVar(&o.only, "only", 0, "test only the rendering of this number")
	return c
}

func (a *app) testTemplate(ctx context.Context, o testTemplateOptions) error {
	t, err := template(ctx, a.dir, o.source)
	if err != nil {
		return err
	}
	dir := o.keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "msctl-test-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // a folder of the system's for such
	}
	failed := 0
	pairs := t.Pairs()
	for n, answers := range pairs {
		if o.only != 0 && o.only != n+1 {
			continue
		}
		at := filepath.Join(dir, fmt.Sprintf("%02d", n+1))
		if err := a.testRendering(ctx, t, answers, at); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			failed++
			fmt.Fprintf(a.out, "FAIL  %2d  %s: %v\n", n+1, chosen(answers), err)
			continue
		}
		fmt.Fprintf(a.out, "ok    %2d  %s\n", n+1, chosen(answers))
	}
	if failed > 0 {
		return &exitError{code: exitFailed, err: fmt.Errorf("%d of %d renderings failed", failed, len(pairs)), hint: "--only N --keep DIR leaves one to look at"}
	}
	return nil
}

func chosen(a templates.Answers) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(a.Options)) {
		words = append(words, name+"="+a.Options[name])
	}
	for _, r := range a.Resources {
		words = append(words, r.Name)
	}
	return strings.Join(words, " ")
}

// testRendering writes one rendering and runs the checks in it.
func (a *app) testRendering(ctx context.Context, t *templates.Template, answers templates.Answers, dir string) error {
	r, err := t.Render(answers)
	if err != nil {
		return err
	}
	plan, err := templates.Plan(nil, r, emptyFS{}, "")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := templates.Apply(ctx, dir, plan); err != nil {
		return err
	}
	for _, check := range t.Checks {
		c := exec.CommandContext(ctx, "sh", "-c", check) //nolint:gosec // who tests a template runs it
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			fmt.Fprintf(a.err, "%s\n", out)
			return fmt.Errorf("%s: %w", check, err)
		}
	}
	return nil
}
