package consul_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/registry/consul"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a server, and returns the table that it mirrors, a client of it,
// and its URL.
func start(t *testing.T) (*registry.Registry, *api.Client, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	table := registry.New()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		ended <- consul.New(consul.Options{Registry: table, Node: "here"}).Run(ctx, l)
	}()
	transport := &http.Transport{}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	})
	client, err := api.NewClient(&api.Config{Address: l.Addr().String(), HttpClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return table, client, "http://" + l.Addr().String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until blocks on a service until its instances are as they should be.
func until(t *testing.T, c *api.Client, name string, passing bool, ok func([]*api.ServiceEntry) bool) []*api.ServiceEntry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for index := uint64(0); ; {
		all, meta, err := c.Health().Service(name, "", passing, (&api.QueryOptions{WaitIndex: index, WaitTime: 5 * time.Second}).WithContext(ctx))
		if err != nil {
			t.Fatalf("%s is %+v: %v", name, all, err)
		}
		if ok(all) {
			return all
		}
		if meta.LastIndex < index {
			t.Fatalf("the index goes back from %d to %d", index, meta.LastIndex)
		}
		index = meta.LastIndex
	}
}

func count(n int) func([]*api.ServiceEntry) bool {
	return func(all []*api.ServiceEntry) bool { return len(all) == n }
}

func TestAServiceRegistersItself(t *testing.T) {
	_, c, _ := start(t)
	a := c.Agent()
	must(t, a.ServiceRegister(&api.AgentServiceRegistration{
		ID: "web-1", Name: "web", Port: 80, Address: "127.0.0.1", Tags: []string{"v1"}, Meta: map[string]string{"team": "a"},
		Weights: &api.AgentWeights{Passing: 5, Warning: 1}, Check: &api.AgentServiceCheck{TTL: "1h"},
	}))
	all := until(t, c, "web", false, count(1))
	s := all[0]
	if s.Node.Node != "here" || s.Service.ID != "web-1" || s.Service.Port != 80 || s.Service.Weights.Passing != 5 || s.Service.Tags[0] != "v1" ||
		s.Service.Meta["team"] != "a" || s.Service.TaggedAddresses["lan_ipv4"].Port != 80 || len(s.Checks) != 2 {
		t.Errorf("got %+v", s)
	}
	until(t, c, "web", true, count(0)) // it has not said anything yet
	must(t, a.UpdateTTL("service:web-1", "well", api.HealthPassing))
	passing := until(t, c, "web", true, count(1))
	if k := passing[0].Checks[1]; k.CheckID != "service:web-1" || k.Output != "well" || k.Name != "Service 'web' check" || k.Type != "ttl" {
		t.Errorf("got %+v", k)
	}
	must(t, a.WarnTTL("service:web-1", "hm"))
	if state, _, err := a.AgentHealthServiceByID("web-1"); err != nil || state != api.HealthWarning {
		t.Errorf("got %s, %v", state, err)
	}
	must(t, a.PassTTL("service:web-1", ""))
	if state, _, err := a.AgentHealthServiceByName("web"); err != nil || state != api.HealthPassing {
		t.Errorf("got %s, %v", state, err)
	}
	must(t, a.EnableServiceMaintenance("web-1", "upgrade"))
	until(t, c, "web", true, count(0))
	must(t, a.DisableServiceMaintenance("web-1"))
	until(t, c, "web", true, count(1))
	must(t, a.ServiceDeregister("web-1"))
	until(t, c, "web", false, count(0))
	if err := a.ServiceDeregister("web-1"); err == nil || !strings.Contains(err.Error(), `404 (Unknown service ID "web-1"`) {
		t.Errorf("got %v", err)
	}
}

func TestATTLLapses(t *testing.T) {
	_, c, _ := start(t)
	must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "web", Check: &api.AgentServiceCheck{
		TTL: "50ms", Status: api.HealthPassing, DeregisterCriticalServiceAfter: "300ms",
	}}))
	until(t, c, "web", false, func(all []*api.ServiceEntry) bool {
		return len(all) == 1 && all[0].Checks.AggregatedStatus() == api.HealthCritical && all[0].Checks[1].Output == "TTL expired"
	})
	until(t, c, "web", false, count(0))
}

