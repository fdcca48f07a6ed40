package stack

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// What a node holds once its shape has been checked; the zero value where it
// is missing or wrong, which has been reported then.

func (n *node) string() string {
	if n == nil || !n.isScalar() {
		return ""
	}
	return n.Value
}

func (n *node) whole() int {
	v, _ := parseWhole(n.string())
	return v
}

func (n *node) bool() bool {
	return n.string() == "true" || n.string() == "True" || n.string() == "TRUE"
}

func (n *node) duration() time.Duration {
	d, _ := parseDuration(n.string())
	return d
}

// all lists the items of a list; a scalar or a mapping is a list of one.
func (n *node) all() []*node {
	switch {
	case n == nil:
		return nil
	case n.isList():
		return n.items
	}
	return []*node{n}
}

func (n *node) texts() []string {
	var out []string
	for _, i := range n.all() {
		out = append(out, i.string())
	}
	return out
}

func (n *node) command() Command {
	switch {
	case n == nil:
		return Command{}
	case n.isList():
		return Command{Args: n.texts()}
	}
	return Command{Line: n.string()}
}

// pairs reads a mapping, or a list of NAME=value. A name without a value takes
// the environment's, as in compose, and is left out where that has none.
func (n *node) pairs(find lookup) map[string]string {
	if n == nil {
		return nil
	}
	out := map[string]string{}
	set := func(name string, value string, given bool) {
		if !given {
			value, given = find(name)
		}
		if given {
			out[name] = value
		}
	}
	if n.isList() {
		for _, i := range n.items {
			name, value, ok := strings.Cut(i.string(), "=")
			set(name, value, ok)
		}
		return out
	}
	for i, k := range n.keys {
		set(k.Value, n.items[i].Value, !n.items[i].isNull())
	}
	return out
}

// decodeStack takes what only the main file says.
func (l *loader) decodeStack(n *node) {
	s := l.stack
	s.Name = cmp.Or(n.get("name").string(), nameOf(s.Dir))
	l.gateway(n.get("gateway"))
	s.Registry = Registry{Listen: DefaultRegistryListen, DNS: DefaultRegistryDNS, Datacenter: DefaultDatacenter}
	if r := n.get("registry"); r != nil {
		s.Registry.Pos = r.pos()
		if r.isScalar() {
			s.Registry = Registry{Consul: r.string(), Pos: r.pos()}
		}
		s.Registry.Listen = cmp.Or(r.get("listen").string(), s.Registry.Listen)
		s.Registry.DNS = cmp.Or(r.get("dns").string(), s.Registry.DNS)
		s.Registry.Datacenter = cmp.Or(r.get("datacenter").string(), s.Registry.Datacenter)
		node := r.get("node")
		s.Registry.Node = RegistryNode{Name: node.get("name").string(), ID: node.get("id").string(), Meta: node.get("meta").pairs(noVariable)}
	}
}

func noVariable(string) (string, bool) { return "", false }

func (l *loader) services(n *node, dir string, vars map[string]string) {
	if n == nil || !n.isMap() {
		return
	}
	for i, k := range n.keys {
		if first, ok := l.stack.Service(k.Value); ok {
			l.add(k.pos(), "services."+k.Value, "rename one of them", "the service is declared already, at %s", first.Pos)
			continue
		}
		if !n.items[i].isMap() && !n.items[i].isNull() {
			continue // reported
		}
		l.stack.Services = append(l.stack.Services, l.service(k, n.items[i], dir, vars))
	}
}

func (l *loader) service(name, n *node, dir string, vars map[string]string) Service {
	path := "services." + name.Value
	s := Service{
		Name: name.Value, Pos: name.pos(), Keys: map[string]Pos{},
		Kind:         Kind(cmp.Or(n.get("kind").string(), string(KindService))),
		Profiles:     n.get("profiles").texts(),
		Replicas:     1,
		Dir:          l.folder(n.get("dir"), path+".dir", dir),
		Command:      n.get("command").command(),
		Setup:        n.get("setup").command(),
		BuildCommand: n.get("build_command").command(),
		Port:         n.get("port").whole(),
		Protocol:     Protocol(cmp.Or(n.get("protocol").string(), string(HTTP))),
		Endpoints:    n.get("endpoints").texts(),
		Limits: Limits{
			PIDs:   int64(n.get("pids_limit").whole()),
			NoFile: int64(n.get("ulimits").get("nofile").whole()),
		},
		StopGracePeriod: DefaultStopGracePeriod,
		StopSignal:      DefaultStopSignal,
		Ignore:          n.get("ignore").texts(),
		Tags:            n.get("tags").texts(),
		Meta:            n.get("meta").pairs(noVariable),
		Weight:          max(1, n.get("weight").whole()),
		Labels:          n.get("labels").pairs(noVariable),
	}
	keysOf(n, "", s.Keys)
	if r := n.get("replicas"); r != nil {
		s.Replicas = r.whole()
	}
	s.Limits.Memory, _ = parseSize(n.get("mem_limit").string())
	s.Limits.CPUs, _ = parseCPUs(n.get("cpus").string())
	if d := n.get("stop_grace_period"); d != nil {
		s.StopGracePeriod = d.duration()
	}
	if sig, ok := parseSignal(n.get("stop_signal").string()); ok {
		s.StopSignal = sig
	}
	if r, ok := parseRestart(n.get("restart").string()); ok {
		s.Restart = r
	}
	s.Reload = l.reload(n.get("reload"), path+".reload")
	s.watching(n.get("watch"))
	l.serviceRoutes(&s, n.get("route"), path+".route", dir)
	l.reach(&s, n, path)
	l.environment(&s, n, path, dir, vars)
	s.DependsOn = dependencies(n.get("depends_on"))
	s.Healthcheck = l.healthcheck(n.get("healthcheck"), path+".healthcheck")
	s.Stores = storesOf(n)
	s.Container = l.container(n, path, dir, vars)
	return s
}

