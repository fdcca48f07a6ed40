//go:build unix

package cmd

import (
	"os/exec"
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
		Deadline:            time.Now().Add(90 * time.Second),
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_RUNTIME_DIR", runtimeDir)
			env.Setenv("HOME", env.WorkDir)
			env.Values[signalled{}] = new(*exec.Cmd)
			env.Defer(func() { killCarriers("WORK=" + env.WorkDir) })
			return nil
		},
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
