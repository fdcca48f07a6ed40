//go:build unix

package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience bounds every wait for a state: far more than any takes, so that it
// only ends what is stuck.
const patience = 15 * time.Second

// TestScripts runs the manual: one script or more for every command.
func TestScripts(t *testing.T) {
	runtimeDir := t.TempDir() // one for all: stacks lease their ports from each other in it
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(5 * time.Minute), // 30 s on an idle machine; two processors may be shared by many
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_RUNTIME_DIR", runtimeDir)
			env.Setenv("HOME", env.WorkDir)
			env.Values[signalled{}] = new(*exec.Cmd)
			env.Defer(func() { killCarriers("WORK=" + env.WorkDir) })
			return nil
		},
		Condition: condition,
		// Each is described at its function.
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":   cmdExits,
			"signal":  cmdSignal,
			"code":    cmdCode,
			"waitfor": cmdWaitFor,
			"get":     cmdGet,
			"capture": cmdCapture,
			"port":    cmdPort,
			"hold":    cmdHold,
			"left":    cmdLeft,
		},
	})
}

// condition says whether a condition holds: [tool:NAME] does where the program
// is installed, and where MSCTL_TEST_REQUIRE=all forbids to skip for want of it.
func condition(name string) (bool, error) {
	tool, ok := strings.CutPrefix(name, "tool:")
	if !ok {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	_, err := exec.LookPath(tool)
	return err == nil || os.Getenv("MSCTL_TEST_REQUIRE") == "all", nil
}
