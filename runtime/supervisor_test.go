package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/msctl/msctl/logs"
	"github.com/msctl/msctl/ports"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeRunner runs functions in place of commands: the command line names one.
type fakeRunner struct {
	mu       sync.Mutex
	programs map[string]program
	builds   int
	running  map[string]int
	most     map[string]int
	signals  []string
	broken   bool            // nothing builds
	held     <-chan struct{} // until when builds take; nil for no time
	rest     string          // that is read of the output of what has exited
}

// holds makes builds wait for the channel.
func (f *fakeRunner) holds(until <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = until
}

// breaks makes all builds fail, or succeed again.
func (f *fakeRunner) breaks(broken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = broken
}

// set makes a command line run p from now on.
func (f *fakeRunner) set(line string, p program) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.programs[line] = p
}

// program is an instance's whole run. It has started when it calls up.
type program func(ctx context.Context, s Spec, out io.Writer) error

func (f *fakeRunner) Build(ctx context.Context, s Spec, _ io.Writer) error {
	f.mu.Lock()
	held := f.held
	f.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.builds++
	if f.broken || s.BuildCommand.Line == "broken" {
		return &BuildError{Step: "build_command", Err: &ExitError{Code: 2}}
	}
	return nil
}

func (f *fakeRunner) Exec(context.Context, Spec, stack.Command, io.Writer) error { return nil }

func (f *fakeRunner) Run(ctx context.Context, s Spec, out io.Writer) error {
	f.mu.Lock()
	p, ok := f.programs[s.Command.Line]
	rest := f.rest
	f.running[s.ID]++
	f.most[s.ID] = max(f.most[s.ID], f.running[s.ID])
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.running[s.ID]--
		f.mu.Unlock()
	}()
	if !ok {
		return fmt.Errorf("%s is not installed", s.Command.Line)
	}
	s.OnStart(1)
	err := p(ctx, s, out)
	s.OnExit(err)
	_, _ = io.WriteString(out, rest)
	return err
}

func (f *fakeRunner) Signal(_ int, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.signals = append(f.signals, name)
	return nil
}

func serve(ctx context.Context, _ Spec, _ io.Writer) error { <-ctx.Done(); return nil }

func crash(context.Context, Spec, io.Writer) error { return &ExitError{Code: 1} }

func succeed(context.Context, Spec, io.Writer) error { return nil }

// noGateway stands where no request comes.
type noGateway struct{}

func (noGateway) Configure(context.Context, *stack.Stack) error { return nil }
func (noGateway) Drain(context.Context, string) error           { return nil }
func (noGateway) Edge(caller, callee string) (string, bool) {
	return "127.0.0.1:4" + fmt.Sprint(len(caller)+len(callee)), true
}

type fixture struct {
	*Supervisor
	t      *testing.T
	runner *fakeRunner
	stop   func()
}

func supervise(t *testing.T) *fixture {
	t.Helper()
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	store, err := logs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	leases, err := ports.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	runner := &fakeRunner{running: map[string]int{}, most: map[string]int{}, programs: map[string]program{
		"serve": serve, "crash": crash, "succeed": succeed,
	}}
	f := &fixture{t: t, runner: runner, Supervisor: New(Options{
		Registry: registry.New(), Logs: store, Gateway: noGateway{}, Runner: runner, Ports: leases,
	})}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = f.Run(ctx) }()
	var once sync.Once
	f.stop = func() {
		once.Do(func() {
			cancel()
			<-done
			_ = leases.Close()
		})
	}
	t.Cleanup(f.stop)
	return f
}

func service(name, command string, deps ...stack.Dependency) stack.Service {
	return stack.Service{
		Name: name, Kind: stack.KindService, Replicas: 1, Command: stack.Command{Line: command}, DependsOn: deps,
		Healthcheck:     stack.Healthcheck{Kind: stack.ProbeNone},
		StopGracePeriod: time.Second, StopSignal: "SIGTERM", Restart: stack.Restart{Mode: stack.RestartNo},
		Reload: stack.Reload{Mode: stack.ReloadSwap, MaxSurge: 1, Drain: time.Second},
	}
}

func (f *fixture) up(services ...stack.Service) *stack.Stack {
	f.t.Helper()
	st := &stack.Stack{Name: "test", Dir: f.t.TempDir(), Services: services}
	f.apply(st)
	return st
}