func TestChecksThatPoll(t *testing.T) {
	_, c, _ := start(t)
	var status atomic.Int64
	status.Store(200)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != "Consul Health Check" {
			t.Errorf("User-Agent is %q", r.UserAgent())
		}
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, "as said")
	}))
	must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "web", Checks: api.AgentServiceChecks{
		{HTTP: s.URL, Interval: "1s"}, {TCP: s.Listener.Addr().String(), Interval: "1s"},
	}}))
	is := func(want string) func([]*api.ServiceEntry) bool {
		return func(all []*api.ServiceEntry) bool { return all[0].Checks.AggregatedStatus() == want }
	}
	all := until(t, c, "web", false, is(api.HealthPassing))
	if k := all[0].Checks[1]; k.CheckID != "service:web:1" || !strings.Contains(k.Output, "200 OK Output: as said") {
		t.Errorf("got %+v", k)
	}
	status.Store(429)
	until(t, c, "web", false, is(api.HealthWarning))
	s.Close()
	until(t, c, "web", false, is(api.HealthCritical))
}

func TestChecksOfGRPC(t *testing.T) {
	everywhere(t, func(here place) {
		t, c := here.T, here.client
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		states := health.NewServer()
		srv := grpc.NewServer()
		healthpb.RegisterHealthServer(srv, states)
		served := make(chan struct{})
		go func() { defer close(served); _ = srv.Serve(l) }()
		defer func() { srv.Stop(); <-served }()
		states.SetServingStatus("shop.Catalog", healthpb.HealthCheckResponse_SERVING)
		must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "web", Check: &api.AgentServiceCheck{GRPC: l.Addr().String() + "/shop.Catalog", Interval: "1s"}}))
		all := until(t, c, "web", true, count(1))
		if k := all[0].Checks[1]; k.Type != "grpc" || k.Output != "gRPC check "+l.Addr().String()+"/shop.Catalog: success" {
			t.Errorf("got %+v", k)
		}
		states.SetServingStatus("shop.Catalog", healthpb.HealthCheckResponse_NOT_SERVING)
		until(t, c, "web", true, count(0))
	})
}

// TestThresholds: one failure is not three.
func TestThresholds(t *testing.T) {
	_, c, _ := start(t)
	var failing atomic.Bool
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if failing.Load() {
			w.WriteHeader(500)
		}
	}))
	defer s.Close()
	must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "web", Check: &api.AgentServiceCheck{
		HTTP: s.URL, Interval: "1s", FailuresBeforeWarning: 2, FailuresBeforeCritical: 3,
	}}))
	is := func(want string) func([]*api.ServiceEntry) bool {
		return func(all []*api.ServiceEntry) bool { return all[0].Checks.AggregatedStatus() == want }
	}
	until(t, c, "web", false, is(api.HealthPassing))
	before := asked.Load()
	failing.Store(true)
	until(t, c, "web", false, is(api.HealthWarning))
	if n := asked.Load() - before; n < 2 {
		t.Errorf("a warning after %d failures", n)
	}
	until(t, c, "web", false, is(api.HealthCritical))
	if n := asked.Load() - before; n < 3 {
		t.Errorf("critical after %d failures", n)
	}
}

// TestOwnInstances: the stack's instances are there as long as they run, and
// pass while they are ready.
func TestOwnInstances(t *testing.T) {
	table, c, _ := start(t)
	i := registry.Instance{ID: "web-1", Service: "web", Replica: 1, Kind: "service", Address: "127.0.0.1:4000", State: registry.Starting, Tags: []string{"a"}}
	table.Put(i)
	until(t, c, "web", false, count(1))
	until(t, c, "web", true, count(0))
	i.State = registry.Ready
	table.Put(i)
	all := until(t, c, "web", true, count(1))
	if s := all[0].Service; s.Port != 4000 || s.Address != "127.0.0.1" || s.Tags[0] != "a" {
		t.Errorf("got %+v", s)
	}
	i.State = registry.Draining
	table.Put(i)
	until(t, c, "web", true, count(0))
	table.Delete("web-1")
	until(t, c, "web", false, count(0))
}

