package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/ports"
	"github.com/msctl/msctl/proxy"
	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/runtime"
	"github.com/msctl/msctl/runtime/watch"
	"github.com/msctl/msctl/stack"
)

// operator carries out what comes in through the control API, and follows the
// stack file's changes.
type operator struct {
	app        *app
	supervisor *runtime.Supervisor
	gateway    *proxy.Gateway
	watcher    *watch.Watcher // of the services' files
	options    upOptions
	stop       context.CancelCauseFunc
	started    time.Time
	discovery  *discovery
	begun      chan struct{} // closed once the stack was applied for the first time

	mu      sync.Mutex
	stack   *stack.Stack // as it was applied last
	names   []string     // selected so far
	problem string       // why the stack file, as it is now, was not applied
}

// begin applies the stack for the first time, and tells whoever detached this
// process how that went.
func (p *operator) begin(ctx context.Context, st *stack.Stack, names []string) error {
	_, err := p.supervisor.Apply(ctx, st, names)
	if err == nil {
		p.applied(st, names)
		close(p.begun)
		if !p.options.background {
			p.app.printWhere(p.status(), st)
		}
	}
	if w := p.options.started; w != nil {
		if err == nil {
			_, _ = fmt.Fprintln(w, "up")
		}
		_ = w.Close()
	}
	if ctx.Err() != nil {
		return nil // what ended ctx is the reason
	}
	return gatewayTaken(err)
}

func (p *operator) applied(st *stack.Stack, names []string) {
	p.discovery.look(st)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stack, p.problem = st, ""
	for _, n := range names {
		if !slices.Contains(p.names, n) {
			p.names = append(p.names, n)
		}
	}
	p.watcher.Follow(scopes(st, p.names))
}

// scopes are what is watched for the services that are meant to run.
func scopes(st *stack.Stack, names []string) (all []watch.Scope) {
	for _, name := range names {
		sv, ok := st.Service(name)
		if !ok {
			continue
		}
		if paths := sv.Watched(); len(paths) > 0 {
			all = append(all, watch.Scope{Name: name, Dir: sv.Dir, Paths: paths, Ignore: sv.Ignore, Poll: sv.Poll})
		}
	}
	return all
}

// changed reloads a service whose files have. What the stack file consists of
// is followed by reload.
func (p *operator) changed(ctx context.Context, b watch.Batch) {
	own := p.files()
	paths := slices.DeleteFunc(b.Paths, func(path string) bool { return slices.Contains(own, path) })
	if len(paths) == 0 && b.More == 0 {
		return
	}
	steps, err := p.supervisor.Changed(ctx, b.Scope, paths, b.More)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		printError(p.app.err, err)
	case len(steps) > 0:
		p.app.note("%s: %s", b.Scope, steps[0].Cause)
	}
}

