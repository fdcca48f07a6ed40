package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// readyEnv names the file descriptor on which a detached process says that it
// is up.
const readyEnv = "MSCTL_READY_FD"

// Detach starts msctl with args in a session of its own, its output going to
// log, and waits until it says that it is up. If it ends before, the error is
// what it said on stderr. It returns the pid.
func Detach(args []string, log string) (int, error) {
	exe, err := os.Executable()
	if err != nil {
		return 0, err
	}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return 0, err
	}
	defer out.Close() //nolint:errcheck // the child writes it
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close() //nolint:errcheck // nothing was written
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close() //nolint:errcheck // only read
	p, err := os.StartProcess(exe, append([]string{"msctl"}, args...), &os.ProcAttr{
		Env:   append(os.Environ(), readyEnv+"=3"),
		Files: []*os.File{null, out, out, w},
		Sys:   ownSession(),
	})
	_ = w.Close()
	if err != nil {
		return 0, err
	}
	answer, err := bufio.NewReader(r).ReadString('\n')
	if err == nil && answer == "up\n" {
		return p.Pid, p.Release()
	}
	state, waitErr := p.Wait()
	if waitErr != nil {
		return 0, errors.Join(err, waitErr)
	}
	return 0, &DetachError{Code: state.ExitCode(), Said: strings.TrimSpace(answer)}
}

// DetachError is a detached process that ended before it was up.
type DetachError struct {
	Code int
	Said string
}

func (e *DetachError) Error() string {
	if e.Said != "" {
		return e.Said
	}
	return fmt.Sprintf("the background process ended with exit code %d", e.Code)
}

// Detached returns the writer on which this process tells the one that
// detached it how its start went, or nil when nobody waits for that. It has to
// be called before anything is started: what it hides is nobody else's.
func Detached() io.WriteCloser {
	if os.Getenv(readyEnv) != "3" {
		return nil
	}
	_ = os.Unsetenv(readyEnv)
	closeOnExec(3)
	return os.NewFile(3, "ready")
}
