//go:build unix

package process

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/msctl/msctl/runtime"
	"github.com/msctl/msctl/stack"
)

// takeCommand makes the test binary a server on the socket that it is given.
const takeCommand = "__take"

// take serves as sd_listen_fds(3) describes it, and answers with its argument.
func take(answer string) error {
	if os.Getenv("LISTEN_PID") != fmt.Sprint(os.Getpid()) || os.Getenv("LISTEN_FDS") != "1" {
		return fmt.Errorf("no socket for %d: LISTEN_PID=%s LISTEN_FDS=%s", os.Getpid(), os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"))
	}
	l, err := net.FileListener(os.NewFile(3, os.Getenv("LISTEN_FDNAMES")))
	if err != nil {
		return err
	}
	fmt.Println("up")
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { //nolint:gosec // a test's
		fmt.Fprint(w, answer, " ", os.Getenv("LISTEN_FDNAMES"), " ", os.Getenv("PORT"))
	}))
}

const pythonServer = `
import http.server, os, socket
assert os.environ["LISTEN_PID"] == str(os.getpid()), os.environ
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "6"); self.end_headers(); self.wfile.write(b"python")
    def log_message(self, *a): pass
s = http.server.HTTPServer(("", 0), H, bind_and_activate=False)
s.socket = socket.socket(fileno=3)
print("up", flush=True)
s.serve_forever()
`

const nodeServer = `
if (process.env.LISTEN_PID !== String(process.pid)) throw new Error(process.env.LISTEN_PID);
require("http").createServer((q, r) => r.end("node")).listen({fd: 3}, () => console.log("up"));
`

// listening is a socket, and the address that it listens on.
func listening(t *testing.T) (*os.File, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, l.Addr().String()
}

func get(t *testing.T, addr string) string {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// tool skips a test without a program, where .ci/run does not demand all.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("MSCTL_TEST_REQUIRE") == "all" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}

func TestAServerTakesTheSocket(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		command []string
		limits  stack.Limits
		answer  string
	}{
		"Go":           {command: []string{exe, takeCommand, "hello world's $$x"}, answer: "hello world's $x http 7777"},
		"with limits":  {command: []string{exe, takeCommand, "go"}, limits: stack.Limits{NoFile: 500}, answer: "go http 7777"},
		"through exec": {command: []string{"sh", "-c", `true && exec "$$0" "$$@"`, exe, takeCommand, "sh"}, answer: "sh http 7777"},
		"Python":       {command: []string{"python3", "-c", pythonServer}, answer: "python"},
		"Node":         {command: []string{"node", "-e", nodeServer}, answer: "node"},
	} {
		t.Run(name, func(t *testing.T) {
			tool(t, c.command[0])
			r, out, s := open(t), newBuffer(), spec(t, "")
			var addr string
			s.Socket, addr = listening(t)
			s.Command, s.Limits = stack.Command{Args: c.command}, c.limits
			s.Env = append(s.Env, "LISTEN_FDS=9", "LISTEN_PID=1", "PORT=1", "PORT=7777")
			stop := running(t, r, s, out)
			out.until(t, "up\n")
			if got := get(t, addr); got != c.answer {
				t.Errorf("got %q, want %q", got, c.answer)
			}
			_ = stop()
		})
	}
}

// The socket outlives each of its servers: who connects between two is served
// by the next.
func TestASocketIsHandedOver(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, s := open(t), spec(t, "")
	var addr string
	s.Socket, addr = listening(t)
	serve := func(name string) (stop func() error) {
		out, s := newBuffer(), s
		s.Command = stack.Command{Args: []string{exe, takeCommand, name}}
		stop = running(t, r, s, out)
		out.until(t, "up\n")
		return stop
	}
	first := serve("first")
	if got := get(t, addr); !strings.HasPrefix(got, "first ") {
		t.Errorf("got %q", got)
	}
	second := serve("second") // beside the first
	_ = first()
	if got := get(t, addr); !strings.HasPrefix(got, "second ") {
		t.Errorf("got %q", got)
	}
	_ = second()
	answer := make(chan string, 1)
	waits, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer waits.Close()
	go func() {
		_, _ = io.WriteString(waits, "GET / HTTP/1.0\r\n\r\n")
		got, _ := io.ReadAll(waits)
		answer <- string(got)
	}()
	third := serve("third")
	if got := <-answer; !strings.Contains(got, "third ") {
		t.Errorf("got %q", got)
	}
	_ = third()
}

// Nothing but the instance gets the socket: neither what is run beside it, nor
// a build, nor another's process.
func TestOthersDoNotGetTheSocket(t *testing.T) {
	r, s := open(t), spec(t, "")
	s.Socket, _ = listening(t)
	s.Env = append(s.Env, "LISTEN_FDS=1", "LISTEN_PID=1", "LISTEN_FDNAMES=x")
	look := stack.Command{Line: `env | grep LISTEN_ ; readlink /proc/self/fd/3; ls -l /proc/$$$$/fd | grep socket; true`}
	out := newBuffer()
	if err := r.Exec(t.Context(), s, look, out); err != nil {
		t.Error(err)
	}
	b := s
	b.BuildCommand = look
	if err := r.Build(t.Context(), b, out); err != nil {
		t.Error(err)
	}
	other := s
	other.Socket, other.Command = nil, look
	if err := r.Run(t.Context(), other, out); err != nil {
		t.Error(err)
	}
	if got := out.String(); got != "" {
		t.Errorf("got %q", got)
	}
}