func TestTheCatalog(t *testing.T) {
	_, c, _ := start(t)
	_, err := c.Catalog().Register(&api.CatalogRegistration{
		Node: "there", Address: "10.0.0.1", NodeMeta: map[string]string{"rack": "1"},
		Service: &api.AgentService{Service: "db", Port: 5432, Tags: []string{"primary", "v1"}},
		Check:   &api.AgentCheck{CheckID: "db", Name: "db", Status: api.HealthPassing, ServiceID: "db"},
	}, nil)
	must(t, err)
	services, _, err := c.Catalog().Services(nil)
	must(t, err)
	if len(services) != 2 || len(services["db"]) != 2 || services["consul"] == nil {
		t.Errorf("got %v", services)
	}
	q := &api.QueryOptions{NodeMeta: map[string]string{"rack": "1"}, Filter: `"primary" in ServiceTags and ServicePort == 5432`}
	all, _, err := c.Catalog().ServiceMultipleTags("db", []string{"v1", "primary"}, q)
	must(t, err)
	if len(all) != 1 || all[0].Address != "10.0.0.1" || all[0].ServicePort != 5432 {
		t.Errorf("got %+v", all)
	}
	for _, q := range []*api.QueryOptions{{NodeMeta: map[string]string{"rack": "2"}}, {Filter: "ServicePort == 1"}} {
		if none, _, err := c.Catalog().Service("db", "", q); err != nil || len(none) != 0 {
			t.Errorf("%+v: got %v, %v", q, none, err)
		}
	}
	if _, _, err := c.Health().Service("db", "", false, &api.QueryOptions{Filter: `Service.Nope == "1"`}); err == nil || !strings.Contains(err.Error(), `Selector "Service.Nope" is not valid`) {
		t.Errorf("got %v", err)
	}
	if entries, _, err := c.Health().Service("db", "", false, &api.QueryOptions{Filter: `Service.Meta.x != "1" and Node.Meta.rack == "1"`}); err != nil || len(entries) != 1 {
		t.Errorf("got %v, %v", entries, err)
	}
	nodes, _, err := c.Catalog().Nodes(nil)
	must(t, err)
	if len(nodes) != 2 || nodes[0].Node != "here" || nodes[1].Datacenter != "dc1" {
		t.Errorf("got %+v", nodes)
	}
	node, _, err := c.Catalog().Node("there", nil)
	must(t, err)
	if node.Services["db"].Port != 5432 {
		t.Errorf("got %+v", node)
	}
	if node, _, err := c.Catalog().Node("none", nil); err != nil || node != nil {
		t.Errorf("got %+v, %v", node, err)
	}
	states, _, err := c.Health().State(api.HealthAny, nil)
	must(t, err)
	if len(states) != 2 {
		t.Errorf("got %+v", states)
	}
	_, err = c.Catalog().Deregister(&api.CatalogDeregistration{Node: "there"}, nil)
	must(t, err)
	if states, _, err := c.Health().State(api.HealthAny, nil); err != nil || len(states) != 1 {
		t.Errorf("got %+v, %v", states, err)
	}
}

func TestTheAgent(t *testing.T) {
	_, c, _ := start(t)
	self, err := c.Agent().Self()
	must(t, err)
	if self["Config"]["Datacenter"] != "dc1" || self["Config"]["NodeName"] != "here" {
		t.Errorf("got %v", self["Config"])
	}
	if leader, err := c.Status().Leader(); err != nil || leader == "" {
		t.Errorf("got %q, %v", leader, err)
	}
	must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "web", Tags: []string{"a"}}))
	must(t, c.Agent().CheckRegister(&api.AgentCheckRegistration{Name: "deep", ServiceID: "web", AgentServiceCheck: api.AgentServiceCheck{TTL: "1h"}}))
	services, err := c.Agent().ServicesWithFilter(`"a" in Tags`)
	must(t, err)
	if len(services) != 1 || services["web"].Service != "web" {
		t.Errorf("got %+v", services)
	}
	checks, err := c.Agent().Checks()
	must(t, err)
	if len(checks) != 1 || checks["deep"].ServiceName != "web" {
		t.Errorf("got %+v", checks)
	}
	must(t, c.Agent().CheckDeregister("deep"))
	must(t, c.Agent().EnableNodeMaintenance("power"))
	until(t, c, "web", true, count(0))
	must(t, c.Agent().DisableNodeMaintenance())
	until(t, c, "web", true, count(1))
}

