package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a server that does all that is checked, and the Process of it,
// but for what a test has changed.
type service struct {
	*http.Server
	mux  *http.ServeMux
	log  Log
	l    net.Listener
	done chan struct{}
	exit error // once done is closed
	once sync.Once

	terminate func(*service) error // what it does on SIGTERM, and how it exits then
	draining  atomic.Bool
	posted    chan struct{} // gets a value for each POST that was read
	posts     http.HandlerFunc
	echo      func(w http.ResponseWriter, id string)
	line      func(path, trace string) string
	notFound  http.HandlerFunc
	contract  string // what a caller knows of it
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{
		mux: http.NewServeMux(), done: make(chan struct{}), posted: make(chan struct{}, 2*holds),
		terminate: func(s *service) error { return s.Shutdown(context.Background()) },
		posts:     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) },
		echo:      func(w http.ResponseWriter, id string) { w.Header().Set("X-Request-Id", id) },
		line: func(path, trace string) string {
			return fmt.Sprintf(`{"time": "2026-01-02T03:04:05.678Z", "level": "info", "msg": "request", "service": "shop", "path": %q, "trace_id": %q}`, path, trace)
		},
		notFound: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"title": "Not Found", "status": 404}`)
		},
	}
	s.answers("/healthz", `{"status": "alive"}`)
	s.mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s.draining.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, `{"status": "ready"}`)
	})
	s.answers("/metrics", "# TYPE http_requests_total counter\nhttp_requests_total{method=\"GET\"} 3\n")
	s.answers("/openapi.json", `{"openapi": "3.1.0", "paths": {"/items/{id}": {"post": {}}, "/items": {"post": {"responses": {"201": {}}}}}}`)
	s.contract = `{"openapi": "3.1.0", "paths": {"/items": {"post": {"responses": {"201": {}}}}}}`
	s.mux.HandleFunc("POST /items", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		s.posted <- struct{}{}
		s.posts(w, r)
	})
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.echo(w, r.Header.Get("X-Request-Id"))
		s.notFound(w, r)
		trace, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("traceparent"), "00-"), "-")
		fmt.Fprintln(&s.log, s.line(r.URL.Path, trace))
	})
	s.Server = &http.Server{Handler: s.mux}
	var err error
	if s.l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *service) answers(path, body string) {
	s.mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
}

// instead takes the place of a path's answer.
func (s *service) instead(path string, status int, body string) {
	was := s.Handler
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			was.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// slow has the service do nothing but GET requests that take long, with the
// beginning of the answer at once.
func (s *service) slow(beginning string) {
	s.instead("/openapi.json", 200, `{"openapi": "3.1.0", "paths": {"/events": {"get": {"x": "text/event-stream"}}, "/slow": {"get": {"responses": {"200": {}}}}}}`)
	s.contract = `{"openapi": "3.1.0", "paths": {"/slow": {"get": {"responses": {"200": {}}}}}}`
	s.mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		if _, _ = io.WriteString(w, beginning); beginning != "" {
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-time.After(3 * settledMax):
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, strings.Repeat(".", 10-len(beginning)))
	})
}

func (s *service) Log() *Log { return &s.log }

func (s *service) Terminate() {
	s.once.Do(func() {
		s.draining.Store(true)
		go func() {
			defer close(s.done)
			s.exit = s.terminate(s)
		}()
	})
}

func (s *service) Exited(ctx context.Context) error {
	select {
	case <-s.done:
		return s.exit
	case <-ctx.Done():
		return ctx.Err()
	}
}

// verified runs the service, and makes all checks.
func (s *service) verified(t *testing.T) map[string]Result {
	t.Helper()
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(s.l) }) // it returns when the test has closed it
	defer serving.Wait()
	defer s.Close()
	defer func() {
		s.Terminate()
		<-s.done
	}()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nUSER 10001\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return results(t, Target{
		Name: "shop", URL: &url.URL{Scheme: "http", Host: s.l.Addr().String()},
		Timeout: 10 * time.Second, Process: s, Dir: dir, Grace: 10 * time.Second,
		Contracts: []Contract{{"orders", []byte(s.contract)}},
	})
}

// results makes all checks, and sees that each is made once.
func results(t *testing.T, target Target) map[string]Result {
	t.Helper()
	if target.Contracts == nil {
		target.Contracts = []Contract{{"orders", []byte(`{"openapi": "3.1.0", "paths": {"/items": {"post": {"responses": {"201": {}}}}}}`)}}
	}
	got := map[string]Result{}
	for r := range Run(t.Context(), target) {
		t.Logf("%-4s  %-*s  %s", r.Status, Width(), r.Check, r.Seen)
		if r.Status == Fail && r.Hint == "" {
			t.Errorf("%s has no hint", r.Check)
		}
		got[r.Check] = r
	}
	if len(got) != len(checks) {
		t.Errorf("%d results, want one for each of %d checks", len(got), len(checks))
	}
	return got
}

func TestAGoodServicePasses(t *testing.T) {
	for name, r := range newService(t).verified(t) {
		if r.Status != Pass {
			t.Errorf("%s: %s, %s", name, r.Status, r.Seen)
		}
	}
}

// Each of these is good but for one thing, and fails that check alone.
func TestABadServiceFailsOneCheck(t *testing.T) {
	for _, c := range []struct {
		check, name string
		spoil       func(*service)
		seen        string
	}{
		{"liveness", "missing", func(s *service) { s.instead("/healthz", 404, "") }, "GET /healthz 404"},
		{"readiness", "missing", func(s *service) { s.instead("/readyz", 404, "") }, "GET /readyz 404"},
		{"probes", "one for both", func(s *service) { s.instead("/healthz", 200, `{"status": "ready"}`) }, "both answer"},
		{"metrics", "missing", func(s *service) { s.instead("/metrics", 404, "") }, "GET /metrics 404"},
		{"metrics", "a page", func(s *service) { s.instead("/metrics", 200, "<html>\n") }, "parsing error"},
		{"metrics", "empty", func(s *service) { s.instead("/metrics", 200, "") }, "no metrics"},
		{"openapi", "Swagger 2", func(s *service) { s.instead("/openapi.json", 200, `{"swagger": "2.0", "paths": {"/": {}}}`) }, "not 3.x"},
		{"openapi", "no paths", func(s *service) { s.instead("/openapi.json", 200, `{"openapi": "3.1.0"}`) }, "no paths"},
		{"openapi", "a page", func(s *service) { s.instead("/openapi.json", 200, "<html>") }, "invalid character"},
		{"contracts", "gone", func(s *service) {
			s.contract = `{"openapi": "3.1.0", "paths": {"/items": {"get": {"responses": {"200": {}}}}}}`
		}, "orders relies on what has changed: GET /items is gone"},
		{"contracts", "not to be read", func(s *service) { s.contract = "{" }, "what orders knows of it"},
		{"errors", "answers to all", func(s *service) { s.notFound = func(http.ResponseWriter, *http.Request) {} }, "is answered 200"},
		{"errors", "plain text", func(s *service) { s.notFound = http.NotFound }, `404 as "text/plain"`},
		{"errors", "another status", func(s *service) {
			s.notFound = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, `{"status": 500}`)
			}
		}, "has status 500"},
		{"request-id", "missing", func(s *service) { s.echo = func(http.ResponseWriter, string) {} }, `is answered with ""`},
		{"request-id", "its own", func(s *service) {
			s.echo = func(w http.ResponseWriter, _ string) { w.Header().Set("X-Request-Id", "mine") }
		}, `is answered with "mine"`},
		{"trace", "begun anew", func(s *service) {
			was := s.line
			s.line = func(path, _ string) string { return was(path, "0af7651916cd43dd8448eb211c80319c") }
		}, "has another trace id"},
		{"trace", "not logged", func(s *service) {
			was := s.line
			s.line = func(string, string) string { return was("", "") }
		}, "no line of the request"},
		{"logs", "text", func(s *service) { fmt.Fprintln(&s.log, "listening on 8000") }, "no JSON object: listening on 8000"},
		{"logs", "no level", func(s *service) {
			fmt.Fprintln(&s.log, `{"time": "2026-01-02T03:04:05Z", "msg": "m", "service": "shop"}`)
		}, "no level"},
		{"logs", "another time", func(s *service) {
			fmt.Fprintln(&s.log, `{"time": "yesterday", "level": "info", "msg": "m", "service": "shop"}`)
		}, `time "yesterday"`},
		{"logs", "another service", func(s *service) {
			fmt.Fprintln(&s.log, `{"time": "2026-01-02T03:04:05Z", "level": "info", "msg": "m", "service": "acme"}`)
		}, `service "acme"`},
		{"drain", "cuts what is held", func(s *service) {
			s.posts = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		}, "2 of "},
		{"drain", "cuts slow requests", func(s *service) {
			s.slow("")
			s.terminate = func(s *service) error { return s.Close() }
		}, "got no answer: EOF"},
		{"drain", "cuts answers", func(s *service) {
			s.slow("begun")
			s.terminate = func(s *service) error { return s.Close() }
		}, "got no answer: cut in the middle"},
		{"unready", "takes requests on", func(s *service) {
			s.instead("/readyz", 200, `{"status": "ready"}`)
			s.terminate = func(s *service) error {
				<-s.posted
				return s.Shutdown(context.Background())
			}
		}, "GET /readyz 200 1"},
		{"exit", "exit code 1", func(s *service) {
			s.terminate = func(s *service) error {
				return errors.Join(s.Shutdown(context.Background()), errors.New("exit code 1"))
			}
		}, "exit code 1"},
	} {
		t.Run(c.check+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			c.spoil(s)
			for name, r := range s.verified(t) {
				switch {
				case name == c.check && (r.Status != Fail || !strings.Contains(r.Seen, c.seen)):
					t.Errorf("%s: %s, %s, want it to fail with %q", name, r.Status, r.Seen, c.seen)
				case name != c.check && r.Status == Fail:
					t.Errorf("%s fails, too: %s", name, r.Seen)
				}
			}
		})
	}
}

// On a machine that is busy, a request may wait for longer to be begun: one
// that was dropped in that time is no fault of the service.
func TestARequestCountsOnceItHasBegunForCertain(t *testing.T) {
	for _, c := range []struct {
		probe     time.Duration
		age       time.Duration
		cut, lost bool
	}{
		{0, settled / 2, false, false},
		{0, 2 * settled, false, true},
		{settled / 2, 3 * settled / 2, false, false},
		{settled / 2, 20 * settled, false, true},
		{settled / 2, settled, true, true}, // its answer shows that it had begun
	} {
		l := startLoad(canceled(t), "127.0.0.1:0", "/", time.Second)
		l.settle(t.Context(), func() { <-time.After(c.probe) })
		l.signalled()
		err := io.EOF
		if c.cut {
			err = errCut
		}
		l.note(l.signal.Add(-c.age), err)
		l.stop()
		if lost := l.lost == 1; lost != c.lost {
			t.Errorf("probes of %s, a request of %s: lost %t, want %t", c.probe, c.age, lost, c.lost)
		}
	}
}

func canceled(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestReadinessIsWaitedFor(t *testing.T) {
	s := newService(t)
	was := s.Handler
	var asked atomic.Int32
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" && asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		was.ServeHTTP(w, r)
	})
	if r := s.verified(t)["readiness"]; r.Status != Pass {
		t.Errorf("readiness: %s, %s", r.Status, r.Seen)
	}
}

func TestAnEndThatIsLateFails(t *testing.T) {
	s := newService(t)
	e := &ending{took: 11 * time.Second}
	r := &run{Target: Target{Process: s, Grace: 10 * time.Second}, ended: e}
	defer s.l.Close()
	for _, exit := range []error{nil, context.DeadlineExceeded} {
		if e.exit = exit; r.exit(t.Context()).Status != Fail {
			t.Errorf("%v after %s does not fail", exit, e.took)
		}
	}
}

// What never starts fails that, and nothing else is looked at.
func TestNothingIsCheckedOfWhatDoesNotStart(t *testing.T) {
	gone := newService(t)
	gone.l.Close()
	gone.exit = errors.New("exit code 3")
	close(gone.done)
	fmt.Fprintln(&gone.log, "no such table")
	silent := newService(t)
	silent.l.Close()
	for _, c := range []struct {
		process    Process
		addr, seen string
	}{
		{gone, gone.l.Addr().String(), "it ended before it listened: exit code 3"},
		{silent, silent.l.Addr().String(), "nobody listens on $PORT after 50ms"},
		{nil, gone.l.Addr().String(), "connection refused"},
	} {
		got := results(t, Target{URL: &url.URL{Scheme: "http", Host: c.addr}, Timeout: 50 * time.Millisecond, Process: c.process})
		for name, r := range got {
			switch {
			case name == "start" && (r.Status != Fail || !strings.Contains(r.Seen, c.seen)):
				t.Errorf("start: %s, %s, want %q", r.Status, r.Seen, c.seen)
			case name != "start" && r.Status != Skip:
				t.Errorf("%s: %s, want it to be skipped", name, r.Status)
			}
		}
	}
}

func TestAnotherProcessIsNotEnded(t *testing.T) {
	s := newService(t)
	server := httptest.NewServer(s.mux)
	defer server.Close()
	defer s.l.Close()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results(t, Target{URL: u, Timeout: 10 * time.Second}) {
		want := Pass
		switch r.Check {
		case "trace", "logs", "drain", "unready", "exit", "user":
			want = Skip
		}
		if r.Status != want {
			t.Errorf("%s: %s, %s, want %s", r.Check, r.Status, r.Seen, want)
		}
	}
}

func TestChecksAreDescribed(t *testing.T) {
	doc, err := os.ReadFile("../docs/verify.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if !strings.Contains(string(doc), "| `"+c.name+"` |") {
			t.Errorf("docs/verify.md does not describe %s", c.name)
		}
	}
}
