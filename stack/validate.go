package stack

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// finish applies the defaults that depend on the whole, and checks what no
// single key can tell.
func (l *loader) finish() {
	l.inferKinds()
	for i := range l.stack.Services {
		s := &l.stack.Services[i]
		if s.Restart.Mode == "" {
			s.Restart.Mode = RestartOnFailure
			if s.Kind == KindJob {
				s.Restart.Mode = RestartNo
			}
		}
	}
	for i := range l.stack.Services {
		s := &l.stack.Services[i]
		l.checkWork(s)
		l.checkJob(s)
		l.checkDependencies(s)
		l.checkTCP(s)
		if s.Port != 0 && s.Replicas > 1 {
			l.add(s.at("port"), "services."+s.Name+".port", "remove port: each replica gets one of its own, and the gateway balances over them",
				"want one replica with a fixed port, got %d", s.Replicas)
		}
	}
	for i := range l.stack.Services {
		l.resolveReload(&l.stack.Services[i])
	}
	l.checkCycles()
	l.checkNames()
	l.checkPorts()
	l.checkRoutes()
}

// inferKinds makes jobs of the services whose completion somebody waits for, as
// compose files mean it.
func (l *loader) inferKinds() {
	awaited := map[string]bool{}
	for i := range l.stack.Services {
		for _, d := range l.stack.Services[i].DependsOn {
			if d.Condition == Completed {
				awaited[d.Service] = true
			}
		}
	}
	for i := range l.stack.Services {
		s := &l.stack.Services[i]
		if _, written := s.Keys["kind"]; !written && awaited[s.Name] {
			s.Kind = KindJob
		}
	}
}

func (l *loader) checkJob(s *Service) {
	if s.Kind != KindJob {
		return
	}
	path := "services." + s.Name
	for _, key := range []string{"route", "port", "endpoints"} {
		if p, ok := s.Keys[key]; ok {
			l.add(p, path+"."+key, "remove it, or kind: job", "want a service, got a job: a job ends, and serves no requests")
		}
	}
}

func (l *loader) checkDependencies(s *Service) {
	seen := map[string]bool{}
	for _, d := range s.DependsOn {
		path := d.path(s)
		if seen[d.Service] {
			l.add(d.Pos, path, "remove one of them", "want each dependency once, got %s twice", quote(d.Service))
		}
		seen[d.Service] = true
		dep, ok := l.stack.Service(d.Service)
		switch {
		case !ok && d.Required:
			l.add(d.Pos, path, l.suggest(d.Service), "want the name of a service, got %s", quote(d.Service))
		case !ok:
		case d.Condition == Healthy && dep.Healthcheck.Kind == ProbeNone:
			l.add(d.Pos, path, "remove disable there, or wait for service_started", "want a service with a health check, got %s, whose check is disabled", quote(d.Service))
		case d.Condition == Healthy && dep.Kind == KindJob:
			l.add(d.Pos, path, "wait for service_completed_successfully", "want a service, got %s, which is a job", quote(d.Service))
		case d.Condition == Completed && dep.Kind != KindJob:
			l.add(d.Pos, path, "set kind: job there, or wait for service_healthy", "want a job, got %s, which never completes", quote(d.Service))
		}
	}
}

func (l *loader) suggest(service string) string {
	if near := l.stack.Nearest(service); near != "" {
		return "did you mean `" + near + "`?"
	}
	return ""
}

// checkCycles reports each cycle of depends_on once.
func (l *loader) checkCycles() {
	const open, done = 1, 2
	state := map[string]int{}
	var trail []string
	var visit func(s *Service)
	visit = func(s *Service) {
		state[s.Name] = open
		trail = append(trail, s.Name)
		for _, d := range s.DependsOn {
			dep, ok := l.stack.Service(d.Service)
			switch {
			case !ok || state[d.Service] == done:
			case state[d.Service] == open:
				l.add(d.Pos, d.path(s), "remove one of them", "the services wait for each other: %s",
					cycle(append(slices.Clone(trail), d.Service), func(name string) string { return name }))
			default:
				visit(dep)
			}
		}
		trail = trail[:len(trail)-1]
		state[s.Name] = done
	}
	for i := range l.stack.Services {
		if state[l.stack.Services[i].Name] == 0 {
			visit(&l.stack.Services[i])
		}
	}
}

// checkNames finds services whose variables would be the same: user-api and
// user_api both give USER_API_URL.
func (l *loader) checkNames() {
	first := map[string]*Service{}
	for i := range l.stack.Services {
		s := &l.stack.Services[i]
		name := strings.ReplaceAll(s.Name, "-", "_")
		if other, ok := first[name]; ok {
			l.add(s.Pos, "services."+s.Name, "rename one of them", "want a name whose variables are its own, got one that differs from %s, at %s, only in - and _", quote(other.Name), other.Pos)
			continue
		}
		first[name] = s
	}
}

// claim is what one place of a file wants to have for itself.
type claim struct {
	by  string
	pos Pos
}

func (c claim) String() string {
	if c.pos == (Pos{}) {
		return c.by
	}
	return fmt.Sprintf("%s, at %s", c.by, c.pos)
}

func (l *loader) checkPorts() {
	taken := map[int]claim{}
	take := func(port int, path string, pos Pos, by string) {
		other, ok := taken[port]
		switch {
		case port == 0:
		case ok:
			at := pos
			if at == (Pos{}) {
				at, other = other.pos, claim{by, pos}
			}
			l.add(at, path, "use another port for one of them", "want a port of its own, got %d, which is taken by %s", port, other)
		default:
			taken[port] = claim{by, pos}
		}
	}
	g, r := l.stack.Gateway, l.stack.Registry
	if r.Pos != (Pos{}) && r.Consul == "" { // one that was not written moves to a free port
		take(portOf(r.Listen), "registry.listen", r.Pos, "registry.listen")
		take(portOf(r.DNS), "registry.dns", r.Pos, "registry.dns")
	}
	if g.Listen != "" {
		by := "gateway.listen"
		if g.Pos == (Pos{}) {
			by = "the gateway (gateway.listen is " + g.Listen + " when left out)"
		}
		take(portOf(g.Listen), "gateway.listen", g.Pos, by)
		take(portOf(g.Admin), "gateway.admin", l.admin, "gateway.admin")
	}
	for i := range l.stack.Services {
		s := &l.stack.Services[i]
		take(s.Port, "services."+s.Name+".port", s.at("port"), "services."+s.Name)
		if s.Container != nil {
			for _, p := range s.Container.Ports {
				take(published(p), "services."+s.Name+".ports", s.at("ports"), "services."+s.Name)
			}
		}
	}
}

func portOf(addr string) int {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(port)
	return n
}

// published is the host's port of compose's [address:]host:container[/protocol]; 0 for none or a range.
func published(spec string) int {
	spec, _, _ = strings.Cut(spec, "/")
	parts := strings.Split(spec, ":")
	if len(parts) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(parts[len(parts)-2])
	return n
}
