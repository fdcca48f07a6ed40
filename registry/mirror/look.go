package mirror

import (
	"context"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"
)

// Entry is an instance as a Consul has it.
type Entry struct {
	ID      string            `json:"id"`
	Node    string            `json:"node"`
	Address string            `json:"address"` // host:port
	Status  string            `json:"status"`  // passing, warning, critical or maintenance
	Output  string            `json:"output,omitempty"`
	Tags    []string          `json:"tags,omitempty"`
	Meta    map[string]string `json:"meta,omitempty"`
}

// Viewer looks at what a Consul has.
type Viewer struct {
	client    *api.Client
	transport *http.Transport
}

// NewViewer returns one; its Transport and HttpClient are its own. Close it.
func NewViewer(c *api.Config) (*Viewer, error) {
	v := &Viewer{transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}
	config := *c
	config.Transport = v.transport
	var err error
	v.client, err = api.NewClient(&config)
	return v, err
}

// Close closes its connections.
func (v *Viewer) Close() { v.transport.CloseIdleConnections() }

// Names are the names of all services, sorted, but for that of Consul itself.
func (v *Viewer) Names(ctx context.Context) ([]string, error) {
	all, _, err := v.client.Catalog().Services((&api.QueryOptions{}).WithContext(ctx))
	delete(all, "consul")
	return slices.Sorted(maps.Keys(all)), err
}

// Service are the instances of a service, by node and ID.
func (v *Viewer) Service(ctx context.Context, name string) ([]Entry, error) {
	all, _, err := v.client.Health().Service(name, "", false, (&api.QueryOptions{}).WithContext(ctx))
	entries := make([]Entry, 0, len(all))
	for _, e := range all {
		host := e.Service.Address
		if host == "" {
			host = e.Node.Address
		}
		entry := Entry{
			ID: e.Service.ID, Node: e.Node.Node, Address: net.JoinHostPort(host, strconv.Itoa(e.Service.Port)),
			Status: e.Checks.AggregatedStatus(), Tags: e.Service.Tags, Meta: e.Service.Meta,
		}
		for _, k := range e.Checks {
			if k.Status != api.HealthPassing && entry.Output == "" {
				entry.Output = strings.TrimSpace(k.Output + k.Notes)
			}
		}
		entries = append(entries, entry)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Node+"/"+a.ID, b.Node+"/"+b.ID) })
	return entries, err
}
