package consul

import (
	"context"
	"errors"
	"hash/fnv"
	"net/http"
	"strconv"

	"github.com/msctl/msctl/registry/catalog"
)

func (s *Server) agentSelf(*http.Request) (answer, error) {
	return answer{value: map[string]any{
		"Config": map[string]any{
			"Datacenter": s.options.Datacenter, "PrimaryDatacenter": s.options.Datacenter, "NodeName": s.node.Node,
			"NodeID": s.node.ID, "Server": true, "Version": s.options.Version, "Revision": "msctl",
		},
		"Member": s.member(),
		"Meta":   s.node.Meta,
		"Stats":  map[string]any{"agent": map[string]string{"check_monitors": "0"}},
	}}, nil
}

func (s *Server) member() map[string]any {
	return map[string]any{
		"Name": s.node.Node, "Addr": s.node.Address, "Port": 8301, "Status": 1,
		"Tags":        map[string]string{"dc": s.options.Datacenter, "role": "consul", "id": s.node.ID},
		"ProtocolMin": 1, "ProtocolMax": 5, "ProtocolCur": 2, "DelegateMin": 2, "DelegateMax": 5, "DelegateCur": 4,
	}
}

func (s *Server) agentMembers(*http.Request) (answer, error) {
	return answer{value: []any{s.member()}}, nil
}

// localService is a service as the agent has it.
type localService struct {
	Kind              string `json:",omitempty"`
	ID                string
	Service           string
	Tags              []string
	Meta              map[string]string
	Port              int
	Address           string
	TaggedAddresses   map[string]catalog.Address `json:",omitempty"`
	Weights           catalog.Weights
	EnableTagOverride bool
	Datacenter        string
}

func (s *Server) localService(c *catalog.Service) *localService {
	return &localService{
		Kind: c.Kind, ID: c.ID, Service: c.Service, Tags: c.Tags, Meta: c.Meta, Port: c.Port, Address: c.Address,
		TaggedAddresses: c.TaggedAddresses, Weights: c.Weights, EnableTagOverride: c.EnableTagOverride, Datacenter: s.options.Datacenter,
	}
}

func (s *Server) agentServices(r *http.Request) (answer, error) {
	_, services, _, _ := s.catalog.OnNode(s.node.Node)
	out := map[string]*localService{}
	for _, one := range services {
		if one.ID != "consul" {
			out[one.ID] = s.localService(one)
		}
	}
	value, err := filtered(r, out)
	return answer{value: value}, err
}

func (s *Server) agentChecks(r *http.Request) (answer, error) {
	_, _, checks, _ := s.catalog.OnNode(s.node.Node)
	out := map[string]*catalog.Check{}
	for _, k := range checks {
		if k.CheckID != serfHealth {
			out[k.CheckID] = k
		}
	}
	value, err := filtered(r, out)
	return answer{value: value}, err
}

// agentService blocks by a hash of what it answers, not by an index.
func (s *Server) agentService(r *http.Request) (answer, error) {
	id := r.PathValue("id")
	wait, err := waitOf(r)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	for {
		one, index := s.catalog.OnNodeByID(s.node.Node, id)
		if one == nil {
			return answer{}, failf(http.StatusNotFound, "unknown service ID: %s", id)
		}
		body, err := encode(s.localService(one), r.Form.Has("pretty"))
		if err != nil {
			return answer{}, err
		}
		h := fnv.New64a()
		_, _ = h.Write(body) // it never fails
		sum := strconv.FormatUint(h.Sum64(), 16)
		if r.Form.Get("hash") != sum || s.catalog.Await(ctx, catalog.ServiceTopic(one.Service), index) != nil {
			return answer{value: body, hash: sum}, nil
		}
	}
}

// agentHealth is what /v1/agent/health has of an instance.
type agentHealth struct {
	AggregatedStatus catalog.Status
	Service          *localService
	Checks           []*catalog.Check
}

// healthStatus is what the agent answers for a status.
var healthStatus = map[catalog.Status]int{
	catalog.Passing: http.StatusOK, catalog.Warning: http.StatusTooManyRequests, catalog.Critical: http.StatusServiceUnavailable,
}

func (s *Server) local(match func(*catalog.Service) bool) (all []agentHealth, status catalog.Status) {
	_, services, checks, _ := s.catalog.OnNode(s.node.Node)
	var every []*catalog.Check
	for _, one := range services {
		if !match(one) {
			continue
		}
		h := agentHealth{Service: s.localService(one), Checks: []*catalog.Check{}}
		for _, k := range checks {
			if k.ServiceID == one.ID || k.ServiceID == "" {
				h.Checks = append(h.Checks, k)
			}
		}
		h.AggregatedStatus = worst(h.Checks)
		every = append(every, h.Checks...)
		all = append(all, h)
	}
	return all, worst(every)
}

func (s *Server) agentHealthOfID(r *http.Request) (answer, error) {
	id := r.PathValue("id")
	all, status := s.local(func(one *catalog.Service) bool { return one.ID == id })
	if len(all) == 0 {
		return answer{}, failf(http.StatusNotFound, "ServiceId %s not found", id)
	}
	return s.healthAnswer(r, all[0], status)
}

