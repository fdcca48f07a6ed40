package consul

import (
	"errors"
	"net/http"

	"github.com/msctl/msctl/registry/catalog"
)

// catalogRequest is what /v1/catalog/register and deregister take.
type catalogRequest struct {
	ID, Node, Address, Datacenter string
	TaggedAddresses               map[string]string
	NodeMeta                      map[string]string
	Service                       *catalog.Service
	Check                         *catalog.Check
	Checks                        []catalog.Check
	SkipNodeUpdate                bool
	ServiceID, CheckID            string
	WriteRequest                  struct{ Token string }
	Namespace, Partition          string
}

func (s *Server) catalogRegister(r *http.Request) (answer, error) {
	var q catalogRequest
	if err := body(r, &q); err != nil {
		return answer{}, err
	}
	if q.Node == "" || q.Address == "" && !q.SkipNodeUpdate {
		return answer{}, failf(http.StatusBadRequest, "Must provide node and address")
	}
	if err := validMeta(q.NodeMeta); err != nil {
		return answer{}, failf(http.StatusBadRequest, "%v", err)
	}
	reg := catalog.Registration{Node: catalog.Node{
		ID: q.ID, Node: q.Node, Address: q.Address, Datacenter: s.options.Datacenter, TaggedAddresses: q.TaggedAddresses, Meta: q.NodeMeta,
	}}
	if reg.Node.Meta == nil {
		reg.Node.Meta = map[string]string{}
	}
	if q.Service != nil {
		if q.Service.Service == "" {
			return answer{}, failf(http.StatusBadRequest, "Must provide service name with ID")
		}
		if q.Service.ID == "" {
			q.Service.ID = q.Service.Service
		}
		reg.Service = service(*q.Service)
	}
	if q.Check != nil {
		q.Checks = append(q.Checks, *q.Check)
	}
	for _, k := range q.Checks {
		if k.CheckID == "" {
			k.CheckID = k.Name
		}
		if k.Status == "" {
			k.Status = catalog.Critical
		}
		if k.ServiceTags == nil {
			k.ServiceTags = []string{}
		}
		reg.Checks = append(reg.Checks, k)
	}
	if err := s.catalog.Register(reg); err != nil {
		return answer{}, failf(http.StatusInternalServerError, "Missing service registration")
	}
	return answer{value: true}, nil
}

func (s *Server) catalogDeregister(r *http.Request) (answer, error) {
	var q catalogRequest
	if err := body(r, &q); err != nil {
		return answer{}, err
	}
	if q.Node == "" {
		return answer{}, failf(http.StatusBadRequest, "Must provide node")
	}
	var err error
	switch {
	case q.ServiceID != "":
		_, err = s.catalog.DeregisterService(q.Node, q.ServiceID)
	case q.CheckID != "":
		err = s.catalog.DeregisterCheck(q.Node, q.CheckID)
	case q.Node == s.node.Node:
		return answer{}, failf(http.StatusBadRequest, "this node cannot be taken out")
	default:
		err = s.catalog.DeregisterNode(q.Node)
	}
	if err != nil && !errors.Is(err, catalog.ErrUnknown) {
		return answer{}, err
	}
	return answer{value: true}, nil
}
