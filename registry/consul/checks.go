package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/msctl/msctl/registry/catalog"
)

// The times of a check (Consul's defaults).
const (
	minInterval    = time.Second
	defaultTimeout = 10 * time.Second
	maxOutput      = 4 << 10 // bytes
	maxPolls       = 10_000  // checks that poll
)

// valid refuses what cannot be run here.
func (d *checkDefinition) valid() error {
	switch {
	case d.UDP != "" || d.H2PING != "" || d.AliasService != "" || d.AliasNode != "" || d.OSService != "" ||
		d.DockerContainerID != "" || d.Shell != "" || len(d.Args) > 0 || len(d.ScriptArgs) > 0:
		return failf(http.StatusNotImplemented, "msctl's registry runs checks of TTL, HTTP, TCP and gRPC, and no others")
	case d.Status != "" && !d.Status.Valid():
		return fmt.Errorf("Invalid check status: '%s'", d.Status) //nolint:staticcheck // Consul's words
	case d.TTL < 0 || d.Interval < 0 || d.Timeout < 0 || d.DeregisterCriticalServiceAfter < 0:
		return errors.New("a time is below 0")
	case d.kinds() > 1:
		return errors.New("want one of TTL, HTTP, TCP and GRPC")
	case d.polls() && d.Interval <= 0:
		return errors.New("Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks") //nolint:staticcheck // Consul's words
	case d.TTL == 0 && !d.polls():
		return errors.New("TTL must be > 0 for TTL checks")
	}
	return nil
}

func (d *checkRun) polls() bool { return d.HTTP != "" || d.TCP != "" || d.GRPC != "" }

// kinds is of how many kinds the check is; it has to be of one.
func (d *checkRun) kinds() int {
	n := 0
	for _, is := range []bool{d.TTL > 0, d.HTTP != "", d.TCP != "", d.GRPC != ""} {
		if is {
			n++
		}
	}
	return n
}

func (d *checkRun) kind() string {
	switch {
	case d.HTTP != "":
		return "http"
	case d.TCP != "":
		return "tcp"
	case d.GRPC != "":
		return "grpc"
	}
	return "ttl"
}

// record is the check as the catalog has it.
func (d *checkRun) record() catalog.Check {
	k := catalog.Check{
		CheckID: d.CheckID, Name: d.Name, Status: d.Status, Notes: d.Notes, ServiceID: d.ServiceID, ServiceTags: []string{},
		Type: d.kind(), Definition: catalog.Definition{
			Interval: d.Interval, Timeout: d.Timeout, DeregisterCriticalServiceAfter: d.DeregisterCriticalServiceAfter,
			HTTP: d.HTTP, Method: d.Method, TCP: d.TCP, GRPC: d.GRPC, GRPCUseTLS: d.GRPCUseTLS,
		},
	}
	if d.polls() {
		k.Interval, k.Timeout = time.Duration(d.Interval).String(), time.Duration(d.timeout()).String()
	}
	if k.Status == "" {
		k.Status = catalog.Critical // until it is known
	}
	return k
}

func (d *checkRun) timeout() catalog.Duration {
	if d.Timeout == 0 {
		return catalog.Duration(defaultTimeout)
	}
	return d.Timeout
}

// checks runs those of what registered itself.
type checks struct {
	server *Server

	mu      sync.Mutex
	all     map[string]*check // by ID
	polls   int               // of all, how many poll
	most    int               // maxPolls
	stopped bool
	running sync.WaitGroup // those that poll
}

// check is one that runs: by a timer that its service has to outrun, or by a
// goroutine that asks.
type check struct {
	definition checkRun
	lapse      *time.Timer        // nil without a TTL
	reap       *time.Timer        // nil while it is not critical
	cancel     context.CancelFunc // nil for one that does not poll
}

func newChecks(s *Server) *checks {
	return &checks{server: s, all: map[string]*check{}, most: maxPolls}
}

