// Package consul serves the catalog by the part of Consul's HTTP API that its
// clients use: services are registered and found by unmodified programs. Shapes,
// headers and rules are those of Consul 1.20; tokens are taken and ignored.
package consul

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/registry/catalog"
	"github.com/msctl/msctl/registry/journal"
	"github.com/msctl/msctl/registry/keys"
)

// DefaultDatacenter is Consul's.
const DefaultDatacenter = "dc1"

// maxBody bounds a registration, in bytes.
const maxBody = 1 << 20

// Options are a Server's.
type Options struct {
	Registry   *registry.Registry // the stack's own instances
	Datacenter string             // DefaultDatacenter for ""
	Node       string             // the name of this node; the machine's for ""
	NodeID     string             // a UUID; one made of the name for ""
	NodeMeta   map[string]string  // what is said of it
	Version    string             // of the agent
	Journal    *journal.Journal   // what survives a kill; nil for nothing. The server does not close it
	OnError    func(error)        // hears of what in the journal cannot be read; may be nil
}

// Server is the agent and the catalog in one. It is an http.Handler.
type Server struct {
	options Options
	catalog *catalog.Catalog
	keys    *keys.Store
	node    catalog.Node
	checks  *checks
	cache   cache
	own     map[string]bool // IDs of the stack's own instances; the mirror's
	routes  http.Handler
}

// serfHealth is the check that clients expect of each node.
const serfHealth = "serfHealth"

// New returns a server that knows of itself, and of what the journal has of one
// that was killed. Its indexes are above those of an earlier one: they begin with
// the time.
func New(o Options) *Server {
	name, _ := os.Hostname() // "" is seen to
	o.Node = cmp.Or(o.Node, name, "msctl")
	o.Datacenter = cmp.Or(o.Datacenter, DefaultDatacenter)
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	s := &Server{options: o, own: map[string]bool{}}
	s.node = catalog.Node{
		ID: cmp.Or(o.NodeID, uuid(o.Node)), Node: o.Node, Address: "127.0.0.1", Datacenter: o.Datacenter,
		TaggedAddresses: map[string]string{"lan": "127.0.0.1", "lan_ipv4": "127.0.0.1", "wan": "127.0.0.1", "wan_ipv4": "127.0.0.1"},
		Meta:            map[string]string{"consul-network-segment": ""},
	}
	next := journal.NewSequence(o.Journal, uint64(time.Now().UnixMilli())).Next //nolint:gosec // it is after 1970
	maps.Copy(s.node.Meta, o.NodeMeta)
	var bad error
	if s.keys, bad = keys.New(next, o.Journal); bad != nil {
		o.OnError(bad)
	}
	if s.catalog, bad = catalog.New(catalog.Options{Next: next, Failed: s.keys.CheckFailed, Journal: o.Journal, Self: o.Node}); bad != nil {
		o.OnError(bad)
	}
	s.checks = newChecks(s)
	_ = s.catalog.Register(catalog.Registration{ // the check is the node's own
		Node:      s.node,
		Service:   service(catalog.Service{ID: "consul", Service: "consul"}),
		Checks:    []catalog.Check{{CheckID: serfHealth, Name: "Serf Health Status", Status: catalog.Passing, Output: "Agent alive and reachable", ServiceTags: []string{}}},
		Transient: true,
	})
	s.routes = s.handler()
	return s
}

// Catalog is what the server serves.
func (s *Server) Catalog() *catalog.Catalog { return s.catalog }

// Node is the name of the server's own node.
func (s *Server) Node() string { return s.node.Node }

// uuid is one that a name always has.
func uuid(name string) string {
	h := sha256.Sum256([]byte(name))
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// Run serves l, and keeps the stack's own instances in the catalog, until ctx
// ends. It closes l.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // what a client does wrong is its own concern
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	s.checks.restore()
	s.settleSessions()
	var g sync.WaitGroup
	g.Go(func() { s.mirror(ctx) })
	g.Go(func() {
		<-ctx.Done() // who waits is answered by this
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if h.Shutdown(last) != nil {
			_ = h.Close() // who does not take the answer in that time gets none
		}
	})
	err := h.Serve(l)
	cancel()
	g.Wait()
	s.checks.stop()
	s.keys.Close()
	if errors.Is(err, http.ErrServerClosed) {
		s.forget()
		return nil
	}
	return err
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.routes.ServeHTTP(w, r) }
