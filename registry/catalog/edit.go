package catalog

import (
	"slices"

	"github.com/msctl/msctl/registry/journal"
)

// edit is a change of several records that has one index.
type edit struct {
	c       *Catalog
	index   uint64
	touched map[Topic]bool // true where the topic is of nothing any more
	kept    []journal.Change
}

// begin begins a change. The caller holds mu until after commit.
func (c *Catalog) begin() *edit {
	return &edit{c: c, index: c.options.Next(), touched: map[Topic]bool{}}
}

func (e *edit) touch(topics ...Topic) {
	for _, t := range topics {
		e.touched[t] = false
	}
}

func (e *edit) end(t Topic) { e.touched[t] = true }

// commit makes the change seen, if there is one.
func (e *edit) commit() {
	if e.c.options.Journal != nil && len(e.kept) > 0 {
		e.c.options.Journal.Write(e.kept...)
	}
	if len(e.touched) == 0 {
		return
	}
	e.c.topics.advance(e.index, e.touched)
}

func (e *edit) node(r Node, transient bool) *node {
	n := e.c.nodes[r.Node]
	switch {
	case n == nil:
		n = &node{instances: map[string]*instance{}, owners: map[string]*instance{}}
		e.c.nodes[r.Node] = n
		r.CreateIndex = e.index
	case r.Address == "" || n.record.same(r):
		return n
	default:
		r.CreateIndex = n.record.CreateIndex
	}
	r.ModifyIndex = e.index
	n.record = &r
	if !transient {
		e.keep(nodeKey, n, "", r)
	}
	e.touch(Nodes, NodeTopic(r.Node))
	e.touchAll(n)
	return n
}

// touchAll tells those who wait for services that are on n.
func (e *edit) touchAll(n *node) {
	for _, i := range n.instances {
		e.touch(ServiceTopic(i.service.Service))
	}
}

func (e *edit) service(n *node, s Service, transient bool) *instance {
	i := n.instances[s.ID]
	if i != nil && i.service.Service != s.Service { // the ID is another service's by now
		e.dropService(n, s.ID)
		i = nil
	}
	switch {
	case i == nil:
		s.CreateIndex = e.index
		i = &instance{node: n, service: &s, transient: transient}
		n.instances[s.ID] = i
		all := e.c.names[s.Service]
		at, _ := slices.BinarySearchFunc(all, i, byPlace)
		e.c.names[s.Service] = slices.Insert(slices.Clone(all), at, i)
	case i.service.same(s) && i.transient == transient:
		return i
	default:
		s.CreateIndex = i.service.CreateIndex
		i.service = &s
	}
	s.ModifyIndex = e.index
	switch {
	case !transient:
		e.keep(serviceKey, n, s.ID, s)
	case !i.transient:
		e.drop(serviceKey, n, s.ID)
	}
	i.transient = transient
	e.touch(Services, ServiceTopic(s.Service), NodeTopic(n.record.Node))
	for _, k := range slices.Clone(i.checks) {
		_ = e.check(n, *k, transient) // it may have other tags
	}
	return i
}

func (e *edit) check(n *node, k Check, transient bool) error {
	k.Node = n.record.Node
	place, owner := &n.checks, (*instance)(nil)
	if k.ServiceID != "" {
		i := n.instances[k.ServiceID]
		if i == nil {
			return ErrUnknown
		}
		k.ServiceName, k.ServiceTags = i.service.Service, i.service.Tags
		place, owner, transient = &i.checks, i, transient || i.transient
	}
	if was, old := n.check(k.CheckID); old != nil && was != owner { // the ID is another's by now
		e.dropCheck(n, was, k.CheckID)
	}
	switch old := place.get(k.CheckID); {
	case old == nil:
		k.CreateIndex = e.index
	case old.same(k):
		return nil
	default:
		k.CreateIndex = old.CreateIndex
	}
	k.ModifyIndex = e.index
	place.set(&k)
	n.owners[k.CheckID] = owner
	if !transient {
		e.keep(checkKey, n, k.CheckID, k)
	}
	e.touchCheck(n, k.ServiceName)
	if k.Status == Critical {
		e.c.options.Failed(k.Node, k.CheckID)
	}
	return nil
}

func (e *edit) touchCheck(n *node, service string) {
	e.touch(Checks, NodeTopic(n.record.Node))
	if service != "" {
		e.touch(ServiceTopic(service))
	} else {
		e.touchAll(n)
	}
}

func (e *edit) dropCheck(n *node, i *instance, id string) {
	delete(n.owners, id)
	if i == nil || !i.transient {
		e.drop(checkKey, n, id)
	}
	e.c.options.Failed(n.record.Node, id)
	if i == nil {
		n.checks.drop(id)
		e.touchCheck(n, "")
		return
	}
	i.checks.drop(id)
	e.touchCheck(n, i.service.Service)
}

func (e *edit) dropService(n *node, id string) {
	i := n.instances[id]
	name := i.service.Service
	delete(n.instances, id)
	if !i.transient {
		e.drop(serviceKey, n, id)
	}
	for _, k := range i.checks {
		check := k.CheckID
		delete(n.owners, check)
		if !i.transient {
			e.drop(checkKey, n, check)
		}
		e.c.options.Failed(n.record.Node, check)
	}
	rest := slices.DeleteFunc(slices.Clone(e.c.names[name]), func(o *instance) bool { return o == i })
	e.touch(Services, NodeTopic(n.record.Node))
	if len(i.checks) > 0 {
		e.touch(Checks)
	}
	if len(rest) > 0 {
		e.c.names[name] = rest
		e.touch(ServiceTopic(name))
		return
	}
	delete(e.c.names, name)
	e.end(ServiceTopic(name))
}
