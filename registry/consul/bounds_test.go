package consul

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestChecksThatPollHaveABound(t *testing.T) {
	s := New(Options{Node: "here"})
	defer s.checks.stop()
	s.checks.most = 2
	register := func(body string) int {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/v1/agent/service/register", strings.NewReader(body)))
		return w.Code
	}
	tcp := func(name string) string {
		return `{"Name": "` + name + `", "Check": {"TCP": "127.0.0.1:1", "Interval": "1h"}}`
	}
	for _, step := range []struct {
		body string
		want int
	}{
		{tcp("a"), 200},
		{tcp("b"), 200},
		{tcp("c"), 429},
		{`{"Name": "d", "Check": {"TTL": "1h"}}`, 200},
	} {
		if got := register(step.body); got != step.want {
			t.Errorf("%s: %d", step.body, got)
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/v1/agent/service/deregister/a", nil))
	if got := register(tcp("c")); got != 200 {
		t.Errorf("after one went: %d", got)
	}
}
