package consul

import (
	"net/http"
	"strconv"

	"github.com/msctl/msctl/registry/catalog"
)

// enable is what a maintenance query wants.
func enable(r *http.Request) (bool, error) {
	text := r.Form.Get("enable")
	if text == "" {
		return false, failf(http.StatusBadRequest, "Missing value for enable")
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return false, failf(http.StatusBadRequest, "Invalid value for enable: %q", text)
	}
	return on, nil
}

func (s *Server) serviceMaintenance(r *http.Request) (answer, error) {
	id := r.PathValue("id")
	on, err := enable(r)
	if err != nil {
		return answer{}, err
	}
	return answer{}, s.maintain(on, catalog.Check{
		CheckID: "_service_maintenance:" + id, Name: "Service Maintenance Mode", ServiceID: id, Type: "maintenance",
		Notes: reason(r, "Maintenance mode is enabled for this service, but no reason was provided. This is a default message."),
	})
}

func (s *Server) nodeMaintenance(r *http.Request) (answer, error) {
	on, err := enable(r)
	if err != nil {
		return answer{}, err
	}
	return answer{}, s.maintain(on, catalog.Check{
		CheckID: "_node_maintenance", Name: "Node Maintenance Mode", ServiceTags: []string{}, Type: "maintenance",
		Notes: reason(r, "Maintenance mode is enabled for this node, but no reason was provided. This is a default message."),
	})
}

func reason(r *http.Request, otherwise string) string {
	if text := r.Form.Get("reason"); text != "" {
		return text
	}
	return otherwise
}

// maintain puts a critical check in, or takes it out.
func (s *Server) maintain(on bool, k catalog.Check) error {
	if !s.there(k.ServiceID) {
		return failf(http.StatusNotFound, "Unknown service ID %q. Ensure that the service ID is passed, not the service name.", k.ServiceID)
	}
	if !on {
		_ = s.catalog.DeregisterCheck(s.node.Node, k.CheckID) // or it was not
		return nil
	}
	k.Status = catalog.Critical
	return s.catalog.Register(catalog.Registration{Node: catalog.Node{Node: s.node.Node}, Checks: []catalog.Check{k}})
}

// there reports whether the node has a service; it always has itself, "".
func (s *Server) there(service string) bool {
	all, _ := s.local(func(one *catalog.Service) bool { return one.ID == service })
	return service == "" || len(all) > 0
}