func (f *fixture) apply(st *stack.Stack) []Step {
	f.t.Helper()
	var names []string
	for _, s := range st.Services {
		names = append(names, s.Name)
	}
	steps, err := f.Apply(f.t.Context(), st, names)
	if err != nil {
		f.t.Fatal(err)
	}
	return steps
}

// until waits for an instance to satisfy what.
func (f *fixture) until(id string, what func(i registry.Instance) bool) registry.Instance {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 20*time.Second)
	defer cancel()
	for after := uint64(0); ; {
		s, err := f.Registry.Next(ctx, after)
		if err != nil {
			f.t.Fatalf("%s did not get there: %+v", id, f.Registry.Snapshot())
		}
		if i, ok := s.Instance(id); ok && what(i) {
			return i
		}
		after = s.Revision
	}
}

func (f *fixture) state(id string, s registry.State) registry.Instance {
	f.t.Helper()
	return f.until(id, func(i registry.Instance) bool { return i.State == s })
}

func TestWhatHasFailedLeavesWithItsService(t *testing.T) {
	f := supervise(t)
	f.runner.programs["broken"] = func(context.Context, Spec, io.Writer) error { return &ExitError{Code: 1} }
	f.runner.programs["idle"] = func(ctx context.Context, _ Spec, _ io.Writer) error {
		<-ctx.Done()
		return nil
	}
	broken := service("broken", "broken")
	broken.Restart = stack.Restart{Mode: stack.RestartNo}
	st := f.up(broken, service("idle", "idle"))
	f.state("broken-1", registry.Failed)
	f.state("idle-1", registry.Ready)
	st.Services = st.Services[1:]
	f.apply(st)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for after := uint64(0); ; {
		s, err := f.Registry.Next(ctx, after)
		if err != nil {
			t.Fatalf("the failed instance is still there: %+v", f.Registry.Snapshot())
		}
		if _, ok := s.Instance("broken-1"); !ok {
			return
		}
		after = s.Revision
	}
}

func TestDependenciesOrderStartAndStop(t *testing.T) {
	f := supervise(t)
	release := make(chan struct{})
	f.runner.programs["migrate"] = func(ctx context.Context, _ Spec, _ io.Writer) error {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil
	}
	var mu sync.Mutex
	var ends []string
	f.runner.programs["noted"] = func(ctx context.Context, s Spec, _ io.Writer) error {
		<-ctx.Done()
		mu.Lock()
		defer mu.Unlock()
		ends = append(ends, s.ID)
		return nil
	}
	job := service("migrate", "migrate")
	job.Kind = stack.KindJob
	f.up(
		service("web", "noted", stack.Dependency{Service: "api", Condition: stack.Healthy}),
		service("api", "noted", stack.Dependency{Service: "migrate", Condition: stack.Completed}),
		job,
	)
	f.until("api-1", func(i registry.Instance) bool { return i.Reason == "waits for migrate-1 to complete" })
	f.until("web-1", func(i registry.Instance) bool { return i.Reason == "waits for api-1 to be healthy" })
	close(release)
	f.state("web-1", registry.Ready)
	if i := f.state("migrate-1", registry.Completed); i.Exit == nil || i.Exit.Code != 0 {
		t.Errorf("the job's exit: %+v", i)
	}
	f.stop()
	if got := strings.Join(ends, " "); got != "web-1 api-1" {
		t.Errorf("stopped in the order %q", got)
	}
}

func TestAFailedDependencyIsNamedAndCanBeStartedAgain(t *testing.T) {
	f := supervise(t)
	job := service("migrate", "crash")
	job.Kind = stack.KindJob
	f.up(job, service("api", "serve", stack.Dependency{Service: "migrate", Condition: stack.Completed}))
	f.until("api-1", func(i registry.Instance) bool {
		return i.Reason == "waits for migrate-1, which has failed (exit code 1)"
	})
	f.runner.mu.Lock()
	f.runner.programs["crash"] = succeed
	f.runner.mu.Unlock()
	if _, err := f.Restart(t.Context(), []string{"migrate"}); err != nil {
		t.Fatal(err)
	}
	f.state("api-1", registry.Ready)
}

