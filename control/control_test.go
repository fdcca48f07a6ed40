package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/msctl/msctl/logs"
	"github.com/msctl/msctl/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// operator answers as it is told, and notes what it was asked.
type operator struct {
	mu    sync.Mutex
	asked []Action
	err   error
}

func (o *operator) Do(_ context.Context, a Action) (Result, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, a)
	return Result{Steps: []Step{{Action: "start", Instance: "web-1", Cause: "new"}}}, o.err
}

func (o *operator) Status(context.Context) (Status, error) {
	return Status{Stack: "shop", PID: os.Getpid(), Services: []Service{{Name: "web"}}}, nil
}

func (o *operator) Routes(context.Context) ([]Route, error) {
	return []Route{{Pattern: "/", Service: "web", Ready: []string{"127.0.0.1:1"}}}, nil
}

func (o *operator) Environment(_ context.Context, service string) (Environment, error) {
	if service != "web" {
		return Environment{}, fmt.Errorf("no service %q", service)
	}
	return Environment{Env: []string{"PORT=1"}, Dir: "/"}, nil
}

func (o *operator) Match(_ context.Context, q MatchQuery) (*Match, error) {
	if q.URL != "/api" || q.Headers.Get("X-Beta") != "1" {
		return nil, nil
	}
	return &Match{Route: Route{Pattern: q.Method + " /api"}, Why: "no other route matches"}, nil
}

// advised is an error with all that an error can carry.
type advised struct{}

func (advised) Error() string { return "it cannot be done" }
func (advised) Hint() string  { return "do something else" }
func (advised) ExitCode() int { return 3 }

type fixture struct {
	*operator
	dir      string
	registry *registry.Registry
	logs     *logs.Store
	traffic  *traffic
	client   *Client
	stop     func()
}

func serve(t *testing.T, dir string) *fixture {
	t.Helper()
	store, err := logs.Open(filepath.Join(dir, "logs"))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{operator: &operator{}, dir: dir, registry: registry.New(), logs: store, traffic: &traffic{more: make(chan struct{})}}
	s, err := Listen(t.Context(), Options{Dir: dir, Registry: f.registry, Logs: store, Operator: f, Viewer: f, Traffic: f.traffic})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	f.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("the server ended with %v", err)
			}
			if f.client != nil {
				f.client.http.CloseIdleConnections()
			}
		})
	}
	t.Cleanup(f.stop)
	if f.client, err = Dial(dir); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestQuestionsAndActions(t *testing.T) {
	f := serve(t, t.TempDir())
	ctx := t.Context()
	status, err := f.client.Status(ctx)
	if err != nil || status.Stack != "shop" || status.PID != os.Getpid() {
		t.Errorf("status: %+v, %v", status, err)
	}
	routes, err := f.client.Routes(ctx)
	if err != nil || len(routes) != 1 || routes[0].Service != "web" {
		t.Errorf("routes: %+v, %v", routes, err)
	}
	env, err := f.client.Environment(ctx, "web")
	if err != nil || len(env.Env) != 1 {
		t.Errorf("environment: %+v, %v", env, err)
	}
	if _, err := f.client.Environment(ctx, "a&b=c"); err == nil || !strings.Contains(err.Error(), `"a&b=c"`) {
		t.Errorf("a strange name came through as %v", err)
	}
	match, err := f.client.Match(ctx, MatchQuery{Method: "GET", URL: "/api", Headers: http.Header{"X-Beta": {"1"}}})
	if err != nil || match == nil || match.Route.Pattern != "GET /api" {
		t.Errorf("match: %+v, %v", match, err)
	}
	if match, err := f.client.Match(ctx, MatchQuery{Method: "GET", URL: "/"}); err != nil || match != nil {
		t.Errorf("no match: %+v, %v", match, err)
	}
	action := Action{Verb: Scale, Replicas: map[string]int{"web": 2}, Environ: []string{"A=ü"}}
	result, err := f.client.Do(ctx, action)
	if err != nil || len(result.Steps) != 1 || result.Revision == 0 {
		t.Errorf("result: %+v, %v", result, err)
	}
	if diff := cmp.Diff([]Action{action}, f.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestErrorsTravelWhole(t *testing.T) {
	f := serve(t, t.TempDir())
	f.err = fmt.Errorf("scale web: %w", advised{})
	_, err := f.client.Do(t.Context(), Action{Verb: Scale})
	var e *Error
	if !errors.As(err, &e) || e.Message != "scale web: it cannot be done" || e.Hint() != "do something else" || e.ExitCode() != 3 {
		t.Errorf("got %#v", err)
	}
}

func TestNextBlocksUntilSomethingIsNew(t *testing.T) {
	f := serve(t, t.TempDir())
	first, err := f.client.Next(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan registry.Snapshot, 1)
	go func() {
		s, err := f.client.Next(context.Background(), first.Revision)
		if err != nil {
			t.Error(err)
		}
		got <- s
	}()
	f.registry.Put(registry.Instance{ID: "web-1", Service: "web", State: registry.Ready, ReadyIn: registry.Duration(1500 * time.Microsecond)})
	s := <-got
	i, ok := s.Instance("web-1")
	if !ok || i.State != registry.Ready || i.ReadyIn != registry.Duration(1500*time.Microsecond) || s.Revision <= first.Revision {
		t.Errorf("got %+v", s)
	}
}

func TestTheEndOfTheStackEndsAWait(t *testing.T) {
	f := serve(t, t.TempDir())
	first, err := f.client.Next(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := f.client.Next(context.Background(), first.Revision)
		ended <- err
	}()
	if _, err := f.client.Status(t.Context()); err != nil { // the wait, or what comes after it, meets the end
		t.Fatal(err)
	}
	f.stop()
	if err := <-ended; !errors.Is(err, ErrGone) {
		t.Errorf("want ErrGone, got %v", err)
	}
	if _, err := Dial(f.dir); !IsNotRunning(err) {
		t.Errorf("want a stack that does not run, got %v", err)
	}
}

func TestLogsAreStreamed(t *testing.T) {
	f := serve(t, t.TempDir())
	w := f.logs.Writer("web", "web-1")
	defer w.Close()
	say := func(line string) {
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			t.Error(err)
		}
	}
	say("old one")
	say("old two")
	read := func(q LogQuery, lines int, first func()) string {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var out bytes.Buffer
		for b, err := range f.client.Logs(ctx, q) {
			if err != nil {
				t.Fatalf("%v; so far %q", err, out.String())
			}
			for _, c := range b.Chunks {
				out.Write(c.Data)
			}
			if first != nil {
				first()
				first = nil
			}
			if lines > 0 && strings.Count(out.String(), "\n") >= lines {
				break
			}
		}
		return out.String()
	}
	if got := read(LogQuery{}, 0, nil); got != "old one\nold two\n" {
		t.Errorf("all: %q", got)
	}
	if got := read(LogQuery{Query: logs.Query{Tail: 1}}, 0, nil); got != "old two\n" {
		t.Errorf("tail: %q", got)
	}
	if got := read(LogQuery{Query: logs.Query{Tail: 1}, Grep: "one"}, 0, nil); !strings.HasPrefix(got, "old one\n") {
		t.Errorf("tail with grep: %q", got)
	}
	if got := read(LogQuery{Follow: true, Query: logs.Query{Tail: 1}}, 2, func() { say("new") }); got != "old two\nnew\n" {
		t.Errorf("follow: %q", got)
	}
	for _, err := range f.client.Logs(t.Context(), LogQuery{Grep: "("}) {
		if err == nil || !strings.Contains(err.Error(), "missing closing )") {
			t.Errorf("a pattern that is none: %v", err)
		}
	}
}

func TestTheSocketIsItsUsersAlone(t *testing.T) {
	f := serve(t, t.TempDir())
	st, err := os.Stat(SocketPath(f.dir))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", st.Mode(), err)
	}
}

func TestASocketThatAKilledOneLeftIsReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := makeSocketDir(SocketPath(dir)); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: SocketPath(dir), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	if _, err := Dial(dir); !IsNotRunning(err) {
		t.Fatalf("want a stack that does not run, got %v", err)
	}
	f := serve(t, dir)
	if _, err := f.client.Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestALongPathMovesTheSocket(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 30))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if n := len(SocketPath(dir)); n > socketPathMax {
		t.Fatalf("the path has %d bytes", n)
	}
	f := serve(t, dir)
	if _, err := f.client.Status(t.Context()); err != nil {
		t.Error(err)
	}
	f.stop()
	if _, err := os.Stat(SocketPath(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// What is not asked as it should be is told so, and nothing breaks.
func TestBadRequests(t *testing.T) {
	f := serve(t, t.TempDir())
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{http.MethodGet, "/v1/nothing", "", http.StatusNotFound},
		{http.MethodPost, "/v1/status", "", http.StatusNotFound},
		{http.MethodGet, "/v1/snapshot?after=x", "", http.StatusBadRequest},
		{http.MethodPost, "/v1/actions", "{", http.StatusBadRequest},
		{http.MethodPost, "/v1/actions", `{"verb":"apply","bogus":1}`, http.StatusBadRequest},
		{http.MethodPost, "/v1/actions", `{"verb":"` + strings.Repeat("x", maxBody) + `"}`, http.StatusBadRequest},
		{http.MethodPost, "/v1/logs", `{"level":"loud"}`, http.StatusBadRequest},
		{http.MethodPost, "/v1/requests", `{"status":"slow"}`, http.StatusBadRequest},
		{http.MethodPost, "/v1/routes/match", `[]`, http.StatusBadRequest},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, "http://msctl"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := f.client.http.Do(req)
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode != c.status {
			t.Errorf("%s %s %.40s: want %d, got %d", c.method, c.path, c.body, c.status, res.StatusCode)
		}
	}
}
