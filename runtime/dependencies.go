package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// waitForDependencies blocks until every dependency is met, before the first
// start and before each later one. It returns only ctx's error: a dependency
// that failed may be started again.
func (i *instance) waitForDependencies(ctx context.Context) error {
	if len(i.await) == 0 {
		return ctx.Err()
	}
	for after := uint64(0); ; {
		snap, err := i.sup.Registry.Next(ctx, after)
		if err != nil {
			return err
		}
		waits := unmet(i.await, i.elsewhere, snap)
		if len(waits) == 0 {
			return nil
		}
		i.become(registry.Pending, func(r *registry.Instance) {
			r.Reason, r.Hint = "waits for "+strings.Join(waits, ", "), ""
			if stuck(i.await, snap) {
				r.Hint = "it starts by itself once that does"
			}
		})
		after = snap.Revision
	}
}

// unmet says of each dependency that is not met what is missing. One that others
// run (elsewhere) is healthy once the registry has it; as with endpoints, nobody
// here starts it.
func unmet(deps []stack.Dependency, elsewhere map[string]string, snap registry.Snapshot) []string {
	var out []string
	for _, d := range deps {
		if name := elsewhere[d.Service]; name != "" && d.Condition == stack.Healthy && len(snap.Service(d.Service)) == 0 {
			out = append(out, fmt.Sprintf("%s: the registry has no healthy %s", d.Service, name))
			continue
		}
		for _, in := range snap.Service(d.Service) {
			if !met(d.Condition, in.State) {
				out = append(out, describe(d, in))
				break
			}
		}
	}
	return out
}

// stuck reports whether a dependency has failed: somebody has to do something.
func stuck(deps []stack.Dependency, snap registry.Snapshot) bool {
	return slices.ContainsFunc(deps, func(d stack.Dependency) bool {
		return slices.ContainsFunc(snap.Service(d.Service), func(in registry.Instance) bool {
			return in.State == registry.Failed || in.State == registry.Stopped
		})
	})
}

// met says whether an instance in state s satisfies condition c. A completed
// job has been started and was as healthy as it gets.
func met(c stack.Condition, s registry.State) bool {
	switch c {
	case stack.Completed:
		return s == registry.Completed
	case stack.Healthy:
		return s == registry.Ready || s == registry.Completed
	default:
		return s.Running() || s == registry.Completed
	}
}

func describe(d stack.Dependency, in registry.Instance) string {
	switch in.State {
	case registry.Failed:
		return fmt.Sprintf("%s, which has failed (%s)", in.ID, in.Reason)
	case registry.Backoff:
		return fmt.Sprintf("%s, which has ended (%s)", in.ID, in.Reason)
	case registry.Stopped:
		return in.ID + ", which is stopped"
	}
	switch d.Condition {
	case stack.Completed:
		return in.ID + " to complete"
	case stack.Healthy:
		return in.ID + " to be healthy"
	default:
		return in.ID + " to start"
	}
}

// pause waits out the backoff; false means that ctx ended it.
func (i *instance) pause(ctx context.Context) bool {
	if i.next <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(i.next)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