func TestACrashLoopSaysWhy(t *testing.T) {
	f := supervise(t)
	starts := 0
	f.runner.programs["loop"] = func(ctx context.Context, _ Spec, _ io.Writer) error {
		if starts++; starts > 4 {
			<-ctx.Done()
			return nil
		}
		return &ExitError{Code: 1}
	}
	s := service("api", "loop")
	s.Restart = stack.Restart{Mode: stack.RestartAlways}
	s.Healthcheck = stack.Healthcheck{Kind: stack.ProbeTCP, Interval: time.Second, Timeout: time.Second, StartPeriod: time.Minute, Retries: 3}
	f.up(s)
	i := f.until("api-1", func(i registry.Instance) bool { return strings.Contains(i.Reason, "crash loop") })
	if i.State != registry.Backoff || !strings.Contains(i.Reason, "last exit code 1") || i.Restarts < 3 {
		t.Errorf("%+v", i)
	}
	i = f.until("api-1", func(i registry.Instance) bool { return i.State == registry.Starting && i.Restarts == 4 })
	if !strings.Contains(i.CrashLoop, "last exit code 1") {
		t.Errorf("its next start does not say that it is in a loop: %+v", i)
	}
}

func TestPolicyEnds(t *testing.T) {
	f := supervise(t)
	limited := service("limited", "crash")
	limited.Restart = stack.Restart{Mode: stack.RestartOnFailure, Max: 2}
	f.up(service("no", "crash"), service("done", "succeed"), limited, service("missing", "gcc --serve"))
	f.state("no-1", registry.Failed)
	f.state("done-1", registry.Completed)
	if i := f.state("limited-1", registry.Failed); i.Restarts != 2 {
		t.Errorf("on-failure:2 restarted %d times", i.Restarts)
	}
	if i := f.state("missing-1", registry.Failed); i.Reason != "gcc --serve is not installed" {
		t.Errorf("a missing program: %+v", i)
	}
}

func TestABuildThatFailsIsNotRetried(t *testing.T) {
	f := supervise(t)
	s := service("api", "serve")
	s.BuildCommand.Line, s.Restart.Mode = "broken", stack.RestartAlways
	f.up(s)
	if i := f.state("api-1", registry.Failed); i.Reason != "build_command: exit code 2" {
		t.Errorf("%+v", i)
	}
	if f.runner.builds != 1 {
		t.Errorf("%d builds", f.runner.builds)
	}
}

func TestStopStartRestartScale(t *testing.T) {
	f := supervise(t)
	f.up(service("api", "serve"), service("web", "serve"))
	first := f.state("api-1", registry.Ready)
	do := func(steps []Step, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, s := range steps {
			out = append(out, string(s.Action)+" "+s.Instance)
		}
		return strings.Join(out, ", ")
	}
	if got := do(f.Stop(t.Context(), []string{"api"})); got != "stop api-1" {
		t.Errorf("stop: %s", got)
	}
	f.state("api-1", registry.Stopped)
	if got := do(f.Stop(t.Context(), []string{"api"})); got != "" {
		t.Errorf("a second stop: %s", got)
	}
	do(f.Start(t.Context(), []string{"api"}))
	f.state("api-1", registry.Ready)
	do(f.Restart(t.Context(), []string{"api"}))
	f.until("api-1", func(i registry.Instance) bool { return i.State == registry.Ready && i.Started.After(first.Started) })
	if got := do(f.Scale(t.Context(), map[string]int{"api": 3})); got != "start api-2, start api-3" {
		t.Errorf("scale up: %s", got)
	}
	f.state("api-3", registry.Ready)
	if got := do(f.Scale(t.Context(), map[string]int{"api": 1})); got != "remove api-2, remove api-3" {
		t.Errorf("scale down: %s", got)
	}
	f.until("api-1", func(registry.Instance) bool { return len(f.Registry.Snapshot().Service("api")) == 1 })
	if _, err := f.Scale(t.Context(), map[string]int{"nope": 1}); err == nil {
		t.Error("an unknown service was scaled")
	}
	f.runner.mu.Lock()
	defer f.runner.mu.Unlock()
	if f.runner.most["api-1"] != 1 {
		t.Errorf("api-1 ran %d times at once", f.runner.most["api-1"])
	}
}

