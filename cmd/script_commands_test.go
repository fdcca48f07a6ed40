//go:build unix

package cmd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// signalled is the key of the background command that signal was sent to last.
type signalled struct{}

// until polls done, and reports whether it came true within patience.
func until(done func() bool) bool {
	const interval = 20 * time.Millisecond
	tick := time.NewTicker(interval)
	defer tick.Stop()
	limit := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			return false
		}
	}
	return true
}

// exits CODE PROGRAM [ARG...] runs a program that has to end with that code.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
	}
	checkCode(ts, execute(ts, args[1:]), args[0])
}

// execute runs a program and returns its exit code; stdout and stderr are then its.
func execute(ts *testscript.TestScript, args []string) int {
	err := ts.Exec(args[0], args[1:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		ts.Fatalf("%s: %v", args[0], err)
	}
	return 0
}

func checkCode(ts *testscript.TestScript, got int, want string) {
	if strconv.Itoa(got) != want {
		ts.Fatalf("exit code %d, want %s", got, want)
	}
}

// signal NAME [PID] sends a signal to a process, by default to the background
// command started last: signal INT.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: signal NAME [PID]")
	}
	sig := unix.SignalNum("SIG" + args[0])
	if sig == 0 {
		ts.Fatalf("unknown signal %q", args[0])
	}
	if len(args) == 2 {
		pid, err := strconv.Atoi(args[1])
		ts.Check(err)
		ts.Check(unix.Kill(pid, sig))
		return
	}
	running := ts.BackgroundCmds()
	if len(running) == 0 {
		ts.Fatalf("nothing runs in the background")
	}
	last := running[len(running)-1]
	*ts.Value(signalled{}).(**exec.Cmd) = last
	ts.Check(last.Process.Signal(sig))
}

// code N checks, after wait, the exit code of the background command that was
// signalled last, as a shell reports it: 130 also for the end by SIGINT.
func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	last := *ts.Value(signalled{}).(**exec.Cmd)
	if neg || len(args) != 1 || last == nil {
		ts.Fatalf("usage: signal ..., wait, then code N")
	}
	got := last.ProcessState.ExitCode()
	if status, ok := last.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		got = 128 + int(status.Signal())
	}
	checkCode(ts, got, args[0])
}

// waitfor PATTERN PROGRAM [ARG...] runs a program over and over until its
// stdout matches; ! waitfor, until it does not. Exit codes do not matter.
func cmdWaitFor(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: waitfor PATTERN PROGRAM [ARG...]")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	matches := func() bool {
		execute(ts, args[1:])
		return pattern.MatchString(ts.ReadFile("stdout")) != neg
	}
	if !until(matches) {
		ts.Fatalf("still waiting after %s", patience)
	}
}

// get STATUS URL [HEADER:VALUE...] makes a request that has to be answered with
// that status; stdout is then the answer's body. STATUS refused: nobody listens.
func cmdGet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: get STATUS|refused URL [HEADER:VALUE...]")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, args[1], nil)
	ts.Check(err)
	for _, h := range args[2:] {
		name, value, _ := strings.Cut(h, ":")
		if req.Header.Set(name, value); name == "Host" {
			req.Host = value
		}
	}
	req.Close = true // leave no connection to hold up a stop
	resp, err := http.DefaultClient.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) && args[0] == "refused" {
		return
	}
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Logf("%s\n%s", resp.Status, body)
	if strconv.Itoa(resp.StatusCode) != args[0] {
		ts.Fatalf("GET %s: %s, want %s", args[1], resp.Status, args[0])
	}
	_, err = ts.Stdout().Write(body)
	ts.Check(err)
}

// capture NAME [PATTERN] sets a variable to the stdout of the last command, or
// to what the group in PATTERN matches of it.
func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: capture NAME [PATTERN]")
	}
	text := strings.TrimSpace(ts.ReadFile("stdout"))
	if len(args) == 2 {
		pattern, err := regexp.Compile("(?m)" + args[1])
		ts.Check(err)
		found := pattern.FindStringSubmatch(text)
		if len(found) != 2 {
			ts.Fatalf("%q is not in %q", args[1], text)
		}
		text = found[1]
	}
	ts.Setenv(args[0], text)
}

// port NAME sets a variable to a port that nobody listens on.
func cmdPort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: port NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	ts.Check(l.Close())
	ts.Setenv(args[0], port)
}

// hold NAME starts a process that listens on a port until the script ends, and
// sets NAME to the port and NAME_PID to its pid. To left it is a stranger.
func cmdHold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold NAME")
	}
	c := exec.Command("svc")
	c.Env = append(os.Environ(), "PORT=0")
	out, err := c.StdoutPipe()
	ts.Check(err)
	ts.Check(c.Start())
	ts.Defer(func() {
		_ = c.Process.Kill()
		_ = c.Wait() // that it was killed is no news
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	ts.Check(err)
	ts.Setenv(args[0], strings.TrimPrefix(strings.TrimSpace(line), "listening on "))
	ts.Setenv(args[0]+"_PID", strconv.Itoa(c.Process.Pid))
}

// left lists on stdout the processes that the script has started, whoever their
// parent is by now, and fails when there is none; ! left waits until there is none.
func cmdLeft(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 0 {
		ts.Fatalf("usage: [!] left")
	}
	var found []string
	look := func() (none bool) {
		var err error
		found, err = carriers("WORK=" + ts.Getenv("WORK"))
		ts.Check(err)
		return len(found) == 0
	}
	none := look()
	if neg {
		none = until(look)
	}
	list := strings.Join(found, "\n")
	if none != neg {
		ts.Fatalf("processes left:\n%s", list)
	}
	_, err := io.WriteString(ts.Stdout(), list+"\n")
	ts.Check(err)
}
