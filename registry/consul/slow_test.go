package consul_test

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// TestAServiceByItsHash: /v1/agent/service blocks until what it says changes.
func TestAServiceByItsHash(t *testing.T) {
	everywhere(t, func(here place) {
		t, c := here.T, here.client
		register := func(port int) {
			t.Helper()
			must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "web", Port: port}))
		}
		register(1)
		s, meta, err := c.Agent().Service("web", nil)
		must(t, err)
		if s.Port != 1 || meta.LastContentHash == "" {
			t.Errorf("got %+v, %+v", s, meta)
		}
		if _, same, err := c.Agent().Service("web", &api.QueryOptions{WaitHash: meta.LastContentHash, WaitTime: 10 * time.Millisecond}); err != nil || same.LastContentHash != meta.LastContentHash {
			t.Errorf("got %+v, %v", same, err)
		}
		changed := make(chan *api.AgentService)
		go func() {
			s, _, err := c.Agent().Service("web", &api.QueryOptions{WaitHash: meta.LastContentHash, WaitTime: time.Minute})
			if err != nil {
				t.Error(err)
			}
			changed <- s
		}()
		must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "other"})) // wakes nobody
		register(2)
		if s := <-changed; s.Port != 2 {
			t.Errorf("got %+v", s)
		}
	})
}

// TestASlowReaderStallsNobody: who asks for much and does not read it has no part in
// what others get.
func TestASlowReaderStallsNobody(t *testing.T) {
	_, c, at := start(t)
	for n := range 2_000 {
		must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{
			ID: fmt.Sprintf("many-%d", n), Name: "many", Port: 1, Address: "127.0.0.1", Check: &api.AgentServiceCheck{TTL: "1h", Status: api.HealthPassing},
		}))
	}
	u, err := url.Parse(at)
	must(t, err)
	for range 100 {
		conn, err := net.Dial("tcp", u.Host)
		must(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, "GET /v1/health/service/many HTTP/1.1\r\nHost: a\r\n\r\n")
		must(t, err)
	}
	must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "web", Check: &api.AgentServiceCheck{TTL: "1h"}}))
	must(t, c.Agent().PassTTL("service:web", ""))
	until(t, c, "web", true, count(1))
	if all, _, err := c.Health().Service("many", "", true, nil); err != nil || len(all) != 2_000 {
		t.Errorf("got %d, %v", len(all), err)
	}
}
