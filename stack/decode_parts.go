package stack

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

func (l *loader) healthcheck(n *node, path string) Healthcheck {
	h := Healthcheck{Interval: DefaultProbeInterval, Timeout: DefaultProbeTimeout, Retries: DefaultProbeRetries, StartPeriod: DefaultStartPeriod}
	if n == nil {
		return h
	}
	if d := n.get("interval"); d != nil {
		h.Interval = d.duration()
	}
	if d := n.get("timeout"); d != nil {
		h.Timeout = d.duration()
	}
	if r := n.get("retries"); r != nil {
		h.Retries = r.whole()
	}
	if d := n.get("start_period"); d != nil {
		h.StartPeriod = d.duration()
	}
	var given []string
	n.each(func(k, v *node) {
		if kind, ok := h.probe(k.Value, v); ok {
			given = append(given, k.Value)
			h.Kind = kind
		}
	})
	switch {
	case len(given) > 1:
		l.add(n.pos(), path, "keep one of them", "want one kind of probe, got %s", strings.Join(given, " and "))
	case n.get("disable").bool() && len(given) > 0:
		l.add(n.get("disable").pos(), path+".disable", "remove one of them", "want a probe or disable, got both")
	case n.get("disable").bool():
		h.Kind = ProbeNone
	}
	if s := n.get("status"); s != nil && h.Kind != ProbeHTTP {
		l.add(s.pos(), path+".status", "", "want http beside it, got none")
	}
	return h
}

// probe sets the probe that key asks for.
func (h *Healthcheck) probe(key string, n *node) (ProbeKind, bool) {
	switch key {
	case "http":
		h.HTTP = n.string()
		return ProbeHTTP, true
	case "status":
		h.HTTPStatus = n.whole()
	case "tcp":
		h.TCP = n.whole()
		return ProbeTCP, true
	case "exec":
		h.Exec = n.command()
		return ProbeExec, true
	case "test":
		return h.test(n.command()), true
	case "grpc":
		if !n.bool() {
			h.GRPC = n.string()
		}
		return ProbeGRPC, true
	case "log":
		h.Log = n.string()
		return ProbeLog, true
	}
	return "", false
}

// test is compose's form: the list's first item says how to run the rest.
func (h *Healthcheck) test(c Command) ProbeKind {
	switch {
	case len(c.Args) > 0 && c.Args[0] == "NONE":
		return ProbeNone
	case len(c.Args) > 1 && c.Args[0] == "CMD-SHELL":
		c = Command{Line: strings.Join(c.Args[1:], " ")}
	case len(c.Args) > 1 && c.Args[0] == "CMD":
		c = Command{Args: c.Args[1:]}
	}
	h.Exec = c
	return ProbeExec
}

// containerKeys are the keys that only a container has.
var containerKeys = []string{
	"entrypoint", "volumes", "ports", "user", "working_dir", "platform", "init", "read_only", "cap_add", "cap_drop", "tmpfs", "extra_hosts", "pull_policy",
}

func (l *loader) container(n *node, path, dir string, vars map[string]string) *Container {
	image, build := n.get("image"), n.get("build")
	if image == nil && build == nil {
		for _, k := range containerKeys {
			if v := n.get(k); v != nil {
				l.add(v.pos(), path+"."+k, "add image or build, or remove it", "want a container, got a service that is none")
			}
		}
		return nil
	}
	c := &Container{
		Image: image.string(), PullPolicy: n.get("pull_policy").string(), Entrypoint: n.get("entrypoint").command(),
		Volumes: n.get("volumes").texts(), Ports: n.get("ports").texts(), User: n.get("user").string(),
		WorkingDir: n.get("working_dir").string(), Platform: n.get("platform").string(),
		Init: n.get("init").bool(), ReadOnly: n.get("read_only").bool(),
		CapAdd: n.get("cap_add").texts(), CapDrop: n.get("cap_drop").texts(), Tmpfs: n.get("tmpfs").texts(), ExtraHosts: n.get("extra_hosts").texts(),
	}
	switch {
	case build.isScalar():
		c.Build = &Build{Context: l.folder(build, path+".build", dir)}
	case build.isMap():
		c.Build = &Build{
			Context:    l.folder(build.get("context"), path+".build.context", dir),
			Dockerfile: build.get("dockerfile").string(),
			Args:       build.get("args").pairs(l.finder(vars)),
			Target:     build.get("target").string(),
		}
	}
	if c.Build != nil {
		c.Build.Dockerfile = cmp.Or(c.Build.Dockerfile, "Dockerfile")
	}
	return c
}

// checkWork sees to it that a service is one thing: a process, a container, or
// something that runs elsewhere.
func (l *loader) checkWork(s *Service) {
	path := "services." + s.Name
	var is []string
	if s.Container != nil {
		is = append(is, "image or build")
	}
	if len(s.Endpoints) > 0 {
		is = append(is, "endpoints")
	}
	switch {
	case len(is) == 2, len(s.Endpoints) > 0 && !s.Command.IsZero():
		l.add(s.Keys["endpoints"], path+".endpoints", "what has endpoints runs elsewhere: remove the rest", "want endpoints alone, got a command, image or build beside them")
	case len(is) == 0 && s.Command.IsZero() && !l.misspelt[path]: // which may be the one
		l.add(s.Pos, path, "", "want a command (a process), image or build (a container) or endpoints (it runs elsewhere), got none")
	}
	if s.Container != nil || len(s.Endpoints) > 0 || s.Command.IsZero() {
		for key, c := range map[string]Command{"build_command": s.BuildCommand, "setup": s.Setup} {
			if !c.IsZero() && !slices.ContainsFunc(l.errors, func(e *Error) bool { return e.Path == path }) {
				l.add(s.Keys[key], path+"."+key, "", "want a command beside it, got none: only processes have %s", key)
			}
		}
	}
	if len(s.Endpoints) > 1 && slices.ContainsFunc(s.Endpoints, func(e string) bool { return strings.HasPrefix(e, consulScheme) }) {
		l.add(s.Keys["endpoints"], path+".endpoints", "", "want consul:// and a name alone, got other endpoints beside it")
	}
	if len(s.Endpoints) > 0 && s.Port != 0 {
		l.add(s.Keys["port"], path+".port", "remove it", "want no port: the endpoints have theirs")
	}
}

// at is the place of a key of s, or of s where it was not written.
func (s *Service) at(key string) Pos {
	if p, ok := s.Keys[key]; ok {
		return p
	}
	return s.Pos
}

func (d Dependency) path(s *Service) string { return fmt.Sprintf("services.%s.depends_on", s.Name) }
