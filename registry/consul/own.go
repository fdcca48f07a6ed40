package consul

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/registry/catalog"
)

// mirror puts the stack's own instances into the catalog and takes them out as
// they come and go, until ctx ends.
func (s *Server) mirror(ctx context.Context) {
	for after := uint64(0); ; {
		snap, err := s.options.Registry.Next(ctx, after)
		if err != nil {
			return
		}
		after = snap.Revision
		there := map[string]bool{}
		for _, i := range snap.Instances {
			r, ok := s.registration(i)
			if ok && s.catalog.Register(r) == nil {
				there[i.ID] = true
			}
		}
		for id := range s.own {
			if !there[id] {
				_, _ = s.catalog.DeregisterService(s.node.Node, id) // a client may have
			}
		}
		s.own = there
	}
}

// registration is that of an instance which runs and has an address.
func (s *Server) registration(i registry.Instance) (catalog.Registration, bool) {
	host, text, err := net.SplitHostPort(i.Address)
	if err != nil || !i.State.Running() || i.Found {
		return catalog.Registration{}, false
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return catalog.Registration{}, false
	}
	status, output := catalog.Critical, i.Reason
	if i.State == registry.Ready {
		status = catalog.Passing
	}
	if output == "" {
		output = fmt.Sprintf("%s is %s", i.ID, i.State)
	}
	weight := max(1, i.Weight)
	return catalog.Registration{
		Node: catalog.Node{Node: s.node.Node}, Transient: true,
		Service: service(catalog.Service{
			ID: i.ID, Service: i.Service, Tags: i.Tags, Meta: i.Meta, Address: host, Port: port,
			Weights: catalog.Weights{Passing: weight, Warning: weight},
		}),
		Checks: []catalog.Check{{
			CheckID: "service:" + i.ID, Name: checkName(i.Service), Status: status,
			Output: output, ServiceID: i.ID, Type: "msctl",
		}},
	}, true
}

func checkName(service string) string { return fmt.Sprintf("Service '%s' check", service) }

// service completes what clients expect to be there.
func service(s catalog.Service) *catalog.Service {
	if s.Tags == nil {
		s.Tags = []string{}
	}
	if s.Meta == nil {
		s.Meta = map[string]string{}
	}
	if s.Weights == (catalog.Weights{}) {
		s.Weights = catalog.Weights{Passing: 1, Warning: 1} // Consul's default
	}
	if ip := net.ParseIP(s.Address); ip != nil && s.TaggedAddresses == nil {
		family := "ipv6"
		if ip.To4() != nil {
			family = "ipv4"
		}
		at := catalog.Address{Address: s.Address, Port: s.Port}
		s.TaggedAddresses = map[string]catalog.Address{"lan_" + family: at, "wan_" + family: at}
	}
	return &s
}
