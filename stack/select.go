package stack

import (
	"slices"
	"strings"
)

// UnknownError is the name of a service or profile that the stack has not.
type UnknownError struct {
	Kind string // "service", "profile"
	Name string
	Near string // what may have been meant
	Have []string
}

func (e *UnknownError) Error() string { return "there is no " + e.Kind + " " + quote(e.Name) }

// Hint tells what there is.
func (e *UnknownError) Hint() string {
	if e.Near != "" {
		return "did you mean " + e.Near + "?"
	}
	if len(e.Have) == 0 || len(e.Have) > 20 {
		return ""
	}
	return "there is " + strings.Join(e.Have, ", ")
}

// Check returns an *UnknownError for the first of services that s has not.
func (s *Stack) Check(services []string) error {
	for _, name := range services {
		if _, ok := s.Service(name); !ok {
			return &UnknownError{Kind: "service", Name: name, Near: s.Nearest(name), Have: s.Names()}
		}
	}
	return nil
}

// Names lists the services in file order.
func (s *Stack) Names() []string {
	names := make([]string, len(s.Services))
	for i := range s.Services {
		names[i] = s.Services[i].Name
	}
	return names
}

// Select returns the names of what is to run: the services named and, unless
// noDeps, whatever they depend on; with none named, all that have no profile
// or an enabled one, and what those need. Naming a service enables it, as in
// compose; what it depends on comes along whatever its profile. The order is
// the file's. The profile "*" enables all.
func (s *Stack) Select(services, profiles []string, noDeps bool) ([]string, error) {
	if err := s.Check(services); err != nil {
		return nil, err
	}
	known := s.Profiles()
	for _, p := range profiles {
		if !slices.Contains(known, p) && p != "*" {
			near, _ := nearest(p, known)
			return nil, &UnknownError{Kind: "profile", Name: p, Near: near, Have: known}
		}
	}
	selected := map[string]bool{}
	var pick func(sv *Service)
	pick = func(sv *Service) {
		if selected[sv.Name] {
			return
		}
		selected[sv.Name] = true
		if noDeps {
			return
		}
		for _, d := range sv.DependsOn {
			if dep, ok := s.Service(d.Service); ok && (d.Required || dep.enabled(profiles)) {
				pick(dep)
			}
		}
	}
	for i := range s.Services {
		sv := &s.Services[i]
		if slices.Contains(services, sv.Name) || len(services) == 0 && sv.enabled(profiles) {
			pick(sv)
		}
	}
	var out []string
	for _, name := range s.Names() {
		if selected[name] {
			out = append(out, name)
		}
	}
	return out, nil
}

// Profiles lists all profiles that services name, sorted.
func (s *Stack) Profiles() []string {
	var out []string
	for i := range s.Services {
		out = append(out, s.Services[i].Profiles...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (s *Service) enabled(profiles []string) bool {
	return len(s.Profiles) == 0 || slices.ContainsFunc(profiles, func(p string) bool { return p == "*" || slices.Contains(s.Profiles, p) })
}
