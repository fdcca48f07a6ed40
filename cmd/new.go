package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/stack"
	"github.com/msctl/msctl/templates"
)

const defaultTemplate = "python-api"

func (a *app) newCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "new",
		Short:   "Write a stack or a service",
		Example: "  msctl new stack shop --service catalog\n  msctl new service orders --template go-api --store postgres --calls catalog",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("want stack or service, got %q", args[0])
			}
			return c.Help()
		},
	}
	a.add(c, a.newStackCommand())
	a.add(c, a.newServiceCommand())
	return c
}

type newStackOptions struct {
	name     string
	services []string // name=template
	show     showOptions
}

func (a *app) newStackCommand() *cobra.Command {
	var o newStackOptions
	c := &cobra.Command{
		Use:   "stack NAME",
		Short: "Write a new stack into a folder of its name",
		Long: `Write a new stack into a folder of its name: stack.yaml, and the services that
--service names, each from its template.`,
		Example: "  msctl new stack shop\n  msctl new stack shop --service catalog=python-min --service orders=go-api",
		Args:    cobra.MatchAll(atLeast(1, "the stack's name"), cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			o.name = args[0]
			return a.newStack(c.Context(), o)
		},
	}
	c.Flags().StringArrayVar(&o.services, "service", nil, "a service and its template, name=template (repeatable)")
	o.show.flags(c)
	return c
}

func (a *app) newStack(ctx context.Context, o newStackOptions) error {
	if err := templates.CheckService(o.name); err != nil {
		return usagef("%s", strings.Replace(err.Error(), "service", "stack", 1))
	}
	root := filepath.Join(a.dir, o.name)
	if entries, err := os.ReadDir(root); err == nil && len(entries) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &exitError{code: exitFailed, err: fmt.Errorf("%s exists already", root), hint: "in it, msctl new service adds services; nothing was written"}
	}
	p, err := a.freshProject(root, o.name)
	if err != nil {
		return err
	}
	var names []string
	for _, arg := range o.services {
		name, source, ok := strings.Cut(arg, "=")
		if !ok {
			source = defaultTemplate
		}
		t, err := template(ctx, a.dir, source)
		if err != nil {
			return err
		}
		if err := mayRun(t, false); err != nil {
			return err
		}
		if source, err = sourceFrom(source, a.dir, p.root); err != nil {
			return err
		}
		if err := p.add(t, defaults(t, name), placement{dir: path.Join(servicesDir, name), source: source}); err != nil {
			return err
		}
		names = append(names, name)
	}
	p.plan = append(p.plan, templates.Change{Path: ".gitignore", Action: templates.Create, To: []byte(".env\n")})
	if o.show.dryRun || o.show.diff {
		return a.carryOut(ctx, p.root, p.changes(), o.show)
	}
	if err := a.carryOutApart(ctx, p, o.show); err != nil {
		return err
	}
	a.sayWritten(o.name, names, p)
	return nil
}

// carryOutApart applies a plan in a folder beside, and then gives it its name:
// nobody sees half a stack.
func (a *app) carryOutApart(ctx context.Context, p *project, o showOptions) error {
	beside := filepath.Join(filepath.Dir(p.root), "."+filepath.Base(p.root)+".msctl-new")
	if err := os.RemoveAll(beside); err != nil { // of one that was killed
		return err
	}
	if err := os.MkdirAll(beside, 0o755); err != nil {
		return err
	}
	if err := templates.Apply(ctx, beside, p.changes()); err != nil {
		return errors.Join(err, os.RemoveAll(beside))
	}
	_ = os.Remove(p.root) // an empty folder
	if err := os.Rename(beside, p.root); err != nil {
		return errors.Join(err, os.RemoveAll(beside))
	}
	if o.json {
		return a.carryOut(ctx, p.root, nil, o)
	}
	return nil
}

// servicesDir is where services are put, from the stack's folder.
const servicesDir = "services"

// defaults are the answers of a new service that were not given.
func defaults(t *templates.Template, name string) templates.Answers {
	answers := templates.Answers{Service: name}
	if t.Resource != nil {
		answers.Resources = []templates.Resource{*t.Resource}
	}
	return answers
}

type newServiceOptions struct {
	name     string
	template string
	dir      string
	route    string
	calls    []string
	resource string
	store    string
	auth     string
	set      []string
	answers  string
	trust    bool
	yes      bool
	show     showOptions
}

func (a *app) newServiceCommand() *cobra.Command {
	var o newServiceOptions
	c := &cobra.Command{
		Use:   "service NAME",
		Short: "Write a new service and put it into the stack",
		Long: `Write a new service from a template, and put it into the stack file, which keeps
all that is in it. Without a stack file, the folder becomes a stack.

In a terminal and without flags, it asks; each question is a flag, too.

--template is one of those that msctl templates lists, a folder (./mine), or a
git repository: URL, URL#ref or URL#ref:folder.`,
		Example: `  msctl new service catalog
  msctl new service orders --template go-api --store postgres --calls catalog
  msctl new service billing --template python-min --resource "invoice number:string total:decimal"
  msctl new service catalog --dry-run`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.name = args[0]
			}
			switch {
			case !o.yes && c.Flags().NFlag() == 0 && a.mayAsk():
				if err := a.askService(c.Context(), &o); err != nil {
					return err
				}
			case o.name == "":
				return usagef("want the service's name")
			}
			return a.newService(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.template, "template", "", "the template (default "+defaultTemplate+")")
	f.StringVar(&o.dir, "path", "", "the service's folder, from the stack's (default "+servicesDir+"/NAME)")
	f.StringVar(&o.route, "route", "", "where the gateway serves it (default /NAME)")
	f.StringSliceVar(&o.calls, "calls", nil, "services that it calls, which become its depends_on")
	f.StringVar(&o.resource, "resource", "", `what it keeps, as "item name:string price:decimal", or none`)
	f.StringVar(&o.store, "store", "", "where its data is; an option of most templates")
	f.StringVar(&o.auth, "auth", "", "who may call it; an option of some templates")
	f.StringArrayVar(&o.set, "set", nil, "any option of the template, name=value (repeatable)")
	f.StringVar(&o.answers, "answers", "", "a YAML file with template, options and resources; flags win over it")
	f.BoolVar(&o.trust, "trust", false, "let the template run its hooks")
	f.BoolVarP(&o.yes, "yes", "y", false, "ask nothing: what is not given is the template's default")
	o.show.flags(c)
	_ = c.RegisterFlagCompletionFunc("template", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return templates.Names(), cobra.ShellCompDirectiveDefault
	})
	_ = c.RegisterFlagCompletionFunc("calls", a.completeServices)
	return c
}

