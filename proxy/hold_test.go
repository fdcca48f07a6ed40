package proxy

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// held is how many requests of a service wait.
func (w *world) held(service string) int {
	p := w.table.Load().pools[service]
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

func TestARequestWaitsUntilAnInstanceIsReady(t *testing.T) {
	w := begin(t, declare(t, service("api")), Options{})
	w.put("api-1", "", registry.Pending)
	got := make(chan string)
	for range 10 {
		go func() {
			_, body, _ := w.get("api.localhost", "/")
			got <- body
		}()
	}
	eventually(t, "ten requests wait", func() bool { return w.held("api") == 10 })
	w.put("api-1", "", registry.Building)
	w.reg.Put(registry.Instance{ID: "api-1", Service: "api", Address: says(t, "ready"), State: registry.Ready})
	for range 10 {
		if body := within(t, "the answer", got); body != "ready" {
			t.Errorf("got %q", body)
		}
	}
	if n := w.held("api"); n != 0 {
		t.Errorf("%d still wait", n)
	}
}

func TestARestartIsWaitedFor(t *testing.T) {
	w := begin(t, declare(t, service("api")), Options{})
	addr := says(t, "again")
	w.put("api-1", addr, registry.Ready)
	w.put("api-1", addr, registry.Draining)
	got := make(chan string)
	go func() {
		_, body, _ := w.get("api.localhost", "/")
		got <- body
	}()
	eventually(t, "the request waits", func() bool { return w.held("api") == 1 })
	w.put("api-1", addr, registry.Stopped)
	w.reg.Delete("api-1")
	w.refresh()
	w.put("api-1", "", registry.Pending)
	w.put("api-1", addr, registry.Ready)
	if body := within(t, "the answer", got); body != "again" {
		t.Errorf("got %q", body)
	}
}

func TestNoInstanceIsAProblemThatSaysWhy(t *testing.T) {
	w := begin(t, declare(t, service("api"), service("empty")), Options{
		Hold:     time.Millisecond,
		LastLine: func(id string) string { return "last line of " + id },
	})
	p := w.problem(503, w.request("GET", "empty.localhost", "/", nil))
	if p.Detail != "service empty has no instance" {
		t.Errorf("detail: %s", p.Detail)
	}
	w.put("api-1", "", registry.Failed, because("exit code 1"))
	w.put("api-2", "", registry.Backoff, because("exit code 2"))
	p = w.problem(503, w.request("GET", "api.localhost", "/", nil))
	want := wire.Problem{
		Status: 503, Title: "Service Unavailable", Service: "api",
		Detail: "service api has no ready instance: api-1 is failed (exit code 1), api-2 is backoff (exit code 2)",
		Instances: []wire.Instance{
			{ID: "api-1", State: "failed", Reason: "exit code 1", LastLine: "last line of api-1"},
			{ID: "api-2", State: "backoff", Reason: "exit code 2", LastLine: "last line of api-2"},
		},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
}

func TestNoRouteIsAProblemThatListsRoutes(t *testing.T) {
	w := begin(t, declare(t, service("api", routed(stack.Route{Path: "/api", To: "api"}))), Options{})
	p := w.problem(404, w.request("GET", "x.example", "/nowhere", nil))
	if diff := cmp.Diff([]string{"/api → api", "api.localhost/ → api"}, p.Routes); diff != "" {
		t.Error(diff)
	}
	if p.Detail != "no route takes GET x.example/nowhere" {
		t.Errorf("detail: %s", p.Detail)
	}
}

func TestAnInstanceThatBreaksOffIsAProblem(t *testing.T) {
	w := begin(t, declare(t, service("api")), Options{})
	w.put("api-1", upstream(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), registry.Ready)
	p := w.problem(502, w.request("POST", "api.localhost", "/", strings.NewReader("x")))
	if !strings.HasPrefix(p.Detail, "api-1 broke off: ") || p.Service != "api" {
		t.Errorf("%+v", p)
	}
}

func TestARoutesTimeoutIsAProblem(t *testing.T) {
	w := begin(t, declare(t, service("api", routed(stack.Route{Path: "/", To: "api", Policies: stack.Policies{Timeout: 10 * time.Millisecond}}))), Options{})
	left := make(chan struct{})
	w.put("api-1", upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(left)
	}), registry.Ready)
	p := w.problem(504, w.request("GET", "", "/", nil))
	if p.Detail != "api-1 did not answer within the route's timeout" {
		t.Errorf("detail: %s", p.Detail)
	}
	within(t, "the instance hears of it", left)
}

func TestATimeoutEndsAWaitToo(t *testing.T) {
	w := begin(t, declare(t, service("api", routed(stack.Route{Path: "/", To: "api", Policies: stack.Policies{Timeout: 10 * time.Millisecond}}))), Options{})
	w.put("api-1", "", registry.Starting)
	p := w.problem(504, w.request("GET", "", "/", nil))
	if p.Detail != "service api did not answer within the route's timeout" {
		t.Errorf("detail: %s", p.Detail)
	}
}

func TestAClientThatLeavesWaitsNoMore(t *testing.T) {
	w := begin(t, declare(t, service("api")), Options{})
	w.put("api-1", "", registry.Starting)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := w.client.Do(w.request("GET", "api.localhost", "/", nil).WithContext(ctx))
		gone <- err
	}()
	eventually(t, "the request waits", func() bool { return w.held("api") == 1 })
	cancel()
	if err := within(t, "the client", gone); err == nil {
		t.Error("there was an answer")
	}
	eventually(t, "nothing waits", func() bool { return w.held("api") == 0 })
}

func TestSoManyWaitAndNoMore(t *testing.T) {
	p := newPool("api")
	for range MaxHeld {
		if !p.enter() {
			t.Fatal("too few may wait")
		}
	}
	if p.enter() {
		t.Error("too many may wait")
	}
	p.exit()
	if !p.enter() {
		t.Error("one that leaves makes no room")
	}
}

func TestClientsLeavingChargeNobody(t *testing.T) {
	w := begin(t, declare(t, service("api")), Options{})
	began, ended := make(chan struct{}), make(chan struct{})
	addr := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(ended)
	})
	w.put("api-1", addr, registry.Ready)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := w.client.Do(w.request("GET", "api.localhost", "/", nil).WithContext(ctx))
		gone <- err
	}()
	within(t, "the request", began)
	cancel()
	within(t, "the client", gone)
	within(t, "the end of the instance's request", ended)
	if err := w.Drain(t.Context(), addr); err != nil {
		t.Error(err)
	}
}
