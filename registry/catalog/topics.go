package catalog

import "context"

// Topic is what readers wait for a change of.
type Topic string

// The topics of everything.
const (
	Nodes    Topic = "nodes"
	Services Topic = "services"
	Checks   Topic = "checks"
)

// ServiceTopic is a service: its instances, their nodes and checks.
func ServiceTopic(name string) Topic { return Topic("service/" + name) }

// NodeTopic is a node and what is on it.
func NodeTopic(name string) Topic { return Topic("node/" + name) }

// topics has the index of each topic's last change, and who waits for the next.
type topics struct {
	at      map[Topic]uint64
	extinct uint64 // when something ended last: the index of all that there is not
	waits   map[Topic]*wait
}

// wait is closed by the change that it is for. It is kept while somebody waits:
// topics of what there is not cost nothing.
type wait struct {
	changed chan struct{}
	readers int
}

func newTopics(index uint64) topics {
	return topics{
		at:      map[Topic]uint64{Nodes: index, Services: index, Checks: index},
		extinct: index,
		waits:   map[Topic]*wait{},
	}
}

func (t *topics) index(topic Topic) uint64 {
	if i, ok := t.at[topic]; ok {
		return i
	}
	return t.extinct
}

func (t *topics) advance(index uint64, touched map[Topic]bool) {
	for topic, ended := range touched {
		if ended {
			delete(t.at, topic)
			t.extinct = index
		} else {
			t.at[topic] = index
		}
		if w := t.waits[topic]; w != nil {
			delete(t.waits, topic)
			close(w.changed)
		}
	}
}

// Await blocks until a topic's index is above after. Its only error is ctx's.
func (c *Catalog) Await(ctx context.Context, topic Topic, after uint64) error {
	for {
		c.mu.Lock()
		if c.topics.index(topic) > after {
			c.mu.Unlock()
			return nil
		}
		w := c.topics.waits[topic]
		if w == nil {
			w = &wait{changed: make(chan struct{})}
			c.topics.waits[topic] = w
		}
		w.readers++
		c.mu.Unlock()
		select {
		case <-w.changed:
			continue
		case <-ctx.Done():
		}
		c.mu.Lock()
		if w.readers--; w.readers == 0 && c.topics.waits[topic] == w {
			delete(c.topics.waits, topic)
		}
		c.mu.Unlock()
		return ctx.Err()
	}
}
