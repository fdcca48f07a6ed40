//go:build unix

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/msctl/msctl/runtime"
	"github.com/msctl/msctl/stack"
)

// superviseCommand makes the test binary a supervisor that can be killed.
const superviseCommand = "__supervise"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case GuardCommand:
			if err := Guardian(os.Stdin, os.Args[2]); err != nil {
				os.Exit(1)
			}
			os.Exit(0)
		case takeCommand:
			fmt.Println(take(os.Args[2]))
			os.Exit(1)
		case superviseCommand:
			superviseForever(os.Args[2], os.Args[3])
		}
	}
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // or each guardian under -race takes a second to end
	goleak.VerifyTestMain(m)
}

// buffer collects output, and lets a test wait for it.
type buffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{}
}

func newBuffer() *buffer { return &buffer{more: make(chan struct{}, 1)} }

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.more <- struct{}{}:
	default:
	}
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// until waits for output that contains what, and returns all of it.
func (b *buffer) until(t *testing.T, what string) string {
	t.Helper()
	for limit := time.After(20 * time.Second); ; {
		if s := b.String(); strings.Contains(s, what) {
			return s
		}
		select {
		case <-b.more:
		case <-limit:
			t.Fatalf("no %q in the output %q", what, b.String())
		}
	}
}

func open(t *testing.T) *Runner {
	t.Helper()
	r, _, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Guard(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Guard: %v", err)
		}
		if left := markedProcesses(r.mark, ""); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return r
}

func spec(t *testing.T, command string) runtime.Spec {
	t.Helper()
	return runtime.Spec{
		ID: "svc-1", Service: "svc", Dir: t.TempDir(),
		Command: stack.Command{Line: command},
		Env:     append(os.Environ(), "INSTANCE_ID=svc-1"),
		Grace:   10 * time.Second, StopSignal: "SIGTERM",
	}
}

// running runs a spec until stop is called, which returns Run's error.
func running(t *testing.T, r *Runner, s runtime.Spec, out *buffer) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, s, out) }()
	return func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(30 * time.Second):
			t.Fatal("Run did not return")
			return nil
		}
	}
}

func alive(pid int) bool { return startTime(pid) != "" }

// pids reads the numbers that follow "pid " in the output.
func pids(out string) []int {
	var list []int
	for line := range strings.Lines(out) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "pid "); ok {
			if pid, err := strconv.Atoi(n); err == nil {
				list = append(list, pid)
			}
		}
	}
	return list
}

func TestEndings(t *testing.T) {
	r := open(t)
	for command, want := range map[string]string{
		"true":                    "",
		"sh -c 'exit 3'":          "exit code 3",
		"sh -c 'kill -KILL $$$$'": "killed by SIGKILL",
		"no-such-program-here":    "no-such-program-here is not installed (not found in PATH)",
		"./missing":               "./missing: no such program in ",
		"echo 'unclosed":          "command \"echo 'unclosed\"",
	} {
		err := r.Run(t.Context(), spec(t, command), newBuffer())
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && !strings.HasPrefix(got, want) {
			t.Errorf("%s: %v, want %s", command, err, want)
		}
	}
	var h interface{ Hint() string }
	if err := r.Run(t.Context(), spec(t, "deno run x"), newBuffer()); !errors.As(err, &h) || !strings.Contains(h.Hint(), "install Deno") {
		t.Errorf("a missing toolchain: %v", err)
	}
}

func TestOutputIsWholeAndInOrder(t *testing.T) {
	r, out := open(t), newBuffer()
	if err := r.Run(t.Context(), spec(t, `i=0; while [ $i -lt 2000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done; printf end`), out); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&want, "out %d\nerr %d\n", i, i)
	}
	if got := out.String(); got != want.String()+"end" {
		t.Errorf("got %d bytes, want %d: reordered or lost", len(got), want.Len()+3)
	}
}

// The ways to be hard to stop. Each command prints "pid N" for every process
// that has to be gone in the end, then "up".
var hardToStop = map[string]string{
	"plain":               `echo pid $$$$; echo up; exec sleep 600`,
	"ignores SIGTERM":     `trap "" TERM; echo pid $$$$; echo up; while :; do sleep 600; done`,
	"grandchild":          `sleep 600 & echo pid $!; echo pid $$$$; echo up; wait`,
	"setsid grandchild":   `setsid sh -c 'echo pid $$$$; exec sleep 600' & echo pid $$$$; while ! ps -o sid= -p $! >/dev/null; do :; done; sleep 0.1; echo up; wait`,
	"deaf setsid":         `setsid sh -c 'trap "" TERM; echo pid $$$$; echo up; while :; do sleep 600; done' & wait`,
	"leader waits for it": `trap "" TERM; setsid sh -c 'echo pid $$$$; echo up; exec sleep 600'; sleep 600 & wait`,
	"deaf, without env":   `echo pid $$$$; env -i setsid sh -c 'trap "" TERM; echo pid $$$$; echo up; while :; do sleep 600; done' & wait`,
	"no environment":      `(env -i setsid sh -c 'echo pid $$$$; echo up; exec sleep 600' &) ; echo pid $$$$; exec sleep 600`,
}

