package runtime

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/msctl/msctl/ports"
	"github.com/msctl/msctl/stack"
)

// spec is what a Runner gets for an instance. Only Run's goroutine may call it.
func (s *Supervisor) spec(sv *stack.Service, id string, port int) Spec {
	env := slices.Concat(withoutContract(s.Environ), s.environment(sv, id, port))
	return Spec{
		ID:           id,
		Service:      sv.Name,
		Dir:          sv.Dir,
		Command:      sv.Command,
		Setup:        sv.Setup,
		BuildCommand: sv.BuildCommand,
		Env:          env,
		Port:         port,
		Grace:        sv.StopGracePeriod,
		StopSignal:   sv.StopSignal,
		Limits:       sv.Limits,
		Kill:         s.kill,
	}
}

// addr is where the instance should listen.
func (s Spec) addr() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

// withoutContract drops what an outer stack, or the user's shell, says of
// itself: a PORT from outside must never reach a service.
func withoutContract(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "PORT", "SERVICE_NAME", "INSTANCE_ID", ports.StackEnv:
			return true
		}
		return false
	})
}

// environment is Environment for an instance of this stack.
func (s *Supervisor) environment(sv *stack.Service, id string, port int) []string {
	return Environment(s.target.stack, sv, s.Environ, s.Offers, id, port, s.Gateway.Edge)
}

// Environment is what an instance gets beside the system's variables; later
// entries win: what the stack offers to all, .env, addresses of its dependencies
// as edge knows them, the service's own environment (so that it can point
// CATALOG_URL elsewhere), then who and where it is. Environ is the system's,
// which wins over offers, and over .env as in compose; port 0 leaves PORT out.
func Environment(st *stack.Stack, sv *stack.Service, environ []string, offers map[string]string, id string, port int, edge func(caller, callee string) (string, bool)) []string {
	vars := map[string]string{}
	have := map[string]bool{}
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		have[name] = true
	}
	for _, from := range []map[string]string{offers, st.DotEnv} {
		for k, v := range from {
			if !have[k] {
				vars[k] = v
			}
		}
	}
	if !have["PYTHONUNBUFFERED"] {
		vars["PYTHONUNBUFFERED"] = "1" // or a Python service's output comes when its buffer is full
	}
	for _, d := range sv.DependsOn {
		addr, ok := edge(sv.Name, d.Service)
		if !ok {
			continue
		}
		host, p, err := net.SplitHostPort(addr)
		if err != nil {
			continue
		}
		name := EnvName(d.Service)
		vars[name+"_HOST"], vars[name+"_PORT"] = host, p
		vars[name+"_URL"] = scheme(st, d.Service) + addr
	}
	maps.Copy(vars, sv.Environment)
	vars["SERVICE_NAME"] = sv.Name
	vars["INSTANCE_ID"] = id
	vars[ports.StackEnv] = st.Dir
	if port != 0 {
		vars["PORT"] = fmt.Sprint(port)
	}
	env := make([]string, 0, len(vars))
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		env = append(env, k+"="+vars[k])
	}
	return env
}

// EnvName turns a service's name into a variable's: "user-api" gives USER_API.
func EnvName(service string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, service)
}

func scheme(st *stack.Stack, service string) string {
	if sv, ok := st.Service(service); ok && sv.Protocol == stack.TCP {
		return "tcp://"
	}
	return "http://"
}
