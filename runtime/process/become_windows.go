package process

import (
	"fmt"
	"os"

	"github.com/msctl/msctl/stack"
)

// Become runs a command in place of this process, with its terminal, and
// returns its exit code: Windows cannot replace a process.
func Become(dir string, env []string, c stack.Command) (code int, err error) {
	path, args, err := resolve(c, dir, env)
	if err != nil {
		return 0, err
	}
	ignoreStops() // Ctrl-C is the command's
	p, err := os.StartProcess(path, args, &os.ProcAttr{Dir: dir, Env: lastOf(env), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", args[0], err)
	}
	state, err := p.Wait()
	if err != nil {
		return 0, err
	}
	return state.ExitCode(), nil
}
