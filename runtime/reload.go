package runtime

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// Reload has services run what their files are now, for the cause given, as
// each of them wants it (stack.Reload).
func (s *Supervisor) Reload(ctx context.Context, services []string, cause string) ([]Step, error) {
	return s.do(ctx, func() ([]Step, error) {
		var steps []Step
		for _, name := range services {
			if _, ok := s.target.service(name); !ok {
				return nil, s.target.check(name)
			}
			steps = append(steps, s.reload(name, cause, 0)...)
		}
		return steps, nil
	})
}

// Changed is Reload because files of a service have changed: absolute paths,
// and how many more. A service that turns out to change them itself is not
// reloaded for those any more.
func (s *Supervisor) Changed(ctx context.Context, service string, paths []string, more int) ([]Step, error) {
	return s.do(ctx, func() ([]Step, error) {
		sv, ok := s.target.service(service)
		if !ok {
			return nil, nil // it was removed meanwhile
		}
		l := s.loops[service]
		if l == nil {
			l = loops{}
			s.loops[service] = l
		}
		dropBytecode(paths)
		hold, reload, own := l.see(paths, time.Now(), s.lastStart(service))
		if len(own) > 0 {
			s.explain(sv, own)
		}
		if !reload && more == 0 {
			return nil, nil
		}
		return s.reload(service, changed(sv.Dir, paths, more), hold), nil
	})
}

// lastStart is the last thing that may have written files, of a service: a
// build, or the start of an instance.
func (s *Supervisor) lastStart(service string) (last lastStart) {
	if r := s.rollouts[service]; r != nil {
		last.n, last.unseen = r.build.n, r.underWay() && !r.seen.Load()
		if ns := r.began.Load(); ns != 0 {
			last.at = time.Unix(0, ns)
		}
	}
	see := func(i *instance) {
		if i.want.Service.Name != service {
			return
		}
		i.mu.Lock()
		defer i.mu.Unlock()
		begun := i.row.Started
		if i.row.State == registry.Building {
			begun = i.row.Since
		}
		if begun.After(last.at) {
			last.at = begun
		}
	}
	for _, i := range s.running {
		see(i)
	}
	for i := range s.beside {
		see(i)
	}
	return last
}

// explain says in a service's log why its own writing reloads it no more.
func (s *Supervisor) explain(sv *stack.Service, own []string) {
	out := s.Logs.Writer(sv.Name, sv.Name+"-1")
	defer out.Close() //nolint:errcheck // the store reports its own failures
	_, _ = fmt.Fprintf(out, "msctl: reload loop: %s writes %s each time it starts; that reloads it no more. Add it to services.%s.ignore, or write elsewhere\n",
		sv.Name, strings.Join(relative(sv.Dir, own), ", "), sv.Name)
}

// changed says what has: "app.py changed", "app.py and 3 more changed".
func changed(dir string, paths []string, more int) string {
	first := relative(dir, paths[:min(len(paths), 1)])
	more += len(paths) - len(first)
	switch {
	case len(first) == 0:
		return "files changed"
	case more > 0:
		return fmt.Sprintf("%s and %d more changed", first[0], more)
	}
	return first[0] + " changed"
}

// relative shortens the paths that are in a folder.
func relative(dir string, paths []string) []string {
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		if rel, err := filepath.Rel(dir, p); err == nil && filepath.IsLocal(rel) {
			p = rel
		}
		out = append(out, p)
	}
	return out
}

// reload is Reload of one service, after a while.
func (s *Supervisor) reload(name, cause string, hold time.Duration) (steps []Step) {
	var wants []wanted
	for _, w := range s.target.instances() {
		i, ok := s.running[w.ID]
		if w.Service.Name != name || w.Address != "" || !w.Run || !ok {
			continue
		}
		switch state := i.state(); {
		case w.Service.Reload.Mode == stack.ReloadNone, state == registry.Pending:
		case w.Service.Reload.Mode == stack.ReloadSignal:
			if pid := i.pid(); pid != 0 && s.Runner.Signal(pid, w.Service.Reload.Signal) == nil {
				steps = append(steps, Step{Action: Signal, Instance: w.ID, Cause: cause, want: w})
			}
		case state == registry.Building: // what it builds is not the latest
			st := Step{Action: Replace, Instance: w.ID, Cause: cause, want: w}
			s.execute(st, map[string]int{w.ID: i.spec.Port})
			steps = append(steps, st)
		default:
			action := Replace
			if e, _ := i.existing(); e.Serving && swaps(w.Service) {
				action = Swap
			}
			steps = append(steps, Step{Action: action, Instance: w.ID, Cause: cause, want: w})
			wants = append(wants, w)
		}
	}
	if len(wants) > 0 {
		s.roll(wants, hold)
	}
	return steps
}

// follow reloads the services that want to restart with one that was reloaded
// (compose's depends_on.restart).
func (s *Supervisor) follow(service string) (steps []Step) {
	for _, sv := range s.target.order() {
		if slices.ContainsFunc(sv.DependsOn, func(d stack.Dependency) bool { return d.Restart && d.Service == service }) {
			steps = append(steps, s.reload(sv.Name, service+" was reloaded", 0)...)
		}
	}
	return steps
}