func TestApplyTouchesOnlyWhatChanged(t *testing.T) {
	f := supervise(t)
	st := f.up(service("api", "serve"), service("web", "serve"))
	f.state("api-1", registry.Ready)
	web := f.state("web-1", registry.Ready)
	next := *st
	next.Services = slices.Clone(st.Services)
	next.Services[0].Environment = map[string]string{"A": "1"}
	if got := lines(f.apply(&next)); got != "swap     api-1  environment changed\n" {
		t.Errorf("steps: %s", got)
	}
	f.until("api-1", func(i registry.Instance) bool { return i.State == registry.Ready && i.Started.After(web.Started) })
	if i, _ := f.Registry.Snapshot().Instance("web-1"); !i.Started.Equal(web.Started) {
		t.Error("web was restarted for nothing")
	}
	last := next
	last.Services = next.Services[:1]
	f.apply(&last)
	f.until("api-1", func(registry.Instance) bool { return len(f.Registry.Snapshot().Service("web")) == 0 })
}

func TestATakenPortIsNamedBeforeAnythingStarts(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f := supervise(t)
	s := service("api", "serve")
	s.Port = ln.Addr().(*net.TCPAddr).Port
	_, err = f.Apply(t.Context(), &stack.Stack{Dir: t.TempDir(), Services: []stack.Service{service("web", "serve"), s}}, []string{"web", "api"})
	var taken *PortsTaken
	if !errors.As(err, &taken) || !strings.Contains(err.Error(), fmt.Sprintf("start api: port %d is held by", s.Port)) || !strings.Contains(taken.Hint(), "services.api.port") {
		t.Errorf("Apply = %v", err)
	}
	if n := len(f.Registry.Snapshot().Instances); n != 0 {
		t.Errorf("%d instances were started", n)
	}
}

