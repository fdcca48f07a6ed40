package mirror_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/registry/consul"
	"github.com/msctl/msctl/registry/consul/consultest"
	"github.com/msctl/msctl/registry/mirror"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place is a Consul that a test asks.
type place struct {
	*testing.T
	addr string
}

// everywhere runs a test with msctl's registry in the place of a Consul, and with a
// real one, where there is one.
func everywhere(t *testing.T, f func(place)) {
	t.Helper()
	t.Run("msctl", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- consul.New(consul.Options{Registry: registry.New(), Node: "here"}).Run(ctx, l) }()
		t.Cleanup(func() {
			cancel()
			must(t, <-ended)
		})
		f(place{t, l.Addr().String()})
	})
	t.Run("consul", func(t *testing.T) {
		path := consultest.Find()
		if path == "" {
			t.Skip(consultest.Missing)
		}
		a, err := consultest.Start(t.Context(), path)
		must(t, err)
		t.Cleanup(a.Stop)
		f(place{t, a.HTTP})
	})
}

func client(t *testing.T, addr string) *api.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := api.NewClient(&api.Config{Address: addr, HttpClient: &http.Client{Transport: transport}})
	must(t, err)
	return c
}

// run runs a mirror until the test ends, or the function that it returns is called.
func run(t *testing.T, addr string, o mirror.Options, find map[string]string) (end func()) {
	t.Helper()
	o.Consul = &api.Config{Address: addr}
	m, err := mirror.New(o)
	must(t, err)
	m.Find(map[string]string{"another": "for now"})
	m.Find(find)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	end = sync.OnceFunc(func() {
		cancel()
		must(t, <-ended)
	})
	t.Cleanup(end)
	return end
}

// until waits until a Consul has so many instances of a service, that pass or not.
func until(t *testing.T, c *api.Client, name string, passing, all int) []*api.ServiceEntry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for index := uint64(0); ; {
		entries, meta, err := c.Health().Service(name, "", false, (&api.QueryOptions{WaitIndex: index, WaitTime: 5 * time.Second}).WithContext(ctx))
		must(t, err)
		n := 0
		for _, e := range entries {
			if e.Checks.AggregatedStatus() == api.HealthPassing {
				n++
			}
		}
		if n == passing && len(entries) == all {
			return entries
		}
		index = meta.LastIndex
	}
}

// rows waits until the table is as it should be.
func rows(t *testing.T, table *registry.Registry, service string, ok func([]registry.Instance) bool) []registry.Instance {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for after := uint64(0); ; {
		snap, err := table.Next(ctx, after)
		if err != nil {
			t.Fatalf("%s is %+v: %v", service, table.Snapshot().Service(service), err)
		}
		if all := snap.Service(service); ok(all) {
			return all
		}
		after = snap.Revision
	}
}

func addresses(want ...string) func([]registry.Instance) bool {
	return func(all []registry.Instance) bool {
		var got []string
		for _, i := range all {
			got = append(got, i.ID+" "+i.Address)
		}
		return slices.Equal(got, want)
	}
}

func instance(n int, state registry.State) registry.Instance {
	return registry.Instance{
		ID: fmt.Sprintf("web-%d", n), Service: "web", Replica: n, Kind: "service", Address: fmt.Sprintf("127.0.0.1:%d", 8000+n), State: state,
		Tags: []string{"v1"}, Meta: map[string]string{"team": "a"}, Weight: 3,
	}
}

func TestOwnInstancesAreThere(t *testing.T) {
	everywhere(t, func(here place) {
		t, addr := here.T, here.addr
		c, table := client(t, addr), registry.New()
		table.Put(instance(1, registry.Ready))
		elsewhere := instance(9, registry.Ready)
		elsewhere.External = true
		table.Put(elsewhere)
		end := run(t, addr, mirror.Options{Registry: table, Unique: "x1", Announce: true}, nil)
		e := until(t, c, "web", 1, 1)[0]
		s := e.Service
		if s.ID != "web-1-x1" || s.Port != 8001 || s.Address != "127.0.0.1" || s.Tags[0] != "v1" || s.Meta["team"] != "a" || s.Meta["msctl-stack"] != "x1" || s.Weights.Passing != 3 {
			t.Errorf("got %+v", s)
		}
		table.Put(instance(2, registry.Starting))
		until(t, c, "web", 1, 2)
		table.Put(instance(2, registry.Ready))
		until(t, c, "web", 2, 2)
		table.Put(instance(1, registry.Draining))
		until(t, c, "web", 1, 2)
		table.Delete("web-1")
		until(t, c, "web", 1, 1)
		end()
		until(t, c, "web", 0, 0)
	})
}

