package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test.
const patience = 10 * time.Second

// world is a gateway that serves what a real registry holds.
type world struct {
	*Gateway
	t      testing.TB
	reg    *registry.Registry
	client *http.Client
	stop   func()
}

// service declares a service of HTTP; edit changes it.
func service(name string, edit ...func(*stack.Service)) stack.Service {
	s := stack.Service{Name: name, Kind: stack.KindService, Protocol: stack.HTTP, Replicas: 1, Balance: stack.Balance{Policy: stack.RoundRobin}}
	for _, e := range edit {
		e(&s)
	}
	return s
}

func needs(names ...string) func(*stack.Service) {
	return func(s *stack.Service) {
		for _, n := range names {
			s.DependsOn = append(s.DependsOn, stack.Dependency{Service: n, Required: true})
		}
	}
}

func routed(routes ...stack.Route) func(*stack.Service) {
	return func(s *stack.Service) { s.Routes = routes }
}

func speaks(p stack.Protocol) func(*stack.Service) {
	return func(s *stack.Service) { s.Protocol = p }
}

// declare is a stack of services with the front door on a free port.
func declare(t testing.TB, services ...stack.Service) *stack.Stack {
	t.Helper()
	return &stack.Stack{Name: "test", Dir: t.TempDir(), Gateway: stack.Gateway{Listen: "127.0.0.1:0"}, Services: services}
}

// begin runs a gateway for st until the test ends.
func begin(t testing.TB, st *stack.Stack, o Options) *world {
	t.Helper()
	reg := registry.New()
	w := &world{Gateway: New(reg, o), t: t, reg: reg}
	if err := w.Configure(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	w.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	w.stop = func() {
		if cancel == nil {
			return
		}
		transport.CloseIdleConnections()
		cancel()
		cancel = nil
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	}
	t.Cleanup(w.stop)
	return w
}

// put enters an instance, and returns when the gateway has it.
func (w *world) put(id, addr string, state registry.State, edit ...func(*registry.Instance)) {
	w.t.Helper()
	name, _, _ := strings.Cut(id, "-")
	i := registry.Instance{ID: id, Service: name, Address: addr, State: state}
	for _, e := range edit {
		e(&i)
	}
	w.reg.Put(i)
	w.refresh()
}

// upstream serves h on loopback, over HTTP/1.1 and h2c, until the test ends.
func upstream(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// says is an upstream that answers with its name.
func says(t *testing.T, name string) string {
	t.Helper()
	return upstream(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
}

// get asks the front door for host and path.
func (w *world) get(host, path string) (int, string, http.Header) {
	w.t.Helper()
	return w.do(w.request("GET", host, path, nil))
}

func (w *world) request(method, host, path string, body io.Reader) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, "http://"+w.Addr()+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	return r
}

func (w *world) do(r *http.Request) (int, string, http.Header) {
	w.t.Helper()
	res, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

// problem asks for what must be answered with a problem document.
func (w *world) problem(status int, r *http.Request) wire.Problem {
	w.t.Helper()
	code, body, h := w.do(r)
	if code != status || h.Get("Content-Type") != wire.ProblemType {
		w.t.Fatalf("%s %s: %d %s %s, want a problem with %d", r.Method, r.URL, code, h.Get("Content-Type"), body, status)
	}
	var p wire.Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		w.t.Fatal(err)
	}
	if p.Status != status || p.Title != http.StatusText(status) {
		w.t.Errorf("problem = %+v", p)
	}
	return p
}

// eventually waits until f says that it is so.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); !f(); <-look.C {
		if time.Now().After(end) {
			t.Fatalf("%s: not after %s", what, patience)
		}
	}
}

// within receives from c.
func within[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: not after %s", what, patience)
		panic("unreachable")
	}
}

// nobody is an address that refuses connections.
func nobody(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func weighing(n int) func(*registry.Instance) {
	return func(i *registry.Instance) { i.Weight = n }
}

func because(format string, args ...any) func(*registry.Instance) {
	return func(i *registry.Instance) { i.Reason = fmt.Sprintf(format, args...) }
}