// Somebody takes a service's port while it is away: its probe would find that
// one, and call the service ready.
func TestAPortTakenBeforeARestart(t *testing.T) {
	f := supervise(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	var thief net.Listener
	starts := 0
	f.runner.programs["robbed"] = func(ctx context.Context, _ Spec, _ io.Writer) error {
		if starts++; starts > 1 {
			<-ctx.Done()
			return nil
		}
		if thief, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err != nil {
			t.Error(err)
		}
		return &ExitError{Code: 1}
	}
	s := service("web", "robbed")
	s.Port, s.Restart = port, stack.Restart{Mode: stack.RestartOnFailure}
	s.Healthcheck = stack.Healthcheck{Kind: stack.ProbeTCP, Interval: time.Second, Timeout: time.Second, StartPeriod: time.Minute, Retries: 3}
	f.up(s)
	row := f.until("web-1", func(i registry.Instance) bool { return i.CrashLoop != "" })
	if !strings.Contains(row.Reason, fmt.Sprintf("port %d is held by", port)) || !strings.Contains(row.Hint, "services.web.port") {
		t.Errorf("got %q, hint %q", row.Reason, row.Hint)
	}
	if row.Exit != nil {
		t.Errorf("it never ran, and ended with %+v", row.Exit)
	}
	_ = thief.Close()
	f.state("web-1", registry.Starting)
	f.stop()
	if starts != 2 {
		t.Errorf("it was started %d times", starts)
	}
}

func TestFollowLeavesAloneWhatWasStopped(t *testing.T) {
	f := supervise(t)
	st := f.up(service("web", "serve"), service("db", "serve"))
	f.state("db-1", registry.Ready)
	if _, err := f.Stop(t.Context(), []string{"db"}); err != nil {
		t.Fatal(err)
	}
	f.state("db-1", registry.Stopped)
	edited := *st
	edited.Services = append(slices.Clone(st.Services), service("new", "serve"))
	edited.Services[1].StopGracePeriod = time.Minute
	steps, err := f.Follow(t.Context(), &edited, []string{"web", "db", "new"})
	if err != nil || len(steps) != 1 || steps[0].Instance != "new-1" {
		t.Errorf("Follow: %v, %v", steps, err)
	}
	if steps := f.apply(&edited); len(steps) != 1 || steps[0].Instance != "db-1" {
		t.Errorf("Apply: %v", steps)
	}
}

func TestEnvironmentOfAnInstance(t *testing.T) {
	f := supervise(t)
	f.Environ = []string{"PORT=1", "A=shell", "PATH=/bin"}
	envs := make(chan []string, 1)
	f.runner.programs["tell"] = func(ctx context.Context, s Spec, _ io.Writer) error {
		envs <- s.Env
		<-ctx.Done()
		return nil
	}
	s := service("web", "tell", stack.Dependency{Service: "user-api"}, stack.Dependency{Service: "mail"})
	s.Environment = map[string]string{"MAIL_URL": "http://elsewhere", "B": "own"}
	st := &stack.Stack{Dir: t.TempDir(), DotEnv: map[string]string{"A": "dot", "C": "dot"}, Services: []stack.Service{service("user-api", "serve"), service("mail", "serve"), s}}
	f.apply(st)
	got := map[string]string{}
	for _, kv := range <-envs {
		k, v, _ := strings.Cut(kv, "=")
		got[k] = v
	}
	web := f.state("web-1", registry.Ready)
	for k, want := range map[string]string{
		"A": "shell", "B": "own", "C": "dot", "SERVICE_NAME": "web", "INSTANCE_ID": "web-1", "MAIL_URL": "http://elsewhere",
		"USER_API_URL": "http://127.0.0.1:411", "USER_API_HOST": "127.0.0.1", "USER_API_PORT": "411", "PYTHONUNBUFFERED": "1",
		"PORT": web.Address[strings.LastIndex(web.Address, ":")+1:], ports.StackEnv: st.Dir,
	} {
		if got[k] != want {
			t.Errorf("%s=%q, want %q", k, got[k], want)
		}
	}
}

func TestProbesDecideReadiness(t *testing.T) {
	f := supervise(t)
	var mu sync.Mutex
	status := http.StatusServiceUnavailable
	set := func(code int) { mu.Lock(); defer mu.Unlock(); status = code }
	f.runner.programs["http"] = func(ctx context.Context, s Spec, _ io.Writer) error {
		srv := &http.Server{Addr: s.addr(), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			w.WriteHeader(status)
		})}
		defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
		_ = srv.ListenAndServe()
		return nil
	}
	s := service("api", "http")
	s.Healthcheck = stack.Healthcheck{Kind: stack.ProbeHTTP, HTTP: "/readyz", Interval: 5 * time.Millisecond, Timeout: time.Second, Retries: 2}
	logged := service("logged", "says")
	logged.Healthcheck = stack.Healthcheck{Kind: stack.ProbeLog, Log: "listening on [0-9]+"}
	said := make(chan struct{})
	f.runner.programs["says"] = func(ctx context.Context, _ Spec, out io.Writer) error {
		_, _ = io.WriteString(out, "listening ")
		<-said
		_, _ = io.WriteString(out, "on 80\nmore")
		<-ctx.Done()
		return nil
	}
	f.up(s, logged)
	f.state("api-1", registry.Starting)
	set(http.StatusOK)
	f.state("api-1", registry.Ready)
	set(http.StatusInternalServerError)
	if i := f.state("api-1", registry.Unready); i.Reason != "probe failed: GET /readyz answered 500 Internal Server Error" {
		t.Errorf("%+v", i)
	}
	set(http.StatusNoContent)
	f.state("api-1", registry.Ready)

	if i, _ := f.Registry.Snapshot().Instance("logged-1"); i.State != registry.Starting {
		t.Errorf("ready before its line: %+v", i)
	}
	close(said)
	f.state("logged-1", registry.Ready)
}

func TestAnEndpointElsewhereIsProbed(t *testing.T) {
	f := supervise(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := service("mail", "")
	s.Endpoints = []string{ln.Addr().String()}
	s.Healthcheck = stack.Healthcheck{Kind: stack.ProbeTCP, Interval: 5 * time.Millisecond, Retries: 1}
	f.up(s)
	if i := f.state("mail-1", registry.Ready); !i.External || i.Address != ln.Addr().String() {
		t.Errorf("%+v", i)
	}
	_ = ln.Close()
	f.state("mail-1", registry.Unready)
}

func TestCommandsAfterTheEnd(t *testing.T) {
	f := supervise(t)
	f.up(service("api", "serve"))
	f.stop()
	if _, err := f.Stop(t.Context(), []string{"api"}); !errors.Is(err, errEnded) {
		t.Errorf("Stop = %v", err)
	}
}
