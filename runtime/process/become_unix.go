//go:build unix

package process

import (
	"fmt"
	"os"
	"syscall"

	"github.com/msctl/msctl/stack"
)

// Become runs a command in place of this process: with its terminal, its
// signals and its exit code, and nothing left of msctl in between. It only
// returns when that failed.
func Become(dir string, env []string, c stack.Command) (code int, err error) {
	path, args, err := resolve(c, dir, env)
	if err != nil {
		return 0, err
	}
	if err := os.Chdir(dir); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("start %s: %w", args[0], syscall.Exec(path, args, lastOf(env))) //nolint:gosec // running commands is what it is for
}