func (s *Server) agentHealthOfName(r *http.Request) (answer, error) {
	name := r.PathValue("name")
	all, status := s.local(func(one *catalog.Service) bool { return one.Service == name })
	if len(all) == 0 {
		return answer{}, failf(http.StatusNotFound, "ServiceName %s Not Found", name)
	}
	return s.healthAnswer(r, all, status)
}

func (s *Server) healthAnswer(r *http.Request, value any, status catalog.Status) (answer, error) {
	if r.Form.Get("format") == "text" {
		value = plainText(status)
	}
	return answer{value: value, status: healthStatus[status]}, nil
}

func (s *Server) registerService(r *http.Request) (answer, error) {
	var d definition
	if err := body(r, &d); err != nil {
		return answer{}, err
	}
	if d.Name == "" {
		return answer{}, failf(http.StatusBadRequest, "Missing service name")
	}
	if d.ID == "" {
		d.ID = d.Name
	}
	if d.Address == "0.0.0.0" || d.Address == "::" || d.Address == "[::]" {
		return answer{}, failf(http.StatusBadRequest, "Invalid service address")
	}
	if err := validMeta(d.Meta); err != nil {
		return answer{}, failf(http.StatusBadRequest, "Invalid Service Meta: %v", err)
	}
	record := catalog.Service{
		Kind: d.Kind, ID: d.ID, Service: d.Name, Tags: d.Tags, Address: d.Address, TaggedAddresses: d.TaggedAddresses,
		Meta: d.Meta, Port: d.Port, EnableTagOverride: d.EnableTagOverride,
	}
	if d.Weights != nil {
		record.Weights = *d.Weights
	}
	defs := d.Checks
	if d.Check != nil {
		defs = append([]checkDefinition{*d.Check}, defs...)
	}
	for n := range defs {
		k := &defs[n]
		k.ServiceID = d.ID
		if k.CheckID == "" {
			k.CheckID = k.ID
		}
		if k.CheckID == "" {
			k.CheckID = "service:" + d.ID
			if len(defs) > 1 {
				k.CheckID += ":" + strconv.Itoa(n+1)
			}
		}
		if k.Name == "" {
			k.Name = checkName(d.Name)
		}
		if err := k.valid(); err != nil {
			return answer{}, invalidCheck(err)
		}
	}
	replace := r.Form.Has("replace-existing-checks")
	return answer{}, s.checks.register(service(record), defs, replace)
}

// invalidCheck is the answer for a definition that is refused.
func invalidCheck(err error) error {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return failf(http.StatusBadRequest, "Invalid check: %v", err)
}

func (s *Server) deregisterService(r *http.Request) (answer, error) {
	id := r.PathValue("id")
	if err := s.checks.deregisterService(id); errors.Is(err, catalog.ErrUnknown) {
		return answer{}, failf(http.StatusNotFound, "Unknown service ID %q. Ensure that the service ID is passed, not the service name.", id)
	}
	return answer{}, nil
}

func (s *Server) registerCheck(r *http.Request) (answer, error) {
	var k checkDefinition
	if err := body(r, &k); err != nil {
		return answer{}, err
	}
	if k.Name == "" {
		return answer{}, failf(http.StatusBadRequest, "Missing check name")
	}
	if k.CheckID == "" {
		k.CheckID = k.ID
	}
	if k.CheckID == "" {
		k.CheckID = k.Name
	}
	if err := k.valid(); err != nil {
		return answer{}, invalidCheck(err)
	}
	err := s.checks.register(nil, []checkDefinition{k}, false)
	if errors.Is(err, catalog.ErrUnknown) {
		return answer{}, failf(http.StatusNotFound, "ServiceID %q does not exist", k.ServiceID)
	}
	return answer{}, err
}

func (s *Server) deregisterCheck(r *http.Request) (answer, error) {
	if err := s.checks.deregister(r.PathValue("id")); err != nil {
		return answer{}, unknownCheck(r)
	}
	return answer{}, nil
}

func unknownCheck(r *http.Request) error {
	return failf(http.StatusNotFound, "Unknown check ID %q. Ensure that the check ID is passed, not the check name.", r.PathValue("id"))
}

func (s *Server) noteCheck(status catalog.Status) func(*http.Request) (answer, error) {
	return func(r *http.Request) (answer, error) {
		if err := s.checks.note(r.PathValue("id"), status, r.Form.Get("note")); err != nil {
			return answer{}, unknownCheck(r)
		}
		return answer{}, nil
	}
}

func (s *Server) updateCheck(r *http.Request) (answer, error) {
	var update struct {
		Status catalog.Status
		Output string
	}
	if err := body(r, &update); err != nil {
		return answer{}, err
	}
	if !update.Status.Valid() {
		return answer{}, failf(http.StatusBadRequest, "Invalid check status: '%s'", update.Status)
	}
	if err := s.checks.note(r.PathValue("id"), update.Status, update.Output); err != nil {
		return answer{}, unknownCheck(r)
	}
	return answer{}, nil
}
