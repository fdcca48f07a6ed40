package runtime

import (
	"reflect"
	"slices"

	"github.com/msctl/msctl/stack"
)

// changedKeys names the keys of stack.yaml whose change a running instance of
// old cannot follow. Routes, replicas and the like are followed without it.
func changedKeys(old, now *stack.Service) []string {
	if old == now {
		return nil
	}
	pairs := []struct {
		key  string
		a, b any
	}{
		{"kind", old.Kind, now.Kind},
		{"dir", old.Dir, now.Dir},
		{"setup", old.Setup, now.Setup},
		{"build_command", old.BuildCommand, now.BuildCommand},
		{"command", old.Command, now.Command},
		{"environment", old.Environment, now.Environment},
		{"image or build", old.Container, now.Container},
		{"port", old.Port, now.Port},
		{"protocol", old.Protocol, now.Protocol},
		{"depends_on", callees(old), callees(now)},
		{"healthcheck", old.Healthcheck, now.Healthcheck},
		{"restart", old.Restart, now.Restart},
		{"stop_grace_period", old.StopGracePeriod, now.StopGracePeriod},
		{"stop_signal", old.StopSignal, now.StopSignal},
		{"limits", old.Limits, now.Limits},
	}
	var changed []string
	for _, p := range pairs {
		if !reflect.DeepEqual(p.a, p.b) {
			changed = append(changed, p.key)
		}
	}
	return changed
}

// callees lists the services whose addresses are in s's environment.
func callees(s *stack.Service) []string {
	names := make([]string, 0, len(s.DependsOn))
	for _, d := range s.DependsOn {
		names = append(names, d.Service)
	}
	slices.Sort(names)
	return names
}
