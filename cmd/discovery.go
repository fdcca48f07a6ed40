package cmd

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/msctl/msctl/ports"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/registry/consul"
	"github.com/msctl/msctl/stack"
)

// discovery is the registry's Consul API, or the real Consul that the stack
// names in its place.
type discovery struct {
	url      string
	listener net.Listener // nil for a real Consul
	server   *consul.Server
}

// openDiscovery listens where the stack says; on another free port where that
// one is held.
func openDiscovery(ctx context.Context, st *stack.Stack, reg *registry.Registry) (*discovery, error) {
	if st.Registry.Consul != "" {
		u, err := url.Parse(st.Registry.Consul)
		if err != nil {
			return nil, err
		}
		return &discovery{url: "http://" + u.Host}, nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", st.Registry.Listen)
	if ports.InUse(err) {
		l, err = ports.Listen(st.Dir + "#registry")
	}
	if err != nil {
		return nil, &exitError{code: exitFailed, err: fmt.Errorf("the registry: %w", err), hint: "registry.listen in the stack file says where it listens"}
	}
	return &discovery{
		url: "http://" + l.Addr().String(), listener: l,
		server: consul.New(consul.Options{Registry: reg, Version: version()}),
	}, nil
}

// moved reports whether the registry listens elsewhere than the stack file says.
func moved(st *stack.Stack, url string) bool {
	r := st.Registry
	_, port, err := net.SplitHostPort(r.Listen)
	return r.Pos != (stack.Pos{}) && r.Consul == "" && err == nil && port != "0" && url != "" && !strings.HasSuffix(url, ":"+port)
}

func (d *discovery) run(ctx context.Context) error {
	if d.server == nil {
		return nil
	}
	return d.server.Run(ctx, d.listener)
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
