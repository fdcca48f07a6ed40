package stack

import "cmp"

// reloadAuto is the mode that resolveReload replaces.
const reloadAuto = "auto"

// surges reports whether old and new instances run beside each other.
func (r Reload) surges() bool { return r.Mode == ReloadSwap || r.Mode == ReloadSocket }

// reload reads how a service is replaced; Mode stays empty where that is automatic.
func (l *loader) reload(n *node, path string) Reload {
	r := Reload{MaxSurge: DefaultMaxSurge, Drain: DefaultDrain}
	mode := n
	if n.isMap() {
		mode = n.get("mode")
	}
	if r.Mode = mode.string(); r.Mode == reloadAuto {
		r.Mode = ""
	}
	if s := n.get("signal"); s != nil {
		if mode != nil {
			l.add(mode.pos(), path+".mode", "remove one of them", "want mode or signal, got both")
		}
		r.Mode = ReloadSignal
		r.Signal, _ = parseSignal(s.string())
	}
	if m := n.get("max_surge"); m != nil {
		r.MaxSurge = m.whole()
	}
	if d := n.get("drain"); d != nil {
		r.Drain = d.duration()
	}
	return r
}

// watching reads what is watched.
func (s *Service) watching(n *node) {
	paths := n
	if n.isMap() {
		s.Poll = n.get("poll").bool()
		paths = n.get("paths")
	}
	switch {
	case paths == nil, n.isScalar() && n.bool():
		return
	case n.isOff():
		s.Watch = []string{}
		return
	}
	s.Watch = []string{}
	for _, p := range paths.texts() {
		s.Watch = append(s.Watch, resolve(s.Dir, p))
	}
}

// resolveReload checks the mode of a service, and finds the one of a service
// that has none.
func (l *loader) resolveReload(s *Service) {
	path, at := "services."+s.Name+".reload", s.at("reload")
	if p, ok := s.Keys["reload.mode"]; ok {
		path, at = path+".mode", p
	}
	switch mode := s.Reload.Mode; {
	case mode == "", mode == ReloadNone:
	case len(s.Endpoints) > 0:
		l.add(at, path, "remove it", "want none, got %s: what runs elsewhere is not replaced here", mode)
	case s.Kind == KindJob && mode != ReloadRestart:
		l.add(at, path, "use restart to run it again when its files change", "want restart or none, got %s: a job serves no requests", mode)
	case mode == ReloadSocket && s.Container != nil:
		l.add(at, path, "use swap", "want swap or restart, got socket: a container cannot be given one")
	case mode == ReloadSwap && s.Port != 0:
		l.add(at, path, "use restart, or socket where the server can be given one, or remove port: each instance gets one of its own then",
			"want restart or socket, got swap: two instances cannot hold port %d", s.Port)
	case mode == ReloadSwap && s.publishes():
		l.add(at, path, "use restart, or remove ports: the gateway leads to the container without them", "want restart, got swap: two containers cannot publish one port")
	}
	if len(s.Endpoints) > 0 && len(s.Watch) > 0 {
		l.add(s.at("watch"), "services."+s.Name+".watch", "remove it", "want no watch: what runs elsewhere is not replaced here")
	}
	s.Reload.Mode = cmp.Or(s.Reload.Mode, l.autoReload(s))
	if s.Watch == nil && !s.hasSource() {
		s.Watch = []string{}
	}
	if p, ok := s.Keys["reload.max_surge"]; ok && !s.Reload.surges() {
		l.add(p, "services."+s.Name+".reload.max_surge", "remove it", "want a service that is swapped, got one whose mode is %s", s.Reload.Mode)
	}
}

// autoReload is the mode of a service that names none. Paths in watch say that
// a change of them matters, whatever the command does by itself.
func (l *loader) autoReload(s *Service) string {
	asked := len(s.Watch) > 0
	switch {
	case len(s.Endpoints) > 0, s.Kind == KindJob && !asked:
		return ReloadNone
	case !asked && l.reloadsItself(s):
		return ReloadNone
	case s.Kind == KindJob, s.Port != 0, s.publishes():
		return ReloadRestart
	}
	return ReloadSwap
}

// publishes reports whether the service's containers hold a port of the host.
func (s *Service) publishes() bool {
	if s.Container == nil {
		return false
	}
	for _, p := range s.Container.Ports {
		if published(p) != 0 {
			return true
		}
	}
	return false
}
