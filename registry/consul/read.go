package consul

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/msctl/msctl/registry/catalog"
)

// entry is an instance as /v1/health/service has it.
type entry struct {
	Node    *catalog.Node
	Service *catalog.Service
	Checks  []*catalog.Check
}

// flat is an instance as /v1/catalog/service has it.
type flat struct {
	ID                       string
	Node                     string
	Address                  string
	Datacenter               string
	TaggedAddresses          map[string]string
	NodeMeta                 map[string]string
	ServiceKind              string
	ServiceID                string
	ServiceName              string
	ServiceTags              []string
	ServiceAddress           string
	ServiceTaggedAddresses   map[string]catalog.Address `json:",omitempty"`
	ServiceWeights           catalog.Weights
	ServiceMeta              map[string]string
	ServicePort              int
	ServiceEnableTagOverride bool
	CreateIndex              uint64
	ModifyIndex              uint64
}

func flattened(e catalog.Entry) flat {
	n, s := e.Node, e.Service
	return flat{
		ID: n.ID, Node: n.Node, Address: n.Address, Datacenter: n.Datacenter, TaggedAddresses: n.TaggedAddresses, NodeMeta: n.Meta,
		ServiceKind: s.Kind, ServiceID: s.ID, ServiceName: s.Service, ServiceTags: s.Tags, ServiceAddress: s.Address,
		ServiceTaggedAddresses: s.TaggedAddresses, ServiceWeights: s.Weights, ServiceMeta: s.Meta, ServicePort: s.Port,
		ServiceEnableTagOverride: s.EnableTagOverride, CreateIndex: s.CreateIndex, ModifyIndex: s.ModifyIndex,
	}
}

// selected are the instances of the service that the path names, which have all
// tags and all of the node's meta that the query wants.
func (s *Server) selected(r *http.Request) ([]catalog.Entry, uint64) {
	all, index := s.catalog.Service(r.PathValue("name"))
	tags := r.Form["tag"]
	all = slices.DeleteFunc(all, func(e catalog.Entry) bool {
		return !hasTags(e.Service.Tags, tags) || !hasMeta(e.Node.Meta, r)
	})
	return all, index
}

func hasTags(has, wants []string) bool {
	return !slices.ContainsFunc(wants, func(t string) bool { return t != "" && !slices.Contains(has, t) })
}

func (s *Server) catalogService(r *http.Request) (answer, error) {
	all, index := s.selected(r)
	out := make([]flat, 0, len(all))
	for _, e := range all {
		out = append(out, flattened(e))
	}
	value, err := filtered(r, out)
	return answer{value: value, index: index}, err
}

func (s *Server) healthService(r *http.Request) (answer, error) {
	passing := r.Form.Has("passing")
	if text := r.Form.Get("passing"); text != "" {
		var err error
		if passing, err = strconv.ParseBool(text); err != nil {
			return answer{}, failf(http.StatusBadRequest, "Invalid value for ?passing")
		}
	}
	all, index := s.selected(r)
	out := make([]entry, 0, len(all))
	for _, e := range all {
		if !passing || worst(e.Checks) == catalog.Passing {
			out = append(out, entry(e))
		}
	}
	value, err := filtered(r, out)
	return answer{value: value, index: index}, err
}

// worst is the status that checks come to together.
func worst(checks []*catalog.Check) catalog.Status {
	status := catalog.Passing
	for _, k := range checks {
		switch k.Status {
		case catalog.Critical:
			return catalog.Critical
		case catalog.Warning:
			status = catalog.Warning
		case catalog.Passing:
		}
	}
	return status
}

func (s *Server) healthChecks(r *http.Request) (answer, error) {
	all, index := s.selected(r)
	out := []*catalog.Check{}
	for _, e := range all {
		for _, k := range e.Checks {
			if k.ServiceID != "" {
				out = append(out, k)
			}
		}
	}
	value, err := filtered(r, out)
	return answer{value: value, index: index}, err
}

func (s *Server) healthNode(r *http.Request) (answer, error) {
	name := r.PathValue("name")
	_, _, checks, index := s.catalog.OnNode(name)
	if checks == nil {
		checks = []*catalog.Check{}
	}
	value, err := filtered(r, checks)
	return answer{value: value, index: index}, err
}

func (s *Server) healthState(r *http.Request) (answer, error) {
	state := catalog.Status(r.PathValue("state"))
	if state == "any" {
		state = ""
	}
	checks, index := s.catalog.Checks(state)
	value, err := filtered(r, checks)
	return answer{value: value, index: index}, err
}

func (s *Server) catalogServices(*http.Request) (answer, error) {
	all, index := s.catalog.Services()
	return answer{value: all, index: index}, nil
}

func (s *Server) catalogNodes(r *http.Request) (answer, error) {
	all, index := s.catalog.Nodes()
	all = slices.DeleteFunc(all, func(n *catalog.Node) bool { return !hasMeta(n.Meta, r) })
	value, err := filtered(r, all)
	return answer{value: value, index: index}, err
}

func hasMeta(meta map[string]string, r *http.Request) bool {
	for _, pair := range r.Form["node-meta"] {
		key, value, _ := strings.Cut(pair, ":")
		if has, ok := meta[key]; !ok || has != value {
			return false
		}
	}
	return true
}

// onNode is what /v1/catalog/node has.
type onNode struct {
	Node     *catalog.Node
	Services map[string]*catalog.Service
}

func (s *Server) catalogNode(r *http.Request) (answer, error) {
	name := r.PathValue("name")
	n, services, _, index := s.catalog.OnNode(name)
	if n == nil {
		return answer{value: json.RawMessage("null"), index: index}, nil
	}
	out := onNode{n, map[string]*catalog.Service{}}
	for _, one := range services {
		out.Services[one.ID] = one
	}
	return answer{value: out, index: index}, nil
}

// nodeServices is what /v1/catalog/node-services has.
type nodeServices struct {
	Node     *catalog.Node
	Services []*catalog.Service
}

func (s *Server) catalogNodeServices(r *http.Request) (answer, error) {
	name := r.PathValue("name")
	n, services, _, index := s.catalog.OnNode(name)
	if services == nil {
		services = []*catalog.Service{}
	}
	return answer{value: nodeServices{n, services}, index: index}, nil
}
