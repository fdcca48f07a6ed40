package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"sync"

	"github.com/msctl/msctl/ports"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/registry/consul"
	"github.com/msctl/msctl/registry/journal"
	"github.com/msctl/msctl/stack"
)

// discovery is the registry's Consul API, or the real Consul that the stack
// names in its place.
type discovery struct {
	url      string
	listener net.Listener // nil for a real Consul
	server   *consul.Server
	journal  *journal.Journal

	mu    sync.Mutex
	notes []string // what is otherwise than one would expect
}

// journalName is the registry's file in the state folder.
const journalName = "registry.journal"

// openDiscovery listens where the stack says; on another free port where that
// one is held. state is where it keeps what survives a kill; onError hears of
// what could not be kept.
func openDiscovery(ctx context.Context, st *stack.Stack, reg *registry.Registry, state string, onError func(error)) (*discovery, error) {
	r := st.Registry
	if r.Consul != "" {
		u, err := url.Parse(r.Consul)
		if err != nil {
			return nil, err
		}
		return &discovery{url: "http://" + u.Host}, nil
	}
	d := &discovery{}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.Listen)
	if ports.InUse(err) {
		if l, err = ports.Listen(st.Dir + "#registry"); err == nil && r.Pos != (stack.Pos{}) {
			d.note("registry.listen: %s is taken: the registry is at http://%s", r.Listen, l.Addr())
		}
	}
	if err != nil {
		return nil, &exitError{code: exitFailed, err: fmt.Errorf("the registry: %w", err), hint: "registry.listen in the stack file says where it listens"}
	}
	j, damaged, err := journal.Open(filepath.Join(state, journalName), onError)
	if err != nil {
		_ = l.Close() // nobody has been accepted
		return nil, fmt.Errorf("the registry: %w", err)
	}
	if damaged != "" {
		d.note("the registry's file was damaged: it is kept as %s, and what is whole of it goes on", damaged)
	}
	d.url, d.listener, d.journal = "http://"+l.Addr().String(), l, j
	d.server = consul.New(consul.Options{
		Registry: reg, Version: version(), Journal: j,
		OnError:    func(err error) { d.note("the registry's file: %v", err) },
		Datacenter: r.Datacenter, Node: r.Node.Name, NodeID: r.Node.ID, NodeMeta: r.Node.Meta,
	})
	return d, nil
}

func (d *discovery) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notes = append(d.notes, fmt.Sprintf(format, args...))
}

func (d *discovery) noted() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.notes)
}

func (d *discovery) run(ctx context.Context) error {
	if d.server == nil {
		return nil
	}
	return errors.Join(d.server.Run(ctx, d.listener), d.journal.Close())
}

// offers are the variables by which clients of Consul find it.
func (d *discovery) offers() map[string]string {
	u, _ := url.Parse(d.url) // it is one
	return map[string]string{
		"CONSUL_HTTP_ADDR":         d.url,
		"SPRING_CLOUD_CONSUL_HOST": u.Hostname(),
		"SPRING_CLOUD_CONSUL_PORT": u.Port(),
	}
}
