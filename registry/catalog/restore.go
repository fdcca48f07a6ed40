package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/msctl/msctl/registry/journal"
)

// The kinds of records in the journal. A key is a kind, the node's name, which is
// empty for the registry's own node, and an ID.
const (
	nodeKey    = "node/"
	serviceKey = "service/"
	checkKey   = "check/"
)

// separator is in no name that HTTP has.
const separator = "\x00"

func (e *edit) key(kind string, n *node, id string) string {
	name := n.record.Node
	if name == e.c.options.Self {
		name = ""
	}
	return kind + name + separator + id
}

func (e *edit) keep(kind string, n *node, id string, record any) {
	e.kept = append(e.kept, journal.Change{Key: e.key(kind, n, id), Value: record})
}

func (e *edit) drop(kind string, n *node, id string) {
	e.kept = append(e.kept, journal.Change{Key: e.key(kind, n, id)})
}

// restore takes over what the journal has.
func (c *Catalog) restore() error {
	j := c.options.Journal
	if j == nil {
		return nil
	}
	var nodes, services, checks []Registration
	var bad []error
	err := j.Each(func(key string, value json.RawMessage) error {
		kind, rest, _ := strings.Cut(key, "/")
		name, _, _ := strings.Cut(rest, separator)
		if name == "" {
			name = c.options.Self
		}
		r := Registration{Node: Node{Node: name}, Transient: true} // it is in the journal already
		var err error
		switch kind + "/" {
		case nodeKey:
			if err = json.Unmarshal(value, &r.Node); err == nil {
				nodes = append(nodes, r)
			}
		case serviceKey:
			r.Service = new(Service)
			if err = json.Unmarshal(value, r.Service); err == nil {
				services = append(services, r)
			}
		case checkKey:
			r.Checks = make([]Check, 1)
			if err = json.Unmarshal(value, &r.Checks[0]); err == nil {
				checks = append(checks, r)
			}
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("%q: %w", key, err))
		}
		return nil
	})
	bad = append(bad, err)
	for _, all := range [][]Registration{nodes, services, checks} {
		for _, r := range all {
			if err := c.Register(r); err != nil { // its service could not be read
				bad = append(bad, err)
			}
		}
	}
	for _, n := range c.nodes {
		for _, i := range n.instances {
			i.transient = false
		}
	}
	return errors.Join(bad...)
}