func TestStopLeavesNothing(t *testing.T) {
	for name, command := range hardToStop {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			r, _, err := Open(state)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- r.Guard(ctx) }()
			out, s := newBuffer(), spec(t, command)
			s.Grace = 500 * time.Millisecond
			stop := running(t, r, s, out)
			list := pids(out.until(t, "up\n"))
			_ = stop()
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Guard: %v", err)
			}
			if len(list) == 0 {
				t.Fatal("no pid seen")
			}
			for _, pid := range list {
				if alive(pid) {
					t.Errorf("process %d lives on", pid)
					_ = unix.Kill(pid, unix.SIGKILL)
				}
			}
			if files, _ := filepath.Glob(filepath.Join(state, "run", "*")); len(files) > 0 {
				t.Errorf("left in the state folder: %v", files)
			}
		})
	}
}

func TestAGracefulStopGetsItsTime(t *testing.T) {
	r, out := open(t), newBuffer()
	stop := running(t, r, spec(t, `trap 'sleep 0.3; echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done`), out)
	out.until(t, "up\n")
	if err := stop(); err != nil {
		t.Errorf("exit code 0 of a graceful stop became %v", err)
	}
	if !strings.Contains(out.String(), "bye") {
		t.Error("it was killed before it had said bye")
	}
}

func TestASetsidChildIsAskedBeforeItIsKilled(t *testing.T) {
	r, out := open(t), newBuffer()
	stop := running(t, r, spec(t, `setsid sh -c 'trap "echo asked; exit 0" TERM; echo up; while :; do sleep 0.05; done' & wait`), out)
	out.until(t, "up\n")
	_ = stop()
	if !strings.Contains(out.String(), "asked") {
		t.Error("no stop signal reached the child that left the group")
	}
}

func TestTheStopSignalIsTheOneConfigured(t *testing.T) {
	r, out := open(t), newBuffer()
	s := spec(t, `trap 'echo quit; exit 0' QUIT; echo up; while :; do sleep 0.05; done`)
	s.StopSignal = "SIGQUIT"
	stop := running(t, r, s, out)
	out.until(t, "up\n")
	if err := stop(); err != nil || !strings.Contains(out.String(), "quit") {
		t.Errorf("stop: %v, output %q", err, out.String())
	}
}

func TestKillEndsTheWait(t *testing.T) {
	r, out := open(t), newBuffer()
	kill := make(chan struct{})
	s := spec(t, `trap "" TERM; echo up; while :; do sleep 600; done`)
	s.Grace, s.Kill = time.Hour, kill
	stop := running(t, r, s, out)
	out.until(t, "up\n")
	close(kill)
	var e *runtime.ExitError
	if err := stop(); !errors.As(err, &e) || e.Signal != "SIGKILL" {
		t.Errorf("stop: %v, want SIGKILL", err)
	}
}

func TestAServiceThatForksAndExitsLeavesNothing(t *testing.T) {
	r, out := open(t), newBuffer()
	s := spec(t, `sleep 600 & echo pid $!; exit 0`)
	s.Grace = 200 * time.Millisecond
	var exited time.Time
	s.OnExit = func(error) { exited = time.Now() }
	if err := r.Run(t.Context(), s, out); err != nil {
		t.Errorf("Run: %v", err)
	}
	if exited.IsZero() {
		t.Error("OnExit was not called")
	}
	for _, pid := range pids(out.String()) {
		if alive(pid) {
			t.Errorf("the forked process %d lives on", pid)
		}
	}
}

func TestOrphansAreReapedWhileTheirServiceRuns(t *testing.T) {
	r, out := open(t), newBuffer()
	stop := running(t, r, spec(t, `(sh -c 'echo pid $$$$' &) ; echo up; sleep 600`), out)
	defer func() { _ = stop() }()
	out.until(t, "up\n")
	list := pids(out.until(t, "pid "))
	for limit := time.Now().Add(10 * time.Second); ; {
		if _, err := os.Stat("/proc/" + strconv.Itoa(list[0])); os.IsNotExist(err) {
			return
		}
		if time.Now().After(limit) {
			t.Fatal("a zombie stays")
		}
		<-time.After(5 * time.Millisecond)
	}
}

