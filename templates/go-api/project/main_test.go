package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
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
		variables = append(variables, "DATABASE_URL="+os.Getenv("TEST_DATABASE_URL"))
	}
	// msctl:end
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), append([]string{"TEST_AS_SERVICE=1", "PORT=0"}, variables...)...)
	return c
}

func TestAWrongVariableEndsTheStart(t *testing.T) {
	for _, variable := range []string{"PORT=x", "LOG_LEVEL=loud", "SHUTDOWN_GRACE=-1", "SHUTDOWN_DELAY=x"} {
		name, _, _ := strings.Cut(variable, "=")
		output, err := command(t, variable).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.HasPrefix(string(output), name+" has to be") {
			t.Errorf("%s: %v: %s", variable, err, output)
		}
	}
}

func TestSIGTERMEndsTheService(t *testing.T) {
	// msctl:if store=postgres
	if os.Getenv("TEST_DATABASE_URL") == "" {
		t.Skip("TEST_DATABASE_URL is not set")
	}
	// msctl:end
	c := command(t)
	output, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var line struct{ Msg, Address, Level, Time string }
	logs := bufio.NewReader(output)
	first, err := logs.ReadBytes('\n')
	if err != nil || json.Unmarshal(first, &line) != nil || line.Msg != "listening" || line.Level != "info" {
		t.Fatalf("the first line is %s: %v", first, err)
	}
	response, err := http.Get(fmt.Sprintf("http://%s/readyz", line.Address))
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("readyz: %v %v", response, err)
	}
	response.Body.Close()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, logs)
	if err := c.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
