package runtime

import (
	"context"
	"errors"
	"fmt"

	"github.com/msctl/msctl/stack"
)

// Apply makes st the stack, and adds services to what runs; it starts again
// what has failed. Services that st no longer has are removed.
func (s *Supervisor) Apply(ctx context.Context, st *stack.Stack, services []string) ([]Step, error) {
	return s.apply(ctx, st, services, func(t *target) {
		for _, name := range services {
			delete(t.stopped, name)
		}
	})
}

// Follow is Apply for a stack that was edited: what was stopped stays stopped.
func (s *Supervisor) Follow(ctx context.Context, st *stack.Stack, services []string) ([]Step, error) {
	return s.apply(ctx, st, services, func(*target) {})
}

func (s *Supervisor) apply(ctx context.Context, st *stack.Stack, services []string, edit func(*target)) ([]Step, error) {
	return s.do(ctx, func() ([]Step, error) {
		t := s.target.clone()
		t.stack, t.retry = st, true
		t.selected = selection(st, t.selected, services)
		edit(&t)
		if err := s.Gateway.Configure(ctx, st); err != nil {
			return nil, err
		}
		return s.reconcile(t)
	})
}

// Preview returns the steps that Apply would take, and takes none.
func (s *Supervisor) Preview(ctx context.Context, st *stack.Stack, services []string) ([]Step, error) {
	return s.do(ctx, func() ([]Step, error) {
		t := s.target.clone()
		t.stack, t.retry = st, true
		t.selected = selection(st, t.selected, services)
		return plan(t.instances(), s.existing()), nil
	})
}

// selection keeps of the old services those that st still has, and adds more.
func selection(st *stack.Stack, old map[string]bool, more []string) map[string]bool {
	out := map[string]bool{}
	for name := range old {
		if _, ok := st.Service(name); ok {
			out[name] = true
		}
	}
	for _, name := range more {
		out[name] = true
	}
	return out
}

// Preview returns the steps that bring up services of st from nothing.
func Preview(st *stack.Stack, services []string) []Step {
	return plan(target{stack: st, selected: selection(st, nil, services)}.instances(), nil)
}

// Start starts services that were stopped, have ended, or were not selected.
func (s *Supervisor) Start(ctx context.Context, services []string) ([]Step, error) {
	return s.change(ctx, services, func(t *target, name string) {
		t.selected[name], t.retry = true, true
		delete(t.stopped, name)
		if s.allEnded(name) {
			t.anew[name] = "asked to"
		}
	})
}

// Stop stops services; they stay stopped until they are started.
func (s *Supervisor) Stop(ctx context.Context, services []string) ([]Step, error) {
	return s.change(ctx, services, func(t *target, name string) { t.stopped[name] = true })
}

// Restart stops services and starts them anew.
func (s *Supervisor) Restart(ctx context.Context, services []string) ([]Step, error) {
	return s.change(ctx, services, func(t *target, name string) {
		t.selected[name] = true
		delete(t.stopped, name)
		t.anew[name] = "restart asked for"
	})
}

// Scale sets the number of replicas of a service until the stack goes down.
func (s *Supervisor) Scale(ctx context.Context, replicas map[string]int) ([]Step, error) {
	names := make([]string, 0, len(replicas))
	for name := range replicas {
		names = append(names, name)
	}
	return s.change(ctx, names, func(t *target, name string) { t.scale[name] = replicas[name] })
}

// change edits a copy of the target for each named service and reconciles.
func (s *Supervisor) change(ctx context.Context, services []string, edit func(t *target, name string)) ([]Step, error) {
	return s.do(ctx, func() ([]Step, error) {
		t := s.target.clone()
		for _, name := range services {
			sv, ok := t.service(name)
			if !ok {
				return nil, t.check(name)
			}
			edit(&t, name)
			if n := t.replicas(sv); n > 1 && sv.Port != 0 {
				return nil, fmt.Errorf("scale %s to %d: it has the fixed port %d, which only one instance can hold", name, n, sv.Port)
			}
		}
		return s.reconcile(t)
	})
}

// check is the error of a name that no service has.
func (t target) check(name string) error {
	if t.stack == nil {
		return errNothing
	}
	return t.stack.Check([]string{name})
}

// errNothing is the answer before a stack was applied.
var errNothing = errors.New("the stack is still being started")
