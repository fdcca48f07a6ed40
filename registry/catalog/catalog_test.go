package catalog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// on is a registration of a service with one check.
func on(node, service, id string, tags ...string) Registration {
	return Registration{
		Node:    Node{Node: node, Address: "127.0.0.1"},
		Service: &Service{ID: id, Service: service, Tags: tags},
		Checks:  []Check{{CheckID: "service:" + id, ServiceID: id, Status: Critical}},
	}
}

func register(t *testing.T, c *Catalog, all ...Registration) {
	t.Helper()
	for _, r := range all {
		if err := c.Register(r); err != nil {
			t.Fatal(err)
		}
	}
}

func gone(_ []string, err error) error { return err }

// TestIndexes: an index grows with what its topic is of, and with nothing else.
func TestIndexes(t *testing.T) {
	c := start(t, Options{Next: counter(40)})
	register(t, c, on("a", "web", "web-1"), on("a", "web", "web-2"), on("b", "db", "db-1"))
	topics := []Topic{Nodes, Services, Checks, ServiceTopic("web"), ServiceTopic("db"), ServiceTopic("none"), NodeTopic("a"), NodeTopic("b")}
	for _, step := range []struct {
		name  string
		do    func() error
		moved []Topic
	}{
		{"again", func() error { return c.Register(on("a", "web", "web-1")) }, nil},
		{"a check passes", func() error { return c.SetStatus("a", "service:web-1", Passing, "") }, []Topic{Checks, ServiceTopic("web"), NodeTopic("a")}},
		{"it still does", func() error { return c.SetStatus("a", "service:web-1", Passing, "") }, nil},
		{"other tags", func() error { return c.Register(on("b", "db", "db-1", "x")) }, []Topic{Services, Checks, ServiceTopic("db"), NodeTopic("b")}},
		{"a check of the node", func() error {
			return c.Register(Registration{Node: Node{Node: "a"}, Checks: []Check{{CheckID: "disk", Status: Passing}}})
		}, []Topic{Checks, ServiceTopic("web"), NodeTopic("a")}},
		{"one of two goes", func() error { return gone(c.DeregisterService("a", "web-1")) }, []Topic{Services, Checks, ServiceTopic("web"), NodeTopic("a")}},
		{"the last goes", func() error { return gone(c.DeregisterService("b", "db-1")) }, []Topic{Services, Checks, ServiceTopic("db"), ServiceTopic("none"), NodeTopic("b")}},
		{"a node goes", func() error { return c.DeregisterNode("a") }, []Topic{Nodes, Services, Checks, ServiceTopic("web"), ServiceTopic("db"), ServiceTopic("none"), NodeTopic("a")}},
		{"one that is not there", func() error {
			if err := c.DeregisterNode("a"); !errors.Is(err, ErrUnknown) {
				return fmt.Errorf("got %w", err)
			}
			return nil
		}, nil},
	} {
		before := map[Topic]uint64{}
		for _, topic := range topics {
			before[topic] = c.topics.index(topic)
		}
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		for _, topic := range topics {
			now := c.topics.index(topic)
			if moved := now > before[topic]; moved != slices.Contains(step.moved, topic) || now < before[topic] || now <= 40 {
				t.Errorf("%s: %s goes from %d to %d", step.name, topic, before[topic], now)
			}
		}
	}
}

func TestAnIDThatMoves(t *testing.T) {
	c := start(t, Options{Next: counter(0)})
	register(t, c, on("a", "web", "1"), on("a", "db", "1"))
	if web, _ := c.Service("web"); len(web) != 0 {
		t.Errorf("web is still %v", web)
	}
	if db, _ := c.Service("db"); len(db) != 1 || db[0].Checks[0].ServiceName != "db" {
		t.Errorf("db is %v", db)
	}
	err := c.Register(Registration{Node: Node{Node: "a"}, Checks: []Check{{CheckID: "x", ServiceID: "2"}}})
	if !errors.Is(err, ErrUnknown) {
		t.Errorf("a check of nothing: %v", err)
	}
	r := on("a", "db", "1")
	r.Checks, r.Replace = []Check{{CheckID: "other", ServiceID: "1"}}, true
	register(t, c, r)
	if db, _ := c.Service("db"); len(db[0].Checks) != 1 || db[0].Checks[0].CheckID != "other" {
		t.Errorf("the checks are %v", db[0].Checks)
	}
}