func TestWhatOthersRunIsInTheTable(t *testing.T) {
	everywhere(t, func(here place) {
		t, addr := here.T, here.addr
		c, table := client(t, addr), registry.New()
		end := run(t, addr, mirror.Options{Registry: table, Unique: "x1", Announce: true}, map[string]string{"payments": "pay"})
		put := func(id string, port int, status string, meta map[string]string) {
			t.Helper()
			must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{ID: id, Name: "pay", Port: port, Address: "127.0.0.1", Meta: meta, Check: &api.AgentServiceCheck{TTL: "1h", Status: status}}))
		}
		put("a", 1, api.HealthPassing, nil)
		put("own", 2, api.HealthPassing, map[string]string{"msctl-stack": "x1"})
		put("b", 3, api.HealthCritical, nil)
		all := rows(t, table, "payments", addresses("payments-1 127.0.0.1:1"))
		if i := all[0]; !i.External || !i.Found || i.State != registry.Ready || i.Reason != "a on here, in Consul" {
			t.Errorf("got %+v", i)
		}
		must(t, c.Agent().PassTTL("service:b", ""))
		rows(t, table, "payments", addresses("payments-1 127.0.0.1:1", "payments-2 127.0.0.1:3"))
		must(t, c.Agent().ServiceDeregister("a"))
		rows(t, table, "payments", addresses("payments-2 127.0.0.1:3"))
		put("c", 4, api.HealthPassing, nil)
		rows(t, table, "payments", addresses("payments-1 127.0.0.1:4", "payments-2 127.0.0.1:3"))
		until(t, c, "payments", 0, 0) // they are not announced as the stack's
		end()
		rows(t, table, "payments", addresses())
	})
}

// door is a proxy before a Consul, that can be shut.
type door struct {
	*http.Server
	addr   string
	shut   atomic.Bool
	opened atomic.Int64
}

func open(t *testing.T, addr string) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	transport := &http.Transport{}
	p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
	p.Transport = transport
	p.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	d := &door{addr: l.Addr().String()}
	d.Server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.opened.Add(1); d.shut.Load() {
			panic(http.ErrAbortHandler)
		}
		p.ServeHTTP(w, r)
	})}
	served := make(chan struct{})
	go func() { defer close(served); _ = d.Serve(l) }()
	t.Cleanup(func() {
		_ = d.Close()
		<-served
		transport.CloseIdleConnections()
	})
	return d
}

// TestAConsulThatIsAway: what is known of it stays, and once it is back, all is as
// it has to be, what changed meanwhile too.
func TestAConsulThatIsAway(t *testing.T) {
	everywhere(t, func(here place) {
		t, addr := here.T, here.addr
		d := open(t, addr)
		c, table := client(t, addr), registry.New()
		told := make(chan error, 10)
		table.Put(instance(1, registry.Ready))
		register := func(id string, port int) {
			t.Helper()
			must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{ID: id, Name: "pay", Port: port, Address: "127.0.0.1"}))
		}
		register("a", 1)
		run(t, d.addr, mirror.Options{Registry: table, Unique: "x1", Announce: true, Told: func(err error) { told <- err }}, map[string]string{"pay": "pay"})
		until(t, c, "web", 1, 1)
		rows(t, table, "pay", addresses("pay-1 127.0.0.1:1"))
		d.shut.Store(true)
		table.Put(instance(2, registry.Ready))
		if err := <-told; err == nil {
			t.Error("it is said to be back before it was away")
		}
		register("b", 2) // which a question that waited already may hear of
		if all := table.Snapshot().Service("pay"); len(all) == 0 || all[0].Address != "127.0.0.1:1" {
			t.Errorf("the table forgot what it knew: %+v", all)
		}
		must(t, c.Agent().ServiceDeregister("web-1-x1")) // as a Consul that lost its memory
		d.shut.Store(false)
		until(t, c, "web", 2, 2)
		rows(t, table, "pay", addresses("pay-1 127.0.0.1:1", "pay-2 127.0.0.1:2"))
		for err := range told {
			if err == nil {
				break
			}
		}
	})
}

