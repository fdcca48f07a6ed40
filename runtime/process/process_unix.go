//go:build unix

package process

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/msctl/msctl/runtime"
)

func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func closeOnExec(fd int) { unix.CloseOnExec(fd) }

func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// watchExit lets go of Go's handle: reap tells of the end.
func (r *Runner) watchExit(p *os.Process, _ *leader) { _ = p.Release() }

// reap waits for children until ctx is done.
func (r *Runner) reap(ctx context.Context) {
	child := make(chan os.Signal, 1) // one is enough: each takes all that have ended
	signal.Notify(child, unix.SIGCHLD)
	defer signal.Stop(child)
	r.reapOnce() // those that ended before we listened
	for {
		select {
		case <-child:
			r.reapOnce()
		case <-ctx.Done():
			return
		}
	}
}

// reapOnce takes the end of every child that has ended.
func (r *Runner) reapOnce() {
	r.fork.Lock()
	defer r.fork.Unlock()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		r.ended(pid, exitError(status))
	}
}

func exitError(status unix.WaitStatus) error {
	switch {
	case status.Signaled():
		return &runtime.ExitError{Code: -1, Signal: unix.SignalName(status.Signal())}
	case status.ExitStatus() != 0:
		return &runtime.ExitError{Code: status.ExitStatus()}
	}
	return nil
}

func signalGroup(pgid int, name string)  { _ = unix.Kill(-pgid, signalNumber(name)) }
func signalProcess(pid int, name string) { _ = unix.Kill(pid, signalNumber(name)) }
func killGroup(pgid int)                 { _ = unix.Kill(-pgid, unix.SIGKILL) }
func killProcess(pid int)                { _ = unix.Kill(pid, unix.SIGKILL) }

// signalNumber is the signal called name; the loader has refused unknown ones.
func signalNumber(name string) unix.Signal {
	if s := unix.SignalNum(name); s != 0 {
		return s
	}
	return unix.SIGTERM
}

func inGroup(pid, pgid int) bool {
	got, err := unix.Getpgid(pid)
	return err == nil && got == pgid
}

func shellForPreparation() (string, error) { return lookPath("sh", "/", os.Environ()) }

// ignoreStops makes the guardian outlive what stops msctl.
func ignoreStops() { signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT) }