func (a *app) newService(ctx context.Context, o newServiceOptions) error {
	if err := templates.CheckService(o.name); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	p, err := a.openProject()
	if err != nil {
		return err
	}
	if err := templates.Recover(ctx, p.root); err != nil {
		return err
	}
	given, err := a.readAnswers(o.answers)
	if err != nil {
		return err
	}
	source := firstOf(o.template, given.Template, defaultTemplate)
	t, err := template(ctx, a.dir, source)
	if err != nil {
		return err
	}
	if err := mayRun(t, o.trust); err != nil {
		return err
	}
	if source, err = sourceFrom(source, a.dir, p.root); err != nil {
		return err
	}
	answers, err := o.complete(t, given)
	if err != nil {
		return err
	}
	at := placement{dir: firstOf(filepath.ToSlash(o.dir), path.Join(servicesDir, o.name)), source: source, calls: o.calls, route: o.route}
	if !filepath.IsLocal(filepath.FromSlash(at.dir)) || path.Clean(at.dir) == "." {
		return usagef("--path %s: want a folder within the stack's", o.dir)
	}
	at.dir = path.Clean(at.dir)
	if err := p.known(o.calls); err != nil {
		return err
	}
	if err := p.add(t, answers, at); err != nil {
		return err
	}
	if err := a.carryOut(ctx, p.root, p.changes(), o.show); err != nil || o.show.dryRun || o.show.diff {
		return err
	}
	if err := a.runHooks(ctx, t, filepath.Join(p.root, filepath.FromSlash(at.dir))); err != nil {
		return err
	}
	a.sayWritten("", []string{o.name}, p)
	return nil
}

func firstOf(texts ...string) string {
	n := slices.IndexFunc(texts, func(s string) bool { return s != "" })
	return texts[n]
}

// complete makes answers of flags, of an answers file and of the template.
func (o newServiceOptions) complete(t *templates.Template, given answersFile) (templates.Answers, error) {
	answers := defaults(t, o.name)
	answers.Options = given.Options
	if answers.Options == nil {
		answers.Options = map[string]string{}
	}
	for name, value := range map[string]string{"store": o.store, "auth": o.auth} {
		if value != "" {
			answers.Options[name] = value
		}
	}
	for _, s := range o.set {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return answers, usagef("--set %s: want name=value", s)
		}
		answers.Options[name] = value
	}
	resources := given.Resources
	if o.resource != "" {
		resources = []string{o.resource}
	}
	switch {
	case len(resources) == 0:
		return answers, nil
	case resources[0] == "none":
		answers.Resources = nil
		return answers, nil
	}
	answers.Resources = nil
	for n, text := range resources {
		r, err := templates.ParseResource(strings.Fields(text))
		if err != nil {
			return answers, &exitError{code: exitUsage, err: err}
		}
		r.Number = n + 1
		answers.Resources = append(answers.Resources, r)
	}
	return answers, nil
}

// known makes sure that the services to be called are in the stack.
func (p *project) known(services []string) error {
	if len(services) == 0 {
		return nil
	}
	names, err := stack.ServiceNames(p.text)
	if err != nil {
		return err
	}
	for _, s := range services {
		if !slices.Contains(names, s) {
			return &exitError{code: exitUsage, err: fmt.Errorf("--calls: there is no service %q", s), hint: "there are " + firstOf(strings.Join(names, ", "), "none yet")}
		}
	}
	return nil
}

// answersFile is what --answers reads.
type answersFile = templates.AnswersFile

func (a *app) readAnswers(file string) (answersFile, error) {
	if file == "" {
		return answersFile{}, nil
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(a.dir, file)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return answersFile{}, fmt.Errorf("read the answers: %w", err)
	}
	out, err := templates.ParseAnswers(data)
	if err != nil {
		return out, &exitError{code: exitUsage, err: fmt.Errorf("%s: %w", file, err)}
	}
	return out, nil
}

// sayWritten says what is there now, and what comes next.
func (a *app) sayWritten(name string, services []string, p *project) {
	files := map[string]int{}
	for _, c := range p.plan {
		if parts := strings.SplitN(c.Path, "/", 3); len(parts) == 3 && !internalFile(c.Path) {
			files[path.Join(parts[0], parts[1])]++
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(files)) {
		a.note("%s: %s", dir, counted(files[dir], "file"))
	}
	a.note("%s: %s", filepath.Join(p.root, p.file), firstOf(strings.Join(services, ", "), "no services yet"))
	if name != "" {
		a.note("next: msctl up -C %s", name)
	} else {
		a.note("next: msctl up")
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
