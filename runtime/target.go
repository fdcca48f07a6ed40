package runtime

import (
	"fmt"
	"maps"
	"slices"

	"github.com/msctl/msctl/stack"
)

// target is what was asked for, in all.
type target struct {
	stack    *stack.Stack
	selected map[string]bool
	stopped  map[string]bool
	scale    map[string]int
	anew     map[string]string // services whose instances have to start again, and why
	retry    bool              // start again what has failed
}

// clone returns a copy that can be changed, with nothing asked for once more.
func (t target) clone() target {
	c := target{
		stack:    t.stack,
		selected: map[string]bool{},
		stopped:  map[string]bool{},
		scale:    map[string]int{},
		anew:     map[string]string{},
	}
	maps.Copy(c.selected, t.selected)
	maps.Copy(c.stopped, t.stopped)
	maps.Copy(c.scale, t.scale)
	return c
}

// instances lists what there should be, dependencies first.
func (t target) instances() []wanted {
	if t.stack == nil {
		return nil
	}
	var out []wanted
	for _, s := range t.order() {
		if s.InConsul() != "" {
			continue // whoever asks the registry puts them into the table
		}
		if len(s.Endpoints) > 0 {
			for n, addr := range s.Endpoints {
				out = append(out, t.instance(s, n+1, addr))
			}
			continue
		}
		for n := range t.replicas(s) {
			out = append(out, t.instance(s, n+1, ""))
		}
	}
	return out
}

func (t target) instance(s *stack.Service, n int, addr string) wanted {
	return wanted{
		ID:      fmt.Sprintf("%s-%d", s.Name, n),
		Service: s,
		Replica: n,
		Address: addr,
		Run:     !t.stopped[s.Name],
		Anew:    t.anew[s.Name],
		Retry:   t.retry,
		DotEnv:  t.stack.DotEnv,
	}
}

func (t target) replicas(s *stack.Service) int {
	if n, ok := t.scale[s.Name]; ok {
		return n
	}
	return s.Replicas
}

// order lists the selected services so that each comes after what it depends on.
func (t target) order() []*stack.Service {
	var out []*stack.Service
	seen := map[string]bool{}
	var visit func(s *stack.Service)
	visit = func(s *stack.Service) {
		if seen[s.Name] {
			return
		}
		seen[s.Name] = true
		for _, d := range s.DependsOn {
			if dep, ok := t.stack.Service(d.Service); ok {
				visit(dep)
			}
		}
		if t.selected[s.Name] {
			out = append(out, s)
		}
	}
	for i := range t.stack.Services {
		visit(&t.stack.Services[i])
	}
	return out
}

// elsewhere are the services that others run, with their names in the registry.
func (t target) elsewhere() map[string]string {
	var out map[string]string
	for i := range t.stack.Services {
		if s := &t.stack.Services[i]; s.InConsul() != "" {
			if out == nil {
				out = map[string]string{}
			}
			out[s.Name] = s.InConsul()
		}
	}
	return out
}

// awaited are the dependencies of s that this target runs.
func (t target) awaited(s *stack.Service) []stack.Dependency {
	return slices.DeleteFunc(slices.Clone(s.DependsOn), func(d stack.Dependency) bool { return !t.selected[d.Service] })
}

// listens reports whether s is expected to listen on its port: somebody would
// call it. A worker that nobody calls is ready once it runs.
func (t target) listens(s *stack.Service) bool {
	if s.Kind == stack.KindJob {
		return false
	}
	if s.Port != 0 || len(s.Routes) > 0 || len(s.Endpoints) > 0 {
		return true
	}
	for _, r := range t.stack.Gateway.Routes {
		if r.To == s.Name {
			return true
		}
	}
	for _, other := range t.stack.Services {
		for _, d := range other.DependsOn {
			if d.Service == s.Name {
				return true
			}
		}
	}
	return false
}
