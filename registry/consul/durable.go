package consul

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/msctl/msctl/registry/journal"
	"github.com/msctl/msctl/registry/keys"
)

// The kinds of what the journal has of a check, with its ID after them: how it is
// run, and when its TTL lapses.
const (
	runKey      = "run/"
	deadlineKey = "deadline/"
)

func (c *checks) write(changes ...journal.Change) {
	if j := c.server.options.Journal; j != nil {
		j.Write(changes...)
	}
}

// keep notes how a check is run. The caller holds mu.
func (c *checks) keep(k *check) {
	changes := []journal.Change{{Key: runKey + k.definition.CheckID, Value: k.definition}}
	if k.lapse != nil {
		changes = append(changes, k.deadline())
	}
	c.write(changes...)
}

// deadline is when a TTL lapses that begins now.
func (k *check) deadline() journal.Change {
	return journal.Change{Key: deadlineKey + k.definition.CheckID, Value: time.Now().Add(time.Duration(k.definition.TTL))}
}

// forget ends a check that is to be run no more. The caller holds mu.
func (c *checks) forget(id string) {
	if c.all[id] != nil {
		c.drop(id)
		c.write(journal.Change{Key: runKey + id}, journal.Change{Key: deadlineKey + id})
	}
}

// restore runs the checks that the journal has. What of a TTL passed meanwhile
// has passed.
func (c *checks) restore() {
	j := c.server.options.Journal
	if j == nil {
		return
	}
	definitions, deadlines := map[string]checkRun{}, map[string]time.Time{}
	err := j.Each(func(key string, value json.RawMessage) error {
		var err error
		if id, ok := strings.CutPrefix(key, runKey); ok {
			var d checkRun
			if err = json.Unmarshal(value, &d); err == nil {
				definitions[id] = d
			}
		}
		if id, ok := strings.CutPrefix(key, deadlineKey); ok {
			var at time.Time
			if err = json.Unmarshal(value, &at); err == nil {
				deadlines[id] = at
			}
		}
		if err != nil {
			c.server.options.OnError(err)
		}
		return nil
	})
	if err != nil {
		c.server.options.OnError(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, d := range definitions {
		record, ok := c.server.catalog.Check(c.server.node.Node, id)
		if !ok {
			continue
		}
		k := c.start(d, record.Status)
		if at, ok := deadlines[id]; ok && k.lapse != nil {
			k.lapse.Reset(max(0, time.Until(at)))
		}
	}
}

// settleSessions ends the sessions that rely on what is not there any more.
func (s *Server) settleSessions() {
	all, _ := s.keys.Sessions()
	for _, one := range all {
		if s.relied(one) != nil {
			s.keys.Destroy(one.ID)
		}
	}
}

// forget takes all out of the journal but the keys: who registered with a stack
// that ends in order has to do so again.
func (s *Server) forget() {
	j := s.options.Journal
	if j == nil {
		return
	}
	var gone []journal.Change
	err := j.Each(func(key string, _ json.RawMessage) error {
		if strings.Contains(key, "/") && !strings.HasPrefix(key, keys.Lasting) { // the sequence has none
			gone = append(gone, journal.Change{Key: key})
		}
		return nil
	})
	if err != nil {
		s.options.OnError(err)
	}
	if len(gone) > 0 {
		j.Write(gone...)
	}
}
