package catalog

import (
	"context"

	"github.com/msctl/msctl/registry/waits"
)

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
	waits   *waits.Waits
}

func newTopics(index uint64, w *waits.Waits) topics {
	return topics{
		at:      map[Topic]uint64{Nodes: index, Services: index, Checks: index},
		extinct: index,
		waits:   w,
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
		t.waits.Wake(string(topic))
	}
}

// Await blocks until a topic's index is above after. Its only error is ctx's.
func (c *Catalog) Await(ctx context.Context, topic Topic, after uint64) error {
	return c.topics.waits.Await(ctx, string(topic), func() bool { return c.topics.index(topic) > after })
}

// Index returns a topic's index.
func (c *Catalog) Index(topic Topic) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.topics.index(topic)
}