// ready waits until there is a stack to speak of.
func (p *operator) ready(ctx context.Context) error {
	select {
	case <-p.begun:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Do implements control.Operator.
func (p *operator) Do(ctx context.Context, act control.Action) (control.Result, error) {
	var steps []runtime.Step
	err := p.ready(ctx)
	if err != nil {
		return control.Result{}, err
	}
	switch act.Verb {
	case control.Apply:
		steps, err = p.apply(ctx, act)
	case control.Start:
		steps, err = p.supervisor.Start(ctx, p.services(act))
	case control.Stop:
		steps, err = p.supervisor.Stop(ctx, p.services(act))
	case control.Restart:
		steps, err = p.supervisor.Restart(ctx, p.services(act))
	case control.Reload:
		steps, err = p.supervisor.Reload(ctx, p.services(act), "asked to")
	case control.Scale:
		steps, err = p.supervisor.Scale(ctx, act.Replicas)
	case control.Down:
		p.stop(errDown)
	default:
		err = usagef("unknown action %q", act.Verb)
	}
	return control.Result{Steps: controlSteps(steps)}, coded(err)
}

// coded gives err its exit code, to travel with it.
func coded(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: exitCode(err), err: err}
}

// services are those that an action names, else all that are meant to run but
// for jobs: those have done what they were for.
func (p *operator) services(act control.Action) []string {
	if len(act.Services) > 0 {
		return act.Services
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, name := range p.names {
		if sv, ok := p.stack.Service(name); ok && sv.Kind != stack.KindJob {
			out = append(out, name)
		}
	}
	return out
}

// apply loads the stack file with the caller's environment and follows it.
func (p *operator) apply(ctx context.Context, act control.Action) ([]runtime.Step, error) {
	if running := p.files()[0]; act.File != "" && act.File != running {
		return nil, &exitError{
			code: exitFailed, err: fmt.Errorf("the stack of %s runs in this folder", running),
			hint: "msctl down stops it; two stacks run side by side from folders of their own",
		}
	}
	st, err := p.app.loadWith(act.Environ)
	if err != nil {
		return nil, err
	}
	names, err := st.Select(act.Services, act.Profiles, act.NoDeps)
	if err != nil {
		return nil, err
	}
	if act.DryRun {
		return p.supervisor.Preview(ctx, st, names)
	}
	steps, err := p.supervisor.Apply(ctx, st, names)
	if err == nil {
		p.applied(st, names)
	}
	return steps, gatewayTaken(err)
}

// gatewayTaken names the holder of an address of the gateway, if that is what
// err is about.
func gatewayTaken(err error) error {
	var taken *proxy.ListenError
	if !errors.As(err, &taken) || !ports.InUse(err) {
		return err
	}
	advice := fmt.Sprintf("stop what holds it, or change %s; port 0 takes a free one", taken.Key)
	if _, text, splitErr := net.SplitHostPort(taken.Addr); splitErr == nil {
		if port, convErr := strconv.Atoi(text); convErr == nil {
			if h, findErr := ports.FindHolder(port); findErr == nil {
				advice = fmt.Sprintf("it is held by %s; stop that, or change %s (port 0 takes a free one)", h, taken.Key)
			}
		}
	}
	return &exitError{code: exitFailed, err: err, hint: advice}
}

// files lists what reload is called for.
func (p *operator) files() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stack.Files
}

// reload applies the stack file after it changed. One that is invalid changes
// nothing but says so.
func (p *operator) reload(ctx context.Context) {
	steps, err := p.follow(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		p.mu.Lock()
		p.problem = err.Error()
		p.mu.Unlock()
		p.app.note("the stack file changed but is not applied; everything runs on as it was")
		printError(p.app.err, err)
	case len(steps) > 0:
		p.app.note("the stack file changed")
		p.app.printSteps(steps)
	}
}

// follow applies the stack file as it is now. Unlike apply it starts nothing
// that was stopped, and what the file has no longer of the services that up was
// called with is no mistake.
func (p *operator) follow(ctx context.Context) ([]runtime.Step, error) {
	st, err := p.app.loadWith(environ())
	if err != nil {
		return nil, err
	}
	names, err := p.reselect(st)
	if err != nil {
		return nil, err
	}
	steps, err := p.supervisor.Follow(ctx, st, names)
	if err == nil {
		p.applied(st, names)
	}
	return steps, gatewayTaken(err)
}

// reselect selects of st what up was called for, as far as st still has it.
func (p *operator) reselect(st *stack.Stack) ([]string, error) {
	o := p.options
	services := slices.DeleteFunc(slices.Clone(o.services), func(name string) bool {
		_, ok := st.Service(name)
		return !ok
	})
	if len(services) == 0 && len(o.services) > 0 {
		return nil, nil // none named would be all
	}
	known := st.Profiles()
	profiles := slices.DeleteFunc(slices.Clone(o.profiles), func(name string) bool {
		return name != "*" && !slices.Contains(known, name)
	})
	return st.Select(services, profiles, o.noDeps)
}

// Status implements control.Viewer.
func (p *operator) Status(ctx context.Context) (control.Status, error) {
	if err := p.ready(ctx); err != nil {
		return control.Status{}, err
	}
	return p.status(), nil
}

func (p *operator) status() control.Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := control.Status{
		Stack: p.stack.Name, Dir: p.stack.Dir, File: p.stack.Files[0],
		PID: os.Getpid(), Version: version(), Started: p.started, Problem: p.problem,
		Gateway: p.gateway.Addr(), URL: p.gateway.URL(), Admin: p.gateway.AdminURL(), Registry: p.discovery.url, DNS: p.discovery.dns, Notes: p.discovery.noted(),
	}
	urls := p.gateway.URLs()
	for _, sv := range p.stack.Services {
		c := control.Service{Name: sv.Name, Kind: string(sv.Kind), Selected: slices.Contains(p.names, sv.Name), URLs: urls[sv.Name]}
		for _, d := range sv.DependsOn {
			c.Depends = append(c.Depends, d.Service)
		}
		s.Services = append(s.Services, c)
	}
	return s
}

// Environment implements control.Viewer.
func (p *operator) Environment(ctx context.Context, service string) (control.Environment, error) {
	if err := p.ready(ctx); err != nil {
		return control.Environment{}, err
	}
	env, dir, err := p.supervisor.Environment(ctx, service)
	if err != nil {
		err = &exitError{code: exitCode(err), err: err} // the code travels
	}
	return control.Environment{Env: env, Dir: dir}, coded(err)
}

// Routes implements control.Viewer.
func (p *operator) Routes(context.Context) ([]control.Route, error) {
	return controlRoutes(p.gateway.Routes()), nil
}

// Match implements control.Viewer.
func (p *operator) Match(_ context.Context, q control.MatchQuery) (*control.Match, error) {
	u, err := url.Parse(q.URL)
	if err != nil {
		return nil, coded(usagef("%w", err))
	}
	m, ok := p.gateway.Match(&wire.Head{
		Method: q.Method, Host: cmp.Or(u.Host, q.Headers.Get("Host"), p.gateway.Addr()), Path: cmp.Or(u.EscapedPath(), "/"), Query: u.RawQuery,
		Header: fields(q.Headers), TLS: u.Scheme == "https",
	})
	if !ok {
		return nil, nil
	}
	return &control.Match{Route: controlRoute(m.Route), Why: m.Why, Over: controlRoutes(m.Over)}, nil
}

// fields are the header of a request that is not made. It implements
// wire.Header.
type fields http.Header

// Get implements wire.Header.
func (f fields) Get(name string) string { return http.Header(f).Get(name) }

// Has implements wire.Header.
func (f fields) Has(name, value string) bool {
	return slices.Contains(http.Header(f).Values(name), value)
}

// Values implements wire.Header.
func (f fields) Values(name string) iter.Seq[string] {
	return slices.Values(http.Header(f).Values(name))
}

func controlRoutes(routes []proxy.Route) []control.Route {
	var out []control.Route
	for _, r := range routes {
		out = append(out, controlRoute(r))
	}
	return out
}

func controlRoute(r proxy.Route) control.Route {
	return control.Route{
		Pattern: r.Pattern, URL: r.URL, Service: r.Service, Strip: r.Strip, Rewrite: r.Rewrite, Redirect: r.Redirect,
		Declared: r.Declared, Ready: r.Ready, Shadowed: r.Shadowed,
	}
}

func controlSteps(steps []runtime.Step) []control.Step {
	out := make([]control.Step, 0, len(steps))
	for _, s := range steps {
		out = append(out, control.Step{Action: string(s.Action), Instance: s.Instance, Cause: s.Cause, After: s.After})
	}
	return out
}
