// Package catalog is the registry as its clients see it: nodes, the services on
// them, and their checks; each change has an index, and readers wait for one
// above that which they have. What there is of the stack's own instances is put
// in from the registry's table.
package catalog

import (
	"cmp"
	"errors"
	"slices"
	"sync"

	"github.com/msctl/msctl/registry/journal"
	"github.com/msctl/msctl/registry/waits"
)

// ErrUnknown is that of what is not in the catalog.
var ErrUnknown = errors.New("it is not registered")

// Catalog holds the records. Those that it returns are shared: do not change
// them. It is safe for concurrent use, and no call waits but Await.
type Catalog struct {
	mu      sync.Mutex
	options Options
	nodes   map[string]*node
	names   map[string][]*instance // by service, sorted by node and ID
	topics  topics
}

// node is a node with what is on it.
type node struct {
	record    *Node
	instances map[string]*instance // by ID
	checks    list                 // of the node itself
	owners    map[string]*instance // of all checks, by ID; nil for the node's own
}

// instance is a service with its checks.
type instance struct {
	node    *node
	service *Service
	checks  list

	transient bool // it is not in the journal
}

// Options are a Catalog's.
type Options struct {
	Next    func() uint64            // the index of the next change, above all earlier ones
	Failed  func(node, check string) // hears of each check that is critical now, or gone, and must not call the catalog; may be nil
	Journal *journal.Journal         // where records are kept; nil for nowhere
	Self    string                   // the name of the node that this is: what is on it stays its own by another name
}

// New returns a catalog with what the journal has of an earlier one. Its error is
// of what there cannot be read; the rest is there.
func New(o Options) (*Catalog, error) {
	if o.Failed == nil {
		o.Failed = func(string, string) {}
	}
	c := &Catalog{options: o, nodes: map[string]*node{}, names: map[string][]*instance{}}
	c.topics = newTopics(o.Next(), waits.New(&c.mu))
	return c, c.restore()
}

// Registration is what is put in at once: a node, and what is on it.
type Registration struct {
	Node    Node     // without an address, one that is there stays as it is
	Service *Service // nil for none
	Checks  []Check  // of Service, or of the node where ServiceID is empty
	Replace bool     // the service's checks that are not in Checks go

	Transient bool // it is not for the journal: whoever registers it does so again
}

// Register inserts and replaces. What is there already makes no index. Its error
// is ErrUnknown, for a check of a service that is not on the node; what comes
// before it is registered.
func (c *Catalog) Register(r Registration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.begin()
	defer e.commit()
	n := e.node(r.Node, r.Transient)
	if r.Service != nil {
		i := e.service(n, *r.Service, r.Transient)
		for _, old := range slices.Clone(i.checks) {
			if r.Replace && !slices.ContainsFunc(r.Checks, func(k Check) bool { return k.CheckID == old.CheckID }) {
				e.dropCheck(n, i, old.CheckID)
			}
		}
	}
	for _, k := range r.Checks {
		if err := e.check(n, k, r.Transient); err != nil {
			return err
		}
	}
	return nil
}

// DeregisterNode takes a node out, with all that is on it.
func (c *Catalog) DeregisterNode(name string) error {
	return c.edit(name, func(e *edit, n *node) error {
		for id := range n.instances {
			e.dropService(n, id)
		}
		for _, k := range slices.Clone(n.checks) {
			e.dropCheck(n, nil, k.CheckID)
		}
		delete(c.nodes, name)
		e.drop(nodeKey, n, "")
		e.touch(Nodes, Checks)
		e.end(NodeTopic(name))
		return nil
	})
}

// DeregisterService takes an instance out, with its checks, and returns their IDs.
func (c *Catalog) DeregisterService(on, id string) (checks []string, err error) {
	err = c.edit(on, func(e *edit, n *node) error {
		i := n.instances[id]
		if i == nil {
			return ErrUnknown
		}
		for _, k := range i.checks {
			checks = append(checks, k.CheckID)
		}
		e.dropService(n, id)
		return nil
	})
	return checks, err
}

// DeregisterCheck takes a check out.
func (c *Catalog) DeregisterCheck(on, id string) error {
	return c.edit(on, func(e *edit, n *node) error {
		i, k := n.check(id)
		if k == nil {
			return ErrUnknown
		}
		e.dropCheck(n, i, id)
		return nil
	})
}

// SetStatus notes what a check has come to.
func (c *Catalog) SetStatus(on, id string, status Status, output string) error {
	return c.edit(on, func(e *edit, n *node) error {
		_, k := n.check(id)
		if k == nil {
			return ErrUnknown
		}
		next := *k
		next.Status, next.Output = status, output
		return e.check(n, next, false)
	})
}

func (c *Catalog) edit(on string, change func(*edit, *node) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.nodes[on]
	if n == nil {
		return ErrUnknown
	}
	e := c.begin()
	defer e.commit()
	return change(e, n)
}

// check finds a check of the node, or of what is on it.
func (n *node) check(id string) (*instance, *Check) {
	if i := n.owners[id]; i != nil {
		return i, i.checks.get(id)
	}
	return nil, n.checks.get(id)
}

func byPlace(a, b *instance) int {
	return cmp.Or(cmp.Compare(a.node.record.Node, b.node.record.Node), cmp.Compare(a.service.ID, b.service.ID))
}