// TestAnIndexThatFalls: a Consul that was restored is read anew.
func TestAnIndexThatFalls(t *testing.T) {
	var asked []string
	var mu sync.Mutex
	answers := []string{"50", "7", "8"}
	enough := make(chan struct{})
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.Query().Get("index"))
		n := len(asked)
		mu.Unlock()
		if n > len(answers) {
			if n == len(answers)+1 {
				close(enough)
			}
			<-r.Context().Done()
			return
		}
		w.Header().Set("X-Consul-Index", answers[n-1])
		_, _ = fmt.Fprint(w, "[]")
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	end := run(t, l.Addr().String(), mirror.Options{Registry: registry.New()}, map[string]string{"a": "a"})
	<-enough
	end()
	_ = s.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	if want := []string{"", "50", "", "8"}; !slices.Equal(asked, want) {
		t.Errorf("asked for what is newer than %q, want %q", asked, want)
	}
}

// TestWhatIsLookedForChanges: what is not looked for any more leaves the table.
func TestWhatIsLookedForChanges(t *testing.T) {
	everywhere(t, func(here place) {
		t, addr := here.T, here.addr
		c, table := client(t, addr), registry.New()
		for n, name := range []string{"one", "two"} {
			must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: name, Port: n + 1, Address: "127.0.0.1"}))
		}
		m, err := mirror.New(mirror.Options{Registry: table, Consul: &api.Config{Address: addr}})
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- m.Run(ctx) }()
		m.Find(map[string]string{"a": "one", "b": "one"})
		rows(t, table, "a", addresses("a-1 127.0.0.1:1"))
		rows(t, table, "b", addresses("b-1 127.0.0.1:1"))
		m.Find(map[string]string{"a": "two"})
		rows(t, table, "a", addresses("a-1 127.0.0.1:2"))
		rows(t, table, "b", addresses())
		cancel()
		must(t, <-ended)
		rows(t, table, "a", addresses())
	})
}

func TestConfig(t *testing.T) {
	t.Setenv("CONSUL_HTTP_TOKEN", "of the environment")
	for raw, want := range map[string]string{
		"consul://c:1": "http c:1 dc= token=of the environment",
		"consul://c":   "http c:8500 dc= token=of the environment",
		"consul://c:1?dc=east&token=secret&tls=true": "https c:1 dc=east token=secret",
		"consul://c:1?tls=maybe":                     "tls=maybe: want true or false",
		"consul://c:1?datacenter=east":               "datacenter: want dc, token or tls",
	} {
		c, err := mirror.Config(raw)
		got := fmt.Sprint(err)
		if err == nil {
			got = fmt.Sprintf("%s %s dc=%s token=%s", c.Scheme, c.Address, c.Datacenter, c.Token)
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}

// TestTLSAndToken: the mirror proves who the Consul is, and says who it is itself.
func TestTLSAndToken(t *testing.T) {
	tokens := make(chan string, 10)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case tokens <- r.Header.Get("X-Consul-Token") + " " + r.URL.Query().Get("dc"):
		default:
		}
		w.Header().Set("X-Consul-Index", "1")
		if r.URL.Query().Get("index") != "" {
			<-r.Context().Done()
		}
		_, _ = fmt.Fprint(w, `[{"Node": {"Node": "n"}, "Service": {"ID": "a", "Address": "::1", "Port": 1}}]`)
	}))
	defer s.Close()
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // the first client does not trust it
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	begin := func(told func(error)) *registry.Registry {
		t.Helper()
		c, err := mirror.Config("consul://" + s.Listener.Addr().String() + "?tls=true&token=secret&dc=east")
		must(t, err)
		table := registry.New()
		m, err := mirror.New(mirror.Options{Registry: table, Consul: c, Told: told})
		must(t, err)
		m.Find(map[string]string{"a": "a"})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- m.Run(ctx) }()
		t.Cleanup(func() { cancel(); must(t, <-ended) })
		return table
	}
	told := make(chan error, 1)
	begin(func(err error) { told <- err })
	if err := <-told; err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
	t.Setenv("CONSUL_CACERT", ca)
	rows(t, begin(nil), "a", addresses("a-1 [::1]:1"))
	if got := <-tokens; got != "secret east" {
		t.Errorf("got %q", got)
	}
}