func TestBadInput(t *testing.T) {
	_, c, url := start(t)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, q := range []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"PUT", "/v1/agent/service/register", `{"Nam": "web"}`, 400, `Request decode failed: json: unknown field "Nam"`},
		{"PUT", "/v1/agent/service/register", `{"name": "web", "check": {"interval": "x"}}`, 400, `Request decode failed: time: invalid duration "x"`},
		{"PUT", "/v1/agent/service/register", `{"Name": "web", "Address": "0.0.0.0"}`, 400, "Invalid service address"},
		{"PUT", "/v1/agent/service/register", `{"Name": "web", "Check": {"UDP": "a:1", "Interval": "1s"}}`, 501, "and no others"},
		{"PUT", "/v1/agent/service/register", `{"Name": "web", "Check": {"HTTP": "http://a"}}`, 400, "Interval must be > 0"},
		{"PUT", "/v1/agent/service/register", `{"Name": "` + strings.Repeat("x", 2<<20) + `"}`, 413, "too large"},
		{"PUT", "/v1/agent/service/register", `{`, 400, "Request decode failed"},
		{"POST", "/v1/agent/service/register", `{}`, 405, ""},
		{"GET", "/v1/health/service/web?passing=x", "", 400, "Invalid value for ?passing"},
		{"GET", "/v1/health/service/web?index=x", "", 400, "Invalid index"},
		{"GET", "/v1/health/service/web?wait=x&index=1", "", 400, "Invalid wait time"},
		{"GET", "/v1/health/service/web?dc=mars", "", 500, "No path to datacenter"},
		{"GET", "/v1/health/service/web?stale&consistent", "", 400, "conflicting semantics"},
		{"GET", "/v1/health/state/bad", "", 400, "want any"},
		{"PUT", "/v1/agent/check/update/none", `{"Status": "bad"}`, 400, "Invalid check status: 'bad'"},
		{"PUT", "/v1/agent/check/pass/none", "", 404, `Unknown check ID "none"`},
		{"PUT", "/v1/agent/maintenance", "", 400, "Missing value for enable"},
		{"GET", "/v1/agent/health/service/id/consul?format=text", "", 200, "passing"},
		{"GET", "/v1/health/service/consul?filter=(((", "", 500, "Failed to create boolean expression evaluator"},
		{"GET", "/v1/query", "", 404, "msctl's registry has no /v1/query"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), q.method, url+q.path, strings.NewReader(q.body))
		must(t, err)
		res, err := client.Do(req)
		must(t, err)
		text, err := io.ReadAll(res.Body)
		must(t, err)
		_ = res.Body.Close()
		if res.StatusCode != q.status || !strings.Contains(string(text), q.text) {
			t.Errorf("%s %s %.60s: got %d %s, want %d %s", q.method, q.path, q.body, res.StatusCode, text, q.status, q.text)
		}
	}
	// Consul's aliases.
	req, err := http.NewRequestWithContext(t.Context(), "PUT", url+"/v1/agent/service/register?replace-existing-checks=true",
		strings.NewReader(`{"name": "snake", "enable_tag_override": true, "check": {"http": "http://127.0.0.1:1", "interval": 3600000000000, "deregister_critical_service_after": "1h", "status": "passing"}}`))
	must(t, err)
	res, err := client.Do(req)
	must(t, err)
	_ = res.Body.Close()
	if all := until(t, c, "snake", false, count(1)); res.StatusCode != 200 || !all[0].Service.EnableTagOverride {
		t.Errorf("got %s, %+v", res.Status, all[0].Service)
	}
}
