package consul_test

import (
	"net/http"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/msctl/msctl/registry/consul/consultest"
)

// place is a registry that a test asks.
type place struct {
	*testing.T
	client *api.Client
	url    string
}

// everywhere runs a test against msctl's registry, and against a real Consul,
// where there is one: it is the same to a client.
func everywhere(t *testing.T, f func(place)) {
	t.Helper()
	t.Run("msctl", func(t *testing.T) {
		_, c, url := start(t)
		f(place{t, c, url})
	})
	t.Run("consul", func(t *testing.T) {
		path := consultest.Find()
		if path == "" {
			t.Skip(consultest.Missing)
		}
		a, err := consultest.Start(t.Context(), path)
		must(t, err)
		t.Cleanup(a.Stop)
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		c, err := api.NewClient(&api.Config{Address: a.HTTP, HttpClient: &http.Client{Transport: transport}})
		must(t, err)
		f(place{t, c, "http://" + a.HTTP})
	})
}
