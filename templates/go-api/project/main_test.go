package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain makes the test's binary the service, for tests that end it by a signal.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_AS_SERVICE") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func command(t *testing.T, variables ...string) *exec.Cmd {
	t.Helper()
	// msctl:if store=postgres
	if os.Getenv("TEST_DATABASE_URL") != "" {
		variables = append([]string{"DATABASE_URL=" + os.Getenv("TEST_DATABASE_URL")}, variables...)
	}
	// msctl:end
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), append([]string{"TEST_AS_SERVICE=1", "PORT=0"}, variables...)...)
	return c
}

// running is the service as a process, and what it logs.
type running struct {
	*exec.Cmd
	address string
	logs    *bufio.Reader
}

type line struct {
	Msg, Level, Path, Address string
	Status                    int
	TraceID                   string `json:"trace_id"`
	RequestID                 string `json:"request_id"`
}

func start(t *testing.T, variables ...string) *running {
	t.Helper()
	// msctl:if store=postgres
	if os.Getenv("TEST_DATABASE_URL") == "" {
		t.Skip("TEST_DATABASE_URL is not set")
	}
	// msctl:end
	r := &running{Cmd: command(t, variables...)}
	output, err := r.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Process.Kill() })
	r.logs = bufio.NewReader(output)
	r.address = r.logged(t, "listening").Address
	return r
}

// logged is the next line with this message.
func (r *running) logged(t *testing.T, msg string) line {
	t.Helper()
	for {
		text, err := r.logs.ReadBytes('\n')
		if err != nil {
			t.Fatalf("no line is %q: %v", msg, err)
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if l.Msg == msg {
			return l
		}
	}
}

func (r *running) get(t *testing.T, path string, header ...string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

func (r *running) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (r *running) terminate(t *testing.T) {
	t.Helper()
	if err := r.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

func (r *running) code() int {
	_, _ = io.Copy(io.Discard, r.logs)
	_ = r.Wait()
	return r.ProcessState.ExitCode()
}

func TestAWrongVariableEndsTheStart(t *testing.T) {
	for _, variable := range []string{
		"PORT=x", "LOG_LEVEL=loud", "SHUTDOWN_GRACE=-1", "SHUTDOWN_DELAY=x",
		// msctl:if store!=none
		"DATABASE_URL=mysql://me:secret@x",
		// msctl:end
	} {
		name, value, _ := strings.Cut(variable, "=")
		output, err := command(t, variable).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.HasPrefix(string(output), name+" has to be") {
			t.Errorf("%s: %v: %s", variable, err, output)
		}
		if name == "DATABASE_URL" && strings.Contains(string(output), value) {
			t.Errorf("%s: the password is shown: %s", variable, output)
		}
	}
}

func TestARequestIsALineWithItsTrace(t *testing.T) {
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	r := start(t)
	if status := r.get(t, "/nothing", "traceparent", "00-"+trace+"-00f067aa0ba902b7-01", "X-Request-Id", "t-1"); status != 404 {
		t.Errorf("status %d", status)
	}
	want := line{Msg: "request", Level: "info", Path: "/nothing", Status: 404, TraceID: trace, RequestID: "t-1"}
	if got := r.logged(t, "request"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSIGTERMEndsTheService(t *testing.T) {
	r := start(t)
	if status := r.get(t, "/readyz"); status != http.StatusOK {
		t.Errorf("readyz: %d", status)
	}
	r.dial(t) // on which no request ever comes
	r.terminate(t)
	began := time.Now()
	if code := r.code(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestNotReadyWhileItDrains(t *testing.T) {
	r := start(t, "SHUTDOWN_DELAY=60")
	r.terminate(t)
	status := http.StatusOK
	for status == http.StatusOK {
		status = r.get(t, "/readyz")
	}
	if alive := r.get(t, "/healthz"); status != http.StatusServiceUnavailable || alive != http.StatusOK {
		t.Errorf("readyz %d, healthz %d", status, alive)
	}
}