func superviseForever(state, command string) {
	r, _, err := Open(state)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() { _ = r.Guard(context.Background()) }()
	_ = r.Run(context.Background(), runtime.Spec{
		ID: "svc-1", Service: "svc", Dir: state, Command: stack.Command{Line: command}, Env: append(os.Environ(), "INSTANCE_ID=svc-1"),
		Grace: 10 * time.Second, StopSignal: "SIGTERM",
	}, os.Stdout)
	os.Exit(1)
}

// supervised starts a supervisor process of its own and returns it with the
// pids of what it runs.
func supervised(t *testing.T, state, command string) (*exec.Cmd, []int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out := newBuffer()
	cmd := exec.Command(exe, superviseCommand, state, command)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, pids(out.until(t, "up\n"))
}

func TestKilledSupervisorLeavesNothing(t *testing.T) {
	for name, command := range hardToStop {
		if name == "no environment" {
			continue // it left group, session, parents and mark behind: nothing links it to a dead supervisor
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, list := supervised(t, t.TempDir(), command)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			awaitEnd(t, list)
		})
	}
}

func awaitEnd(t *testing.T, list []int) {
	t.Helper()
	limit := time.Now().Add(15 * time.Second)
	for _, pid := range list {
		for alive(pid) {
			if time.Now().After(limit) {
				_ = unix.Kill(pid, unix.SIGKILL)
				t.Fatalf("process %d lives on", pid)
			}
			<-time.After(5 * time.Millisecond)
		}
	}
}

func TestTheNextRunEndsWhatTheGuardianCouldNot(t *testing.T) {
	state := t.TempDir()
	cmd, list := supervised(t, state, hardToStop["ignores SIGTERM"])
	// The guardian dies first, so nobody is left to clean up.
	ledgers, err := filepath.Glob(filepath.Join(state, "run", "*"+ledgerExt))
	if err != nil || len(ledgers) != 1 {
		t.Fatalf("ledgers %v, %v", ledgers, err)
	}
	_ = cmd.Process.Signal(syscall.SIGSTOP) // or it would start another guardian
	for _, pid := range below(cmd.Process.Pid) {
		if args, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline"); bytes.Contains(args, []byte(GuardCommand)) {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !alive(list[0]) {
		t.Fatal("the service died by itself")
	}
	r, swept, err := Open(state)
	if err != nil || swept == 0 {
		t.Fatalf("Open: swept %d, %v", swept, err)
	}
	awaitEnd(t, list)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Guard(ctx); err != nil {
		t.Error(err)
	}
}