// folder resolves a folder that has to be there.
func (l *loader) folder(n *node, path, dir string) string {
	if n == nil {
		return dir
	}
	full := resolve(dir, n.string())
	i, err := os.Stat(full)
	switch {
	case err != nil:
		l.add(n.pos(), path, "paths are relative to the stack file", "want a folder, got %s: %s", quote(n.string()), reason(err))
	case !i.IsDir():
		l.add(n.pos(), path, "", "want a folder, got %s, which is a file", quote(n.string()))
	}
	return full
}

// environment merges the env_files beneath environment.
func (l *loader) environment(s *Service, n *node, path, dir string, vars map[string]string) {
	s.Environment = map[string]string{}
	for i, f := range n.get("env_file").all() {
		item, required := f, true
		if f.isMap() {
			item, required = f.get("path"), f.get("required") == nil || f.get("required").bool()
		}
		if item == nil {
			l.add(f.pos(), fmt.Sprintf("%s.env_file[%d]", path, i), "", "want path")
			continue
		}
		full := resolve(dir, item.string())
		s.EnvFiles = append(s.EnvFiles, full)
		for k, v := range l.envFile(item, fmt.Sprintf("%s.env_file[%d]", path, i), full, required, vars) {
			s.Environment[k] = v
		}
	}
	for k, v := range n.get("environment").pairs(l.finder(vars)) {
		s.Environment[k] = v
	}
}

func dependencies(n *node) []Dependency {
	var out []Dependency
	if n.isMap() {
		for i, k := range n.keys {
			d, v := Dependency{Service: k.Value, Condition: Started, Required: true, Pos: k.pos()}, n.items[i]
			d.Condition = Condition(cmp.Or(v.get("condition").string(), string(Started)))
			d.Restart = v.get("restart").bool()
			d.Required = v.get("required") == nil || v.get("required").bool()
			out = append(out, d)
		}
		return out
	}
	for _, i := range n.all() {
		out = append(out, Dependency{Service: i.string(), Condition: Started, Required: true, Pos: i.pos()})
	}
	return out
}

func storesOf(n *node) []Store {
	var out []Store
	one := func(name string, s *node) {
		st := Store{Name: name, Engine: s.string(), Pos: s.pos()}
		if s.isMap() {
			st.Engine, st.Version = s.get("engine").string(), s.get("version").string()
			st.Options, _ = s.get("options").value().(map[string]any)
		}
		st.Name = cmp.Or(st.Name, st.Engine)
		out = append(out, st)
	}
	if s := n.get("store"); s != nil {
		one("", s)
	}
	n.get("stores").each(func(k, v *node) { one(k.Value, v) })
	return out
}

// value is a node as a plain Go value.
func (n *node) value() any {
	switch {
	case n == nil || n.isNull():
		return nil
	case n.isMap():
		m := map[string]any{}
		n.each(func(k, v *node) { m[k.Value] = v.value() })
		return m
	case n.isList():
		var out []any
		for _, i := range n.items {
			out = append(out, i.value())
		}
		return out
	}
	return n.Value
}

// keysOf notes where each key stands.
func keysOf(n *node, prefix string, out map[string]Pos) {
	if n == nil {
		return
	}
	for i, k := range n.keys {
		out[join(prefix, k.Value)] = n.items[i].pos()
		keysOf(n.items[i], join(prefix, k.Value), out)
	}
}

// nameOf makes a stack's name of its folder's.
func nameOf(dir string) string {
	name := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, filepath.Base(dir)), "-_")
	return cmp.Or(name[:min(len(name), 60)], "stack")
}
