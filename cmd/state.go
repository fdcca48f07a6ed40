package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// stateDirName is the folder beside stack.yaml that holds all of a stack's
// state: socket, ledger, logs, built programs.
const stateDirName = ".msctl"

// lockName is the file in it that whoever runs the stack has locked.
const lockName = "lock"

// stateDir is the state folder of the stack in dir.
func stateDir(dir string) string { return filepath.Join(dir, stateDirName) }

// ignoreState keeps the state out of git, but for what msctl new writes there.
const ignoreState = "*\n!.gitignore\n!scaffold/\n!scaffold/**\n"

// errLocked: another supervisor has the stack.
var errLocked = errors.New("another msctl is starting or stopping this stack")

const (
	// lockPatience is how long the stack may be another's: one that was killed,
	// or has stopped everything, is about to let it go.
	lockPatience = time.Second
	lockPoll     = 2 * time.Millisecond
)

// lockState makes the state folder and takes the stack for this process, until
// unlock is called or the process ends.
func lockState(ctx context.Context, dir string) (state string, unlock func(), err error) {
	state = stateDir(dir)
	if err := makeState(state); err != nil {
		return "", nil, err
	}
	unlock, err = lockFolder(ctx, state, errLocked, "msctl ps shows whether it is up; msctl down stops it")
	return state, unlock, err
}

func makeState(state string) error {
	if err := os.MkdirAll(state, 0o755); err != nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("make the state folder: %w", err), hint: "msctl keeps its socket and logs beside the stack file; that folder has to be writable"}
	}
	ignore := filepath.Join(state, ".gitignore")
	if _, err := os.Stat(ignore); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(ignore, []byte(ignoreState), 0o644); err != nil {
			return fmt.Errorf("make the state folder: %w", err)
		}
	}
	return nil
}

// lockFolder takes a folder for this process, until unlock is called or the
// process ends. Where it stays another's, the error is taken.
func lockFolder(ctx context.Context, dir string, taken error, hint string) (unlock func(), err error) {
	lock := flock.New(filepath.Join(dir, lockName))
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	switch _, err := lock.TryLockContext(ctx, lockPoll); {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, &exitError{code: exitFailed, err: taken, hint: hint}
	case err != nil:
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { _ = lock.Unlock() }, nil
}
