package consul

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// quiet is a server of many instances, which is asked without a network.
func quiet(b *testing.B, instances, services int) *Server {
	b.Helper()
	s := New(Options{Node: "here"})
	b.Cleanup(s.checks.stop)
	for n := range instances {
		put(b, s, "/v1/agent/service/register", definitionOf(fmt.Sprintf("service-%d", n%services), fmt.Sprintf("instance-%d", n)))
	}
	return s
}

func definitionOf(service, id string) string {
	return fmt.Sprintf(`{"ID":%q,"Name":%q,"Address":"127.0.0.1","Port":1,"Tags":["bench"],"Check":{"TTL":"1h","Status":"passing"}}`, id, service)
}

func put(b *testing.B, s *Server, path, body string) {
	b.Helper()
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), http.MethodPut, path, strings.NewReader(body))); w.Code != http.StatusOK {
		b.Fatalf("%s: %d %s", body, w.Code, w.Body)
	}
}

func BenchmarkHealthOfAService(b *testing.B) {
	s := quiet(b, 10_000, 1_000)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), http.MethodGet, fmt.Sprintf("/v1/health/service/service-%d?passing", n%1_000), nil))
	}
}

func BenchmarkRegisterAndDeregister(b *testing.B) {
	s := quiet(b, 10_000, 1_000)
	b.ReportAllocs()
	for b.Loop() {
		put(b, s, "/v1/agent/service/register", definitionOf("service-1", "changing"))
		put(b, s, "/v1/agent/service/deregister/changing", "")
	}
}
