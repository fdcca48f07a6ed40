package cmd

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/msctl/msctl/ports"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/registry/consul"
	"github.com/msctl/msctl/registry/dns"
	"github.com/msctl/msctl/registry/journal"
	"github.com/msctl/msctl/registry/mirror"
	"github.com/msctl/msctl/stack"
)

// discovery is the registry's Consul API and its DNS, or the real Consul that the
// stack names in its place.
type discovery struct {
	url        string
	dns        string       // host:port; empty for a real Consul
	listener   net.Listener // nil for a real Consul
	udp        net.PacketConn
	tcp        net.Listener
	server     *consul.Server
	datacenter string
	journal    *journal.Journal
	mirror     *mirror.Mirror // of what others run; it asks the registry itself where there is no other
	token      string         // for the real Consul

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
		return openConsul(st, reg, onError)
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
	if d.udp, d.tcp, err = d.listenDNS(ctx, st); err != nil {
		_ = l.Close() // nobody has been accepted
		return nil, &exitError{code: exitFailed, err: fmt.Errorf("the registry's DNS: %w", err), hint: "registry.dns in the stack file says where it listens"}
	}
	j, damaged, err := journal.Open(filepath.Join(state, journalName), onError)
	if err != nil {
		_, _, _ = l.Close(), d.udp.Close(), d.tcp.Close() // as above
		return nil, fmt.Errorf("the registry: %w", err)
	}
	if damaged != "" {
		d.note("the registry's file was damaged: it is kept as %s, and what is whole of it goes on", damaged)
	}
	d.url, d.dns, d.listener, d.journal = "http://"+l.Addr().String(), d.tcp.Addr().String(), l, j
	d.datacenter = r.Datacenter
	d.server = consul.New(consul.Options{
		Registry: reg, Version: version(), Journal: j,
		OnError:    func(err error) { d.note("the registry's file: %v", err) },
		Datacenter: r.Datacenter, Node: r.Node.Name, NodeID: r.Node.ID, NodeMeta: r.Node.Meta,
	})
	config, err := mirror.Config("consul://" + l.Addr().String())
	if err != nil {
		return nil, err
	}
	config.Scheme, config.Token, config.TokenFile = "http", "", "" // the environment's are for another
	d.mirror, err = mirror.New(mirror.Options{Registry: reg, Consul: config})
	return d, err
}

// openConsul joins the stack with the real Consul that it names.
func openConsul(st *stack.Stack, reg *registry.Registry, onError func(error)) (*discovery, error) {
	config, err := mirror.Config(st.Registry.Consul)
	if err != nil {
		return nil, &exitError{code: exitInvalid, err: fmt.Errorf("registry: %w", err), hint: "write consul://host:port?dc=…&tls=true, and have the token in CONSUL_HTTP_TOKEN"}
	}
	d := &discovery{url: config.Scheme + "://" + config.Address, token: config.Token}
	host, _ := os.Hostname() // "" is as good as any
	unique := fmt.Sprintf("%x", sha256.Sum256([]byte(host+"\x00"+st.Dir)))[:8]
	told := func(err error) {
		if err != nil {
			onError(fmt.Errorf("%w; what is known of it stays, and it is asked again", err))
			return
		}
		onError(errors.New("it is back"))
	}
	d.mirror, err = mirror.New(mirror.Options{Registry: reg, Consul: config, Unique: unique, Announce: true, Told: told})
	return d, err
}

// look says which services of the stack the registry is to be asked for.
func (d *discovery) look(st *stack.Stack) {
	names := map[string]string{}
	for i := range st.Services {
		if name := st.Services[i].InConsul(); name != "" {
			names[st.Services[i].Name] = name
		}
	}
	d.mirror.Find(names)
}

// listenDNS listens on one port of both UDP and TCP, in the same way.
func (d *discovery) listenDNS(ctx context.Context, st *stack.Stack) (net.PacketConn, net.Listener, error) {
	r := st.Registry
	tcp, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.DNS)
	if err == nil {
		var udp net.PacketConn
		if udp, err = (&net.ListenConfig{}).ListenPacket(ctx, "udp", tcp.Addr().String()); err == nil {
			return udp, tcp, nil
		}
		_ = tcp.Close() // nobody has been accepted
	}
	for n := 0; n < dnsAttempts && ports.InUse(err); n++ { // a port that is free for TCP need not be for UDP
		if tcp, err = ports.Listen(fmt.Sprintf("%s#dns%d", st.Dir, n)); err != nil {
			break
		}
		var udp net.PacketConn
		if udp, err = (&net.ListenConfig{}).ListenPacket(ctx, "udp", tcp.Addr().String()); err == nil {
			if r.DNS != stack.DefaultRegistryDNS {
				d.note("registry.dns: %s is taken: it is at %s", r.DNS, tcp.Addr())
			}
			return udp, tcp, nil
		}
		_ = tcp.Close() // as above
	}
	return nil, nil, err
}

// dnsAttempts is how many ports are tried for the DNS.
const dnsAttempts = 10

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
		return d.mirror.Run(ctx)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.mirror.Run(ctx) })
	g.Go(func() error { return d.server.Run(ctx, d.listener) })
	g.Go(func() error {
		names := dns.New(dns.Options{Catalog: d.server.Catalog(), Datacenter: d.datacenter, Node: d.server.Node()})
		return names.Run(ctx, d.udp, d.tcp)
	})
	return errors.Join(g.Wait(), d.journal.Close())
}

// offers are the variables by which clients of Consul find it.
func (d *discovery) offers() map[string]string {
	u, _ := url.Parse(d.url) // it is one
	offers := map[string]string{
		"CONSUL_HTTP_ADDR":         d.url,
		"SPRING_CLOUD_CONSUL_HOST": u.Hostname(),
		"SPRING_CLOUD_CONSUL_PORT": u.Port(),
	}
	if d.token != "" {
		offers["CONSUL_HTTP_TOKEN"] = d.token
		offers["SPRING_CLOUD_CONSUL_CONFIG_ACL_TOKEN"] = d.token
		offers["SPRING_CLOUD_CONSUL_DISCOVERY_ACL_TOKEN"] = d.token
	}
	return offers
}
