package catalog

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Entry is an instance of a service where it runs. Its checks are those of the
// node and its own, by ID.
type Entry struct {
	Node    *Node
	Service *Service
	Checks  []*Check
}

// Service returns the instances of a service, by node and ID, and its index.
func (c *Catalog) Service(name string) ([]Entry, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entries := make([]Entry, 0, len(c.names[name]))
	for _, i := range c.names[name] {
		entries = append(entries, i.entry())
	}
	return entries, c.topics.index(ServiceTopic(name))
}

func (i *instance) entry() Entry {
	return Entry{i.node.record, i.service, byID(i.node.checks, i.checks)}
}

// Services returns the names of all services, each with all its tags, sorted.
func (c *Catalog) Services() (map[string][]string, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	tags := make(map[string][]string, len(c.names))
	for name, all := range c.names {
		tags[name] = []string{}
		for _, i := range all {
			tags[name] = append(tags[name], i.service.Tags...)
		}
		slices.Sort(tags[name])
		tags[name] = slices.Compact(tags[name])
	}
	return tags, c.topics.index(Services)
}

// Nodes returns all nodes, by name.
func (c *Catalog) Nodes() ([]*Node, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	nodes := make([]*Node, 0, len(c.nodes))
	for _, name := range slices.Sorted(maps.Keys(c.nodes)) {
		nodes = append(nodes, c.nodes[name].record)
	}
	return nodes, c.topics.index(Nodes)
}

// OnNode returns a node, nil when there is none of that name, what runs on it,
// by ID, and all checks there.
func (c *Catalog) OnNode(name string) (*Node, []*Service, []*Check, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	index := c.topics.index(NodeTopic(name))
	n := c.nodes[name]
	if n == nil {
		return nil, nil, nil, index
	}
	services := make([]*Service, 0, len(n.instances))
	checks := byID(n.checks)
	for _, id := range slices.Sorted(maps.Keys(n.instances)) {
		i := n.instances[id]
		services = append(services, i.service)
		checks = append(checks, byID(i.checks)...)
	}
	return n.record, services, checks, index
}

// Checks returns those that are in a state, of all nodes; those in any for "".
func (c *Catalog) Checks(state Status) ([]*Check, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	checks := []*Check{}
	for _, name := range slices.Sorted(maps.Keys(c.nodes)) {
		n := c.nodes[name]
		checks = append(checks, byID(n.checks)...)
		for _, id := range slices.Sorted(maps.Keys(n.instances)) {
			checks = append(checks, byID(n.instances[id].checks)...)
		}
	}
	if state != "" {
		checks = slices.DeleteFunc(checks, func(k *Check) bool { return k.Status != state })
	}
	return checks, c.topics.index(Checks)
}

// list is of checks, by ID. There are few on each, for which a map is large.
type list []*Check

func (l list) find(id string) (int, bool) {
	return slices.BinarySearchFunc(l, id, func(k *Check, id string) int { return cmp.Compare(k.CheckID, id) })
}

func (l list) get(id string) *Check {
	if at, ok := l.find(id); ok {
		return l[at]
	}
	return nil
}

func (l *list) set(k *Check) {
	at, ok := l.find(k.CheckID)
	if ok {
		(*l)[at] = k
		return
	}
	*l = slices.Insert(*l, at, k)
}

func (l *list) drop(id string) {
	if at, ok := l.find(id); ok {
		*l = slices.Delete(*l, at, at+1)
	}
}

// byID are all checks of lists.
func byID(lists ...list) []*Check {
	checks := append([]*Check{}, slices.Concat(lists...)...)
	slices.SortFunc(checks, func(a, b *Check) int { return cmp.Compare(a.CheckID, b.CheckID) })
	return checks
}

// OnNodeByID returns an instance on a node, nil when there is none of that ID, and
// the index of its service.
func (c *Catalog) OnNodeByID(node, id string) (*Service, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.nodes[node]; n != nil && n.instances[id] != nil {
		s := n.instances[id].service
		return s, c.topics.index(ServiceTopic(s.Service))
	}
	return nil, 0
}

// Named returns a service's name as it is written, whatever case it is asked for in.
func (c *Catalog) Named(name string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.names[name]; ok {
		return name, true
	}
	for other := range c.names {
		if strings.EqualFold(other, name) {
			return other, true
		}
	}
	return "", false
}

// Check returns a check of a node, or of what is on it.
func (c *Catalog) Check(node, id string) (Check, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.nodes[node]; n != nil {
		if _, k := n.check(id); k != nil {
			return *k, true
		}
	}
	return Check{}, false
}