// register puts a service, nil for none, and checks into the catalog, and runs
// these. The status of a check that is there already stays.
func (c *checks) register(service *catalog.Service, defs []checkDefinition, replace bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return failf(http.StatusServiceUnavailable, "the registry is about to end")
	}
	if polls := slices.ContainsFunc(defs, func(d checkDefinition) bool { return d.polls() }); polls && c.polls+len(defs) > c.most {
		return failf(http.StatusTooManyRequests, "msctl's registry runs at most %d checks of HTTP, TCP and gRPC: use TTLs", c.most)
	}
	node := c.server.node.Node
	r := catalog.Registration{Node: catalog.Node{Node: node}, Service: service, Replace: replace}
	for n := range defs {
		k := defs[n].record()
		if old, ok := c.server.catalog.Check(node, k.CheckID); ok && old.ServiceID == k.ServiceID {
			k.Status, k.Output = old.Status, old.Output
		}
		r.Checks = append(r.Checks, k)
	}
	if err := c.server.catalog.Register(r); err != nil {
		return err
	}
	if replace {
		for id, k := range c.all {
			if k.definition.ServiceID == service.ID && !slices.ContainsFunc(defs, func(d checkDefinition) bool { return d.CheckID == id }) {
				c.forget(id)
			}
		}
	}
	for n := range defs {
		c.keep(c.start(defs[n].checkRun, r.Checks[n].Status))
	}
	return nil
}

// start runs a check in the place of an earlier one. The caller holds mu.
func (c *checks) start(d checkRun, status catalog.Status) *check {
	c.drop(d.CheckID)
	k := &check{definition: d}
	c.all[d.CheckID] = k
	if d.TTL > 0 {
		k.lapse = time.AfterFunc(time.Duration(d.TTL), func() { c.set(k, catalog.Critical, "TTL expired") })
	} else {
		var ctx context.Context
		ctx, k.cancel = context.WithCancel(context.Background())
		c.polls++
		c.running.Go(func() { c.poll(ctx, k) })
	}
	c.mind(k, status)
	return k
}

// drop ends a check. The caller holds mu.
func (c *checks) drop(id string) {
	k := c.all[id]
	if k == nil {
		return
	}
	delete(c.all, id)
	if k.cancel != nil {
		c.polls--
		k.cancel()
	}
	for _, t := range []*time.Timer{k.lapse, k.reap} {
		if t != nil {
			t.Stop()
		}
	}
}

// set notes what a check has come to, if it still runs.
func (c *checks) set(k *check, status catalog.Status, output string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[k.definition.CheckID] == k {
		c.noted(k, status, output)
	}
}

// noted notes what a check has come to. The caller holds mu.
func (c *checks) noted(k *check, status catalog.Status, output string) {
	_ = c.server.catalog.SetStatus(c.server.node.Node, k.definition.CheckID, status, output[:min(len(output), maxOutput)]) // or it was taken out by its node
	c.mind(k, status)
}

// mind takes the service out when its check has been critical for as long as
// it said. The caller holds mu.
func (c *checks) mind(k *check, status catalog.Status) {
	after := time.Duration(k.definition.DeregisterCriticalServiceAfter)
	switch {
	case status != catalog.Critical && k.reap != nil:
		k.reap.Stop()
		k.reap = nil
	case status == catalog.Critical && k.reap == nil && after > 0 && k.definition.ServiceID != "":
		k.reap = time.AfterFunc(after, func() { c.reap(k) })
	}
}

func (c *checks) reap(k *check) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[k.definition.CheckID] == k && k.reap != nil {
		_ = c.remove(k.definition.ServiceID) // it is gone
	}
}

// note is what a service says of itself; only one with a TTL may.
func (c *checks) note(id string, status catalog.Status, output string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.all[id]
	if k == nil || k.lapse == nil {
		return catalog.ErrUnknown
	}
	k.lapse.Reset(time.Duration(k.definition.TTL))
	c.write(k.deadline())
	c.noted(k, status, output)
	return nil
}

func (c *checks) deregister(id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(id)
	return c.server.catalog.DeregisterCheck(c.server.node.Node, id)
}

func (c *checks) deregisterService(id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.remove(id)
}

// remove takes a service out, and ends its checks. The caller holds mu.
func (c *checks) remove(service string) error {
	ids, err := c.server.catalog.DeregisterService(c.server.node.Node, service)
	for _, id := range ids {
		c.forget(id)
	}
	return err
}

// stop ends all checks, and waits for those that poll.
func (c *checks) stop() {
	c.mu.Lock()
	c.stopped = true
	for id := range c.all {
		c.drop(id)
	}
	c.mu.Unlock()
	c.running.Wait()
}
