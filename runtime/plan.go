package runtime

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/msctl/msctl/stack"
)

// Action is what a Step does to an instance.
type Action string

// The actions.
const (
	Start   Action = "start"
	Stop    Action = "stop"    // it stays in the table, as stopped
	Remove  Action = "remove"  // it is stopped and leaves the table
	Replace Action = "replace" // it is stopped and started anew
	Swap    Action = "swap"    // another is started beside it, and takes its place once that is ready
	Signal  Action = "signal"  // it is told to reload by itself
)

// Step is one thing to do, and why.
type Step struct {
	Action   Action
	Instance string
	Cause    string
	After    []string // instances whose end this one's stop waits for: those that depend on it

	want wanted
}

func (s Step) String() string {
	line := fmt.Sprintf("%-7s  %s", s.Action, s.Instance)
	if s.Cause != "" {
		line += "  " + s.Cause
	}
	if len(s.After) > 0 {
		line += ", after " + strings.Join(s.After, ", ")
	}
	return line
}

// wanted is one instance as it should be.
type wanted struct {
	ID      string
	Service *stack.Service
	Replica int
	Address string // of an instance that runs elsewhere
	Run     bool   // false: it should exist, stopped
	Anew    string // why it has to start again even when nothing changed; "" if it does not
	Retry   bool   // start it again when it has ended for good
	DotEnv  map[string]string
}

// existing is one instance as it is.
type existing struct {
	ID      string
	Service *stack.Service
	Ended   bool // nothing runs and nothing will by itself
	Stopped bool // it was stopped on purpose, or is about to be
	Success bool // it ended with exit code 0
	Serving bool // it is, or was just now, ready for requests
	DotEnv  map[string]string
}

// plan returns what makes have into want: first the stops, dependents before
// what they depend on, then the starts in the order of want. It reads nothing
// but its arguments.
func plan(want []wanted, have []existing) []Step {
	wants := make(map[string]wanted, len(want))
	for _, w := range want {
		wants[w.ID] = w
	}
	has := make(map[string]existing, len(have))
	var stops, starts []Step
	for _, h := range have {
		has[h.ID] = h
		w, ok := wants[h.ID]
		switch {
		case !ok:
			stops = append(stops, Step{Action: Remove, Instance: h.ID, Cause: "no longer wanted"})
		case !w.Run:
			if !h.Stopped {
				stops = append(stops, Step{Action: Stop, Instance: h.ID, Cause: "asked to"})
			}
		default:
			if cause := replaceCause(w, h); cause != "" {
				starts = append(starts, Step{Action: replacement(w, h), Instance: h.ID, Cause: cause, want: w})
			}
		}
	}
	replaced := map[string]bool{}
	for _, s := range starts {
		replaced[s.want.Service.Name] = true
	}
	for _, w := range want {
		if !w.Run {
			continue
		}
		h, ok := has[w.ID]
		if !ok {
			starts = append(starts, Step{Action: Start, Instance: w.ID, Cause: "new", want: w})
			continue
		}
		if dep := restartsWith(w.Service, replaced); dep != "" && !replaced[w.Service.Name] {
			starts = append(starts, Step{Action: replacement(w, h), Instance: w.ID, Cause: dep + " is replaced", want: w})
		}
	}
	orderStops(stops, have)
	order := make(map[string]int, len(want))
	for i, w := range want {
		order[w.ID] = i
	}
	slices.SortStableFunc(starts, func(a, b Step) int { return order[a.Instance] - order[b.Instance] })
	return append(stops, starts...)
}

// replacement is how h becomes w: without a gap where that can be, unless a
// restart was asked for.
func replacement(w wanted, h existing) Action {
	if h.Serving && w.Anew == "" && swaps(h.Service) && swaps(w.Service) {
		return Swap
	}
	return Replace
}

func replaceCause(w wanted, h existing) string {
	switch changed := changedKeys(h.Service, w.Service); {
	case len(changed) > 0:
		return strings.Join(changed, ", ") + " changed"
	case w.Address == "" && !maps.Equal(w.DotEnv, h.DotEnv):
		return ".env changed"
	case w.Anew != "":
		return w.Anew
	case h.Stopped:
		return "was stopped"
	case w.Retry && h.Ended && !h.Success:
		return "had failed"
	}
	return ""
}

// restartsWith names a dependency of s that is replaced and that s wants to be
// restarted with (compose's depends_on.restart).
func restartsWith(s *stack.Service, replaced map[string]bool) string {
	for _, d := range s.DependsOn {
		if d.Restart && replaced[d.Service] {
			return d.Service
		}
	}
	return ""
}

// orderStops makes each stop wait for those of the instances that depend on
// it, and lists dependents first.
func orderStops(stops []Step, have []existing) {
	service := make(map[string]*stack.Service, len(have))
	for _, h := range have {
		service[h.ID] = h.Service
	}
	dependents := map[string][]string{} // by service
	for _, s := range stops {
		for _, d := range service[s.Instance].DependsOn {
			dependents[d.Service] = append(dependents[d.Service], s.Instance)
		}
	}
	depth := map[string]int{}
	var measure func(id string) int
	measure = func(id string) int {
		if d, ok := depth[id]; ok {
			return d
		}
		depth[id] = 0 // the loader has refused cycles; this holds even if it had not
		d := 0
		for _, by := range dependents[service[id].Name] {
			d = max(d, 1+measure(by))
		}
		depth[id] = d
		return d
	}
	for i := range stops {
		stops[i].After = dependents[service[stops[i].Instance].Name]
		measure(stops[i].Instance)
	}
	slices.SortStableFunc(stops, func(a, b Step) int { return depth[a.Instance] - depth[b.Instance] })
}
