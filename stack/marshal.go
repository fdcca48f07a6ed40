package stack

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// YAML writes the stack as one resolved stack file: includes merged, variables
// replaced, defaults filled in, paths absolute. Loading that gives s again.
func (s *Stack) YAML() ([]byte, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	err := e.Encode(s.tree().Node)
	return out.Bytes(), err
}

// JSON is YAML's content as JSON.
func (s *Stack) JSON() ([]byte, error) {
	var v any
	if err := s.tree().Decode(&v); err != nil {
		return nil, err
	}
	out, err := json.MarshalIndent(v, "", "  ")
	return append(out, '\n'), err
}

// tree is a mapping under construction: keys come in the order of calls, and
// what is empty is left out.
type tree struct{ *yaml.Node }

func newTree() tree { return tree{&yaml.Node{Kind: yaml.MappingNode}} }

func (t tree) add(key string, n *yaml.Node) {
	t.Content = append(t.Content, textNode(key), n)
}

func textNode(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

// literal writes a scalar that is no text.
func literal(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

// escape keeps a dollar sign one when the file is loaded.
func escape(s string) string { return strings.ReplaceAll(s, "$", "$$") }

func (t tree) text(key, value string) {
	if value != "" {
		t.add(key, textNode(escape(value)))
	}
}

func (t tree) whole(key string, value int64) {
	if value != 0 {
		t.add(key, literal(strconv.FormatInt(value, 10)))
	}
}

func (t tree) flag(key string, value bool) {
	if value {
		t.add(key, literal("true"))
	}
}

func (t tree) duration(key string, value time.Duration) { t.add(key, textNode(value.String())) }

func (t tree) texts(key string, values []string) {
	if len(values) > 0 {
		t.list(key, values)
	}
}

// list writes an empty list, too: where leaving it out says something else.
func (t tree) list(key string, values []string) {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, v := range values {
		n.Content = append(n.Content, textNode(escape(v)))
	}
	t.add(key, n)
}

func (t tree) pairs(key string, values map[string]string) {
	if len(values) == 0 {
		return
	}
	m := newTree()
	for _, k := range slices.Sorted(maps.Keys(values)) {
		m.add(k, textNode(escape(values[k])))
	}
	t.add(key, m.Node)
}

// command is written as it was: its variables are those of the start.
func (t tree) command(key string, c Command) {
	switch {
	case c.Line != "":
		t.add(key, textNode(c.Line))
	case len(c.Args) > 0:
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, a := range c.Args {
			n.Content = append(n.Content, textNode(a))
		}
		t.add(key, n)
	}
}

func (s *Stack) tree() tree {
	t := newTree()
	t.text("name", s.Name)
	if s.Gateway.Listen == "" {
		t.text("gateway", "off")
	} else {
		t.add("gateway", s.Gateway.tree().Node)
	}
	if s.Registry.Consul != "" {
		t.text("registry", s.Registry.Consul)
	} else {
		r := newTree()
		r.text("listen", s.Registry.Listen)
		r.text("dns", s.Registry.DNS)
		r.text("datacenter", s.Registry.Datacenter)
		if n := s.Registry.Node; n.Name != "" || n.ID != "" || len(n.Meta) > 0 {
			node := newTree()
			node.text("name", n.Name)
			node.text("id", n.ID)
			node.pairs("meta", n.Meta)
			r.add("node", node.Node)
		}
		t.add("registry", r.Node)
	}
	services := newTree()
	for i := range s.Services {
		services.add(s.Services[i].Name, s.Services[i].tree().Node)
	}
	t.add("services", services.Node)
	return t
}

func (s *Service) tree() tree {
	t := newTree()
	t.text("kind", string(s.Kind))
	if len(s.Endpoints) == 0 {
		t.text("dir", s.Dir)
	}
	t.command("setup", s.Setup)
	t.command("build_command", s.BuildCommand)
	t.container(s.Container)
	t.command("command", s.Command)
	t.texts("endpoints", s.Endpoints)
	t.pairs("environment", s.Environment)
	t.whole("port", int64(s.Port))
	t.text("protocol", string(s.Protocol))
	t.routes("route", s.Routes, true)
	t.reach(s)
	t.add("replicas", literal(strconv.Itoa(s.Replicas)))
	t.dependencies(s.DependsOn)
	t.healthcheck(s.Healthcheck)
	t.text("restart", s.Restart.String())
	t.duration("stop_grace_period", s.StopGracePeriod)
	t.text("stop_signal", s.StopSignal)
	t.whole("mem_limit", s.Limits.Memory)
	if s.Limits.CPUs != 0 {
		t.add("cpus", literal(strconv.FormatFloat(s.Limits.CPUs, 'f', -1, 64)))
	}
	t.whole("pids_limit", s.Limits.PIDs)
	if s.Limits.NoFile != 0 {
		u := newTree()
		u.whole("nofile", s.Limits.NoFile)
		t.add("ulimits", u.Node)
	}
	t.texts("profiles", s.Profiles)
	t.watching(s)
	t.texts("ignore", s.Ignore)
	t.reload(s.Reload)
	t.stores(s.Stores)
	t.texts("tags", s.Tags)
	t.pairs("meta", s.Meta)
	if s.Weight > 1 {
		t.whole("weight", int64(s.Weight))
	}
	t.pairs("labels", s.Labels)
	return t
}

// String is the restart as it is written: "on-failure:3".
func (r Restart) String() string {
	if r.Max > 0 {
		return fmt.Sprintf("%s:%d", r.Mode, r.Max)
	}
	return string(r.Mode)
}

func (t tree) container(c *Container) {
	if c == nil {
		return
	}
	t.text("image", c.Image)
	t.text("pull_policy", c.PullPolicy)
	if c.Build != nil {
		b := newTree()
		b.text("context", c.Build.Context)
		b.text("dockerfile", c.Build.Dockerfile)
		b.pairs("args", c.Build.Args)
		b.text("target", c.Build.Target)
		t.add("build", b.Node)
	}
	t.command("entrypoint", c.Entrypoint)
	t.texts("volumes", c.Volumes)
	t.texts("ports", c.Ports)
	t.text("user", c.User)
	t.text("working_dir", c.WorkingDir)
	t.text("platform", c.Platform)
	t.flag("init", c.Init)
	t.flag("read_only", c.ReadOnly)
	t.texts("cap_add", c.CapAdd)
	t.texts("cap_drop", c.CapDrop)
	t.texts("tmpfs", c.Tmpfs)
	t.texts("extra_hosts", c.ExtraHosts)
}

func (t tree) dependencies(deps []Dependency) {
	if len(deps) == 0 {
		return
	}
	m := newTree()
	for _, d := range deps {
		one := newTree()
		one.text("condition", string(d.Condition))
		one.flag("restart", d.Restart)
		if !d.Required {
			one.add("required", literal("false"))
		}
		m.add(d.Service, one.Node)
	}
	t.add("depends_on", m.Node)
}

func (t tree) healthcheck(h Healthcheck) {
	m := newTree()
	switch h.Kind {
	case ProbeNone:
		m.flag("disable", true)
	case ProbeHTTP:
		m.text("http", h.HTTP)
		m.whole("status", int64(h.HTTPStatus))
	case ProbeTCP:
		if h.TCP == 0 {
			m.flag("tcp", true)
		}
		m.whole("tcp", int64(h.TCP))
	case ProbeExec:
		m.command("exec", h.Exec)
	case ProbeGRPC:
		m.add("grpc", textNode(escape(cmp.Or(h.GRPC, "true"))))
	case ProbeLog:
		m.text("log", h.Log)
	case ProbeDefault:
	}
	m.duration("interval", h.Interval)
	m.duration("timeout", h.Timeout)
	m.whole("retries", int64(h.Retries))
	m.duration("start_period", h.StartPeriod)
	t.add("healthcheck", m.Node)
}

func (t tree) watching(s *Service) {
	switch {
	case s.Poll:
		m := newTree()
		if s.Watch != nil {
			m.list("paths", s.Watch)
		}
		m.flag("poll", true)
		t.add("watch", m.Node)
	case s.Watch != nil && len(s.Watch) == 0:
		t.text("watch", "off")
	default:
		t.texts("watch", s.Watch)
	}
}

func (t tree) reload(r Reload) {
	m := newTree()
	if r.Mode == ReloadSignal {
		m.text("signal", r.Signal)
	} else {
		m.text("mode", r.Mode)
	}
	if r.surges() {
		m.whole("max_surge", int64(r.MaxSurge))
	}
	m.duration("drain", r.Drain)
	t.add("reload", m.Node)
}

func (t tree) stores(stores []Store) {
	if len(stores) == 0 {
		return
	}
	m := newTree()
	for _, s := range stores {
		one := newTree()
		one.text("engine", s.Engine)
		one.text("version", s.Version)
		if len(s.Options) > 0 {
			var n yaml.Node
			if err := n.Encode(s.Options); err == nil {
				one.add("options", &n)
			}
		}
		m.add(s.Name, one.Node)
	}
	t.add("stores", m.Node)
}
