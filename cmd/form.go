package cmd

import (
	"context"
	"errors"
	"os"
	"strings"

	"charm.land/bubbletea/v2"
	"charm.land/huh/v2"

	"github.com/msctl/msctl/stack"
	"github.com/msctl/msctl/templates"
)

// mayAsk reports whether there is somebody to fill in a form.
func (a *app) mayAsk() bool {
	return isTerminal(a.in) && isTerminal(a.err) && os.Getenv("CI") == "" && os.Getenv("TERM") != "dumb"
}

// ask shows a form on stderr, since stdout is for data.
func (a *app) ask(ctx context.Context, fields ...huh.Field) error {
	form := huh.NewForm(huh.NewGroup(fields...)).
		WithProgramOptions(tea.WithInput(a.in), tea.WithOutput(a.err)).
		WithTheme(huh.ThemeFunc(huh.ThemeBase))
	if err := form.RunWithContext(ctx); errors.Is(err, huh.ErrUserAborted) {
		return context.Canceled
	} else if err != nil {
		return err
	}
	return nil
}

// askService fills in what a new service needs: each question is a flag, too.
func (a *app) askService(ctx context.Context, o *newServiceOptions) error {
	var offered []huh.Option[string]
	for _, name := range templates.Names() {
		t, err := templates.Named(name)
		if err != nil {
			return err
		}
		offered = append(offered, huh.NewOption(name+"  "+t.Description, name))
	}
	o.template = defaultTemplate
	err := a.ask(ctx,
		huh.NewInput().Title("Name").Description("of the service").Value(&o.name).Validate(templates.CheckService),
		huh.NewSelect[string]().Title("Template").Description("--template").Options(offered...).Value(&o.template),
	)
	if err != nil {
		return err
	}
	t, err := templates.Named(o.template)
	if err != nil {
		return err
	}
	return a.askOptions(ctx, o, t)
}

// askOptions asks what the template leaves open.
func (a *app) askOptions(ctx context.Context, o *newServiceOptions, t *templates.Template) error {
	answers, err := t.Defaults(o.name)
	if err != nil {
		return err
	}
	values := make([]string, len(t.Options))
	var fields []huh.Field
	for n, opt := range t.Options {
		values[n] = answers.Options[opt.Name]
		if opt.Choices == nil {
			fields = append(fields, huh.NewInput().Title(opt.Name).Description(opt.Description).Value(&values[n]).Validate(opt.Check))
			continue
		}
		fields = append(fields, huh.NewSelect[string]().Title(opt.Name).Description(opt.Description).Options(huh.NewOptions(opt.Choices...)...).Value(&values[n]))
	}
	if t.Resource != nil {
		o.resource = t.Resource.String()
		fields = append(fields, huh.NewInput().Title("Resource").Description("what it keeps, and its fields; or none").Value(&o.resource).Validate(checkResource))
	}
	o.route = "/" + o.name
	fields = append(fields, huh.NewInput().Title("Route").Description("where the gateway serves it").Value(&o.route))
	if names := a.servicesThere(); len(names) > 0 {
		fields = append(fields, huh.NewMultiSelect[string]().Title("Calls").Description("the services that it calls").Options(huh.NewOptions(names...)...).Value(&o.calls))
	}
	if err := a.ask(ctx, fields...); err != nil {
		return err
	}
	for n, opt := range t.Options {
		o.set = append(o.set, opt.Name+"="+values[n])
	}
	return nil
}

func checkResource(text string) error {
	if text == "none" {
		return nil
	}
	_, err := templates.ParseResource(strings.Fields(text))
	return err
}

// servicesThere are the services of the stack that there is already.
func (a *app) servicesThere() []string {
	p, err := a.openProject()
	if err != nil {
		return nil // said when the service is written
	}
	names, err := stack.ServiceNames(p.text)
	if err != nil {
		return nil
	}
	return names
}