func TestSweepSparesAReusedPID(t *testing.T) {
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	state := t.TempDir()
	if err := os.MkdirAll(runDir(state), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(runDir(state), "feed"+ledgerExt)
	if err := os.WriteFile(path, []byte(fmt.Sprintf("+%d 12345\nnonsense\n+%d\n-\n+1 1\n+", cmd.Process.Pid, cmd.Process.Pid)), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := SweepStale(t.Context(), state); err != nil || n != 0 {
		t.Errorf("SweepStale = %d, %v", n, err)
	}
	if !alive(cmd.Process.Pid) {
		t.Error("a process that only had the pid was killed")
	}
}

// What is below a process that only its mark tells of, and has neither that mark
// nor its session, is found while that one lives.
func TestSweepFindsWhatIsBelowAMark(t *testing.T) {
	state, out := t.TempDir(), newBuffer()
	if err := os.MkdirAll(runDir(state), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(runDir(state), "feed"+ledgerExt), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `echo pid $$; env -i setsid sh -c 'trap "" TERM; echo pid $$; echo up; while :; do sleep 600; done' & wait`)
	cmd.Env = append(os.Environ(), markEnv+"=feed")
	cmd.Stdout, cmd.WaitDelay = out, time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }()
	list := pids(out.until(t, "up\n"))
	if n, err := SweepStale(t.Context(), state); err != nil || n < len(list) {
		t.Errorf("SweepStale = %d, %v", n, err)
	}
	awaitEnd(t, list)
	<-waited
}

func TestTheGuardianIsReplaced(t *testing.T) {
	open(t)
	guardians := childrenWith(GuardCommand)
	if len(guardians) != 1 {
		t.Fatalf("guardians: %v", guardians)
	}
	first := guardians[0]
	if err := unix.Kill(first, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(10 * time.Second); ; {
		if found := childrenWith(GuardCommand); len(found) == 1 && found[0] != first {
			return
		}
		if time.Now().After(limit) {
			t.Fatal("no new guardian")
		}
		<-time.After(5 * time.Millisecond)
	}
}

func childrenWith(word string) []int {
	var out []int
	for _, pid := range below(os.Getpid()) {
		if args, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline"); bytes.Contains(args, []byte(word)) && startTime(pid) != "" {
			out = append(out, pid)
		}
	}
	return out
}

func TestBuild(t *testing.T) {
	r, out := open(t), newBuffer()
	s := spec(t, "$BIN")
	s.Setup = stack.Command{Line: "echo set up >> log"}
	s.BuildCommand = stack.Command{Line: `printf '#!/bin/sh\necho built\n' > $BIN && chmod +x $BIN`}
	count := func() int {
		data, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
		return strings.Count(string(data), "set up")
	}
	for range 2 {
		if err := r.Build(t.Context(), s, out); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(); n != 1 {
		t.Errorf("setup ran %d times on the same inputs", n)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "requirements.txt"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.Build(t.Context(), s, out); err != nil || count() != 2 {
		t.Errorf("after its input changed, setup ran %d times in all, %v", count(), err)
	}
	if err := r.Run(t.Context(), s, out); err != nil || !strings.Contains(out.String(), "built") {
		t.Errorf("run of what was built: %v, %q", err, out.String())
	}
	s.BuildCommand = stack.Command{Line: "echo broken; exit 2"}
	var b *runtime.BuildError
	if err := r.Build(t.Context(), s, out); !errors.As(err, &b) || err.Error() != "build_command: exit code 2" {
		t.Errorf("a build that fails: %v", err)
	}
}

func TestLimits(t *testing.T) {
	r, out := open(t), newBuffer()
	s := spec(t, "sh -c 'ulimit -n; ulimit -d'")
	s.Limits = stack.Limits{NoFile: 77, Memory: 64 << 20}
	if err := r.Run(t.Context(), s, out); err != nil || out.String() != "77\n65536\n" {
		t.Errorf("limits: %v, %q", err, out.String())
	}
}

func TestArgv(t *testing.T) {
	env := []string{"PORT=8080", "BIN=/x/my bin", "WORDS=a b"}
	for line, want := range map[string][]string{
		`python3 -m http.server $PORT`:  {"python3", "-m", "http.server", "8080"},
		`server --port=${PORT}`:         {"server", "--port=8080"},
		`server ${MISSING:-none}`:       {"server", "none"},
		`"$BIN" serve`:                  {"/x/my bin", "serve"},
		`echo $WORDS "$WORDS" '$WORDS'`: {"echo", "a", "b", "a b", "$WORDS"},
		`echo it\'s`:                    {"echo", "it's"},
		`a && b`:                        {"sh", "-c", "a && b"},
		`a | b`:                         {"sh", "-c", "a | b"},
		`a &`:                           {"sh", "-c", "a &"},
		`a > log`:                       {"sh", "-c", "exec a > log"},
		`ls *.go`:                       {"sh", "-c", "exec ls *.go"},
		`ls ~/x`:                        {"sh", "-c", "exec ls ~/x"},
		`echo $(date)`:                  {"sh", "-c", "exec echo $(date)"},
		`FOO=1 server $PORT`:            {"sh", "-c", "exec env FOO=1 server $PORT"},
		`cd x`:                          {"sh", "-c", "cd x"},
		`exec server`:                   {"sh", "-c", "exec server"},
		`if true; then a; fi`:           {"sh", "-c", "if true; then a; fi"},
		`echo $$HOME`:                   {"echo"},
		`server # a comment`:            {"server"},
	} {
		got, err := argv(stack.Command{Line: line}, env)
		if err != nil || strings.Join(got, "\x00") != strings.Join(want, "\x00") {
			t.Errorf("%s: %q, %v; want %q", line, got, err, want)
		}
	}
	got, err := argv(stack.Command{Args: []string{"echo", "$PORT", "$$PORT", "$WORDS", "*"}}, env)
	if want := "echo 8080 $PORT a b *"; err != nil || strings.Join(got, " ") != want || len(got) != 5 {
		t.Errorf("list form: %q, %v", got, err)
	}
	for _, line := range []string{`echo "`, `$MISSING`, `a ${`, `server ${MISSING:?needed}`} {
		if got, err := argv(stack.Command{Line: line}, env); err == nil {
			t.Errorf("%s: no error, got %q", line, got)
		}
	}
}

func FuzzArgv(f *testing.F) {
	for _, s := range []string{"a b", `"$X" '${Y:-z}'`, "a && b", "$(", "a\x00b", "${X:?m}", "$$", "((", "a>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got, err := argv(stack.Command{Line: line}, []string{"X=1"})
		if err == nil && len(got) == 0 {
			t.Errorf("%q: neither a command nor an error", line)
		}
	})
}