// TestNoWakeUpIsLost: who waits for a topic and reads when it changes has in the
// end seen all that there is of it; who waits for nothing leaves nothing.
func TestNoWakeUpIsLost(t *testing.T) {
	c := start(t, Options{Next: counter(0)})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	final := make(chan uint64)
	var readers sync.WaitGroup
	for n := range 100 {
		service := fmt.Sprint("s", n%10)
		readers.Go(func() {
			var seen uint64
			for {
				if c.Await(ctx, ServiceTopic(service), seen) != nil {
					return
				}
				entries, index := c.Service(service)
				if index < seen {
					t.Errorf("%s goes back from %d to %d", service, seen, index)
				}
				seen = index
				if len(entries) == 1 && entries[0].Service.ID == service+"-last" {
					final <- index
					return
				}
			}
		})
	}
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 2000 {
				s := rand.IntN(10) //nolint:gosec // no secret
				id := fmt.Sprint("s", s, "-", rand.IntN(3))
				if rand.IntN(2) == 0 {
					_ = c.Register(on("a", fmt.Sprint("s", s), id))
				} else {
					_, _ = c.DeregisterService("a", id)
				}
			}
		})
	}
	writers.Wait()
	for s := range 10 {
		for n := range 3 {
			_, _ = c.DeregisterService("a", fmt.Sprint("s", s, "-", n))
		}
		register(t, c, on("a", fmt.Sprint("s", s), fmt.Sprint("s", s, "-last")))
	}
	for range 100 {
		<-final
	}
	readers.Wait()
	left, leave := context.WithCancel(t.Context())
	leave()
	if err := c.Await(left, ServiceTopic("none"), 1<<40); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if c.topics.waits.Len() != 0 {
		t.Errorf("%d waits are left", c.topics.waits.Len())
	}
}

// counter returns the numbers above n.
func counter(n uint64) func() uint64 {
	return func() uint64 { n++; return n }
}

func TestWhoReliesOnACheckHearsThatItFails(t *testing.T) {
	var failed []string
	c := start(t, Options{Next: counter(0), Failed: func(node, check string) { failed = append(failed, node+" "+check) }})
	register := func(status Status) {
		t.Helper()
		err := c.Register(Registration{
			Node: Node{Node: "a", Address: "127.0.0.1"}, Service: &Service{ID: "web", Service: "web"},
			Checks: []Check{{CheckID: "node", Status: Passing}, {CheckID: "k", ServiceID: "web", Status: status}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want ...string) {
		t.Helper()
		slices.Sort(failed)
		if !slices.Equal(failed, want) {
			t.Errorf("%q failed, want %q", failed, want)
		}
		failed = nil
	}
	register(Passing)
	register(Warning)
	expect()
	register(Critical)
	expect("a k")
	register(Critical) // nothing new
	expect()
	register(Passing)
	if err := c.DeregisterCheck("a", "k"); err != nil {
		t.Fatal(err)
	}
	expect("a k")
	register(Passing)
	if _, err := c.DeregisterService("a", "web"); err != nil {
		t.Fatal(err)
	}
	expect("a k")
	register(Passing)
	if err := c.DeregisterNode("a"); err != nil {
		t.Fatal(err)
	}
	expect("a k", "a node")
}

func start(t *testing.T, o Options) *Catalog {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestManyOfEverything: with a hundred thousand instances and ten thousand who wait,
// a change wakes those whom it concerns, and what they waited with is gone after it.
func TestManyOfEverything(t *testing.T) {
	const instances, services = 100_000, 10_000
	c := start(t, Options{Next: counter(0)})
	name := func(n int) string { return fmt.Sprintf("service-%d", n%services) }
	for n := range instances {
		if err := c.Register(on("a", name(n), fmt.Sprintf("instance-%d", n))); err != nil {
			t.Fatal(err)
		}
	}
	var g sync.WaitGroup
	for n := range services {
		index := c.Index(ServiceTopic(name(n)))
		g.Go(func() {
			if err := c.Await(t.Context(), ServiceTopic(name(n)), index); err != nil {
				t.Error(err)
			}
		})
	}
	for n := range services {
		if err := c.SetStatus("a", fmt.Sprintf("service:instance-%d", n), Passing, ""); err != nil {
			t.Fatal(err)
		}
	}
	g.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.topics.waits.Len(); n != 0 {
		t.Errorf("%d waits are left", n)
	}
}