// Not SIGHUP: under nohup, shells ignore it whatever they are told.
func TestSignal(t *testing.T) {
	r, out, s := open(t), newBuffer(), spec(t, `trap "echo again" USR1; trap "exit 0" TERM; echo up; while :; do sleep 0.01; done`)
	pid := make(chan int, 1)
	s.OnStart = func(p int) { pid <- p }
	stop := running(t, r, s, out)
	out.until(t, "up\n")
	p := <-pid
	if err := r.Signal(p, "SIGUSR1"); err != nil {
		t.Error(err)
	}
	out.until(t, "again\n")
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := r.Signal(p, "SIGUSR1"); err == nil {
		t.Error("a signal reached what has ended")
	}
	if err := r.Signal(os.Getppid(), "SIGUSR1"); err == nil {
		t.Error("a signal reached a process that is not ours")
	}
}

// Of two entries of one variable the last counts, for every program.
func TestTheLastOfTwoVariablesCounts(t *testing.T) {
	tool(t, "python3")
	r := open(t)
	for _, c := range []stack.Command{
		{Line: "env"},
		{Line: "sh -c 'echo TWICE=$TWICE'"},
		{Args: []string{"python3", "-c", "import os; print('TWICE=' + os.environ['TWICE'])"}},
	} {
		out, s := newBuffer(), spec(t, "")
		s.Command, s.Env = c, append(s.Env, "TWICE=first", "OTHER=x", "TWICE=last")
		if err := r.Run(t.Context(), s, out); err != nil || strings.Count(out.String(), "TWICE=") != 1 || !strings.Contains(out.String(), "TWICE=last\n") {
			t.Errorf("%v: %v, %q", c, err, out.String())
		}
	}
}

func TestProgramsOfEarlierBuildsGo(t *testing.T) {
	r := open(t)
	bin := filepath.Join(r.state, "bin")
	build := func(name string) runtime.Spec {
		t.Helper()
		s := spec(t, "$BIN")
		s.Bin = name
		s.BuildCommand = stack.Command{Line: `printf '#!/bin/sh\necho up\nexec sleep 600\n' > $BIN && chmod +x $BIN`}
		if err := r.Build(t.Context(), s, newBuffer()); err != nil {
			t.Fatal(err)
		}
		return s
	}
	there := func(want ...string) {
		t.Helper()
		var got []string
		entries, err := os.ReadDir(bin)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	age := func(name string, by time.Duration) {
		t.Helper()
		if err := os.Chtimes(filepath.Join(bin, name), time.Time{}, time.Now().Add(-by)); err != nil {
			t.Fatal(err)
		}
	}
	start := func(s runtime.Spec) (stop func() error) {
		out := newBuffer()
		stop = running(t, r, s, out)
		out.until(t, "up\n")
		return stop
	}

	build("")
	for _, others := range []string{"svc2.1", "svc.old", "svc-2.3", "svcx"} {
		if err := os.WriteFile(filepath.Join(bin, others), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	there("svc", "svc-2.3", "svc.old", "svc2.1", "svcx")
	for _, others := range []string{"svc2.1", "svc.old", "svc-2.3", "svcx"} {
		if err := os.Remove(filepath.Join(bin, others)); err != nil {
			t.Fatal(err)
		}
	}
	age("svc", 9*time.Hour)
	build("svc.1")
	age("svc.1", 8*time.Hour)
	there("svc", "svc.1")
	two := build("svc.2")
	there("svc.1", "svc.2")

	// What runs stays, whichever name its instance shares with a newer one.
	stop := start(two)
	age("svc.2", 7*time.Hour)
	three := build("svc.3")
	age("svc.3", 6*time.Hour)
	stopThree := start(three)
	build("svc.4")
	age("svc.4", 5*time.Hour)
	build("svc.5")
	there("svc.2", "svc.3", "svc.4", "svc.5")
	_ = stop()
	age("svc.5", 4*time.Hour)
	build("svc.6")
	there("svc.3", "svc.5", "svc.6")
	_ = stopThree()
	age("svc.6", 3*time.Hour)
	build("svc.1") // of another run, which counts from 1 again
	there("svc.1", "svc.6")
}

// One that ended by itself may start again with what it had.
func TestTheProgramOfACrashedInstanceStays(t *testing.T) {
	r := open(t)
	s := spec(t, "sh -c 'exit 1'")
	s.Bin = "svc.1"
	if err := r.Run(t.Context(), s, newBuffer()); err == nil {
		t.Error("it did not crash")
	}
	if !r.bins.used(filepath.Join(r.state, "bin", "svc.1")) {
		t.Error("its program is not kept")
	}
	s.Bin, s.Command = "svc.2", stack.Command{Line: "true"}
	if err := r.Run(t.Context(), s, newBuffer()); err != nil {
		t.Error(err)
	}
	if r.bins.used(filepath.Join(r.state, "bin", "svc.1")) {
		t.Error("its program is kept though it runs another")
	}
}

// A compiler's places come as it writes them: relative to the service's folder.
func TestACompilersErrorsAreInTheOutput(t *testing.T) {
	tool(t, "go")
	r, out, s := open(t), newBuffer(), spec(t, "$BIN")
	for name, text := range map[string]string{"go.mod": "module broken\n", "main.go": "package main\n\nfunc main() { missing() }\n"} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.BuildCommand = stack.Command{Line: "go build -o $BIN ."}
	if err := r.Build(t.Context(), s, out); err == nil || !strings.Contains(out.String(), "./main.go:3:15: undefined: missing") {
		t.Errorf("%v: %q", err, out.String())
	}
}
