//go:build unix

package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const terminalStack = `
gateway: {listen: 127.0.0.1:0}
services:
  web: {command: svc, route: /, healthcheck: {http: /readyz}}
  child: {command: svc -fork setsid}
  rude: {command: "printf '\\033[2J\\033[Hcleared\\n10%%\\r20%%\\n'; exec svc -hang"}
`

// terminal is a shell in a terminal of its own, in the folder of a stack.
type terminal struct {
	t      *testing.T
	dir    string
	server string // the name of a tmux server of its own
	marker string // a variable that all processes in it have
}

func openTerminal(t *testing.T, environ ...string) *terminal {
	t.Helper()
	require(t, "tmux")
	dir, sockets := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "stack.yaml"), []byte(terminalStack), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "profile"), []byte("PS1='ready> '\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, dir: dir, server: fmt.Sprintf("msctl-test-%d", os.Getpid()), marker: "MSCTL_TEST_TERMINAL=" + dir}
	t.Setenv("TMUX_TMPDIR", sockets)
	t.Setenv("TMUX", "")
	t.Setenv("CI", "")
	for _, kv := range append(environ, x.marker, "XDG_RUNTIME_DIR="+sockets, "ENV="+filepath.Join(dir, "profile")) {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	x.tmux("-f", os.DevNull, "new-session", "-d", "-x", "200", "-y", "50", "-c", dir, "sh")
	t.Cleanup(func() { killCarriers(x.marker) })
	t.Cleanup(func() { _ = exec.Command("tmux", "-L", x.server, "kill-server").Run() })
	x.until("^ready>")
	return x
}

func (x *terminal) tmux(args ...string) string {
	x.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-L", x.server}, args...)...).CombinedOutput()
	if err != nil {
		x.t.Fatalf("tmux %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (x *terminal) keys(keys ...string) {
	x.t.Helper()
	x.tmux(append([]string{"send-keys"}, keys...)...)
}

// screen is what the terminal shows, with its colours as escape sequences.
func (x *terminal) screen() string {
	x.t.Helper()
	return x.tmux("capture-pane", "-p", "-e", "-S", "-")
}

// until waits for the screen to match a pattern.
func (x *terminal) until(pattern string) {
	x.t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	if !until(func() bool { return re.MatchString(x.screen()) }) {
		x.t.Fatalf("%q is not on the screen:\n%s", pattern, x.screen())
	}
}

// ofStack matches what carriers says of the processes of a stack.
var ofStack = regexp.MustCompile(`^\d+ (\S*/)?(msctl|svc)\b`)

// untilNothingIsLeft waits until msctl and its services have ended.
func (x *terminal) untilNothingIsLeft() {
	x.t.Helper()
	var running []string
	gone := until(func() bool {
		all, err := carriers(x.marker)
		if err != nil {
			x.t.Fatal(err)
		}
		running = slices.DeleteFunc(all, func(p string) bool { return !ofStack.MatchString(p) })
		return len(running) == 0
	})
	if !gone {
		x.t.Errorf("processes left:\n%s", strings.Join(running, "\n"))
	}
}

func TestTerminalCtrlC(t *testing.T) {
	x := openTerminal(t)
	x.keys("msctl up", "Enter")
	x.until(`\x1b\[[0-9;]*mweb-1.*\| .*listening on \d+`)
	x.until(`web-1 is ready`)
	// What a service writes does nothing to the terminal, and stays behind its prefix.
	x.until(`^\S*rude-1 .*\| .*cleared`)
	x.until(`^\S*rude-1 .*\| .*20%`)
	if s := x.screen(); !strings.Contains(s, "msctl up") {
		t.Errorf("a service has cleared the screen:\n%s", s)
	}

	x.keys("C-c")
	x.until(`stopping; another Ctrl-C kills at once`)
	x.until(`(?s)\^C.*^ready>`)
	x.keys(`echo "code $?"`, "Enter")
	x.until(`^code 130$`)
	if s := x.screen(); strings.Contains(s, "error:") {
		t.Errorf("the end is told as an error:\n%s", s)
	}
	x.untilNothingIsLeft()
}

// behind is more than a terminal shows in the time that it gets at the end.
const behind = 60 << 20

// logged is how much of the services' output is on the disk.
func (x *terminal) logged() (size int64) {
	x.t.Helper()
	files, err := filepath.Glob(filepath.Join(x.dir, ".msctl", "logs", "*"))
	if err != nil {
		x.t.Fatal(err)
	}
	for _, f := range files {
		if st, err := os.Stat(f); err == nil { // or it was rotated away
			size += st.Size()
		}
	}
	return size
}

// A terminal may be far behind what the services write; Ctrl-C does not wait
// for it.
func TestTerminalFlood(t *testing.T) {
	x := openTerminal(t)
	if err := os.WriteFile(filepath.Join(x.dir, "stack.yaml"), []byte("gateway: off\nservices: {flood: {command: \"yes "+strings.Repeat("x", 100)+"\"}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	x.keys("msctl up", "Enter")
	x.until(`flood-1.*x{100}`)
	if !until(func() bool { return x.logged() > behind }) {
		t.Fatalf("%d bytes are logged, want more than %d", x.logged(), behind)
	}
	x.keys("C-c")
	x.until(`msctl: not all of the output is shown; msctl logs has it`)
	x.untilNothingIsLeft()
}

func TestTerminalCloses(t *testing.T) {
	x := openTerminal(t)
	x.keys("msctl up", "Enter")
	x.until(`web-1 is ready`)
	x.tmux("kill-session")
	x.untilNothingIsLeft()
}

func TestTerminalNoColor(t *testing.T) {
	x := openTerminal(t, "NO_COLOR=1")
	x.keys("msctl up", "Enter")
	x.until(`web-1 .*listening on \d+`)
	if s := x.screen(); strings.Contains(s, "\x1b[") {
		t.Errorf("NO_COLOR=1 has colour:\n%q", s)
	}
	x.keys("C-c")
	x.untilNothingIsLeft()
}

// TestTerminalNewService fills in the form that new service is without flags.
func TestTerminalNewService(t *testing.T) {
	x := openTerminal(t)
	x.keys("msctl new service", "Enter")
	x.until(`Name`)
	x.keys("class", "Enter")
	x.until(`the word is taken`)
	x.keys("C-u", "orders", "Enter")
	x.until(`┃.* Template`)
	x.keys("/", "python-min", "Enter", "Enter")
	x.until(`┃.* store`)
	x.until(`Resource`)
	x.until(`Calls`)
	done := regexp.MustCompile(`next: msctl up`)
	if !until(func() bool { // a key that comes just as a question does is lost
		x.keys("Enter")
		return done.MatchString(x.screen())
	}) {
		t.Fatalf("the form does not end:\n%s", x.screen())
	}
	if _, err := os.Stat(filepath.Join(x.dir, "services", "orders", "README.md")); err != nil {
		t.Error(err)
	}

	x.keys("clear; msctl new service", "Enter")
	x.until(`Name`)
	x.keys("C-c")
	x.until(`^ready>`)
	x.keys(`echo "code $?"`, "Enter")
	x.until(`^code 130$`)
}
