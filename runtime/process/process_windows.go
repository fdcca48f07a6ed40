package process

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	psproc "github.com/shirou/gopsutil/v4/process"
	"golang.org/x/sys/windows"

	"github.com/msctl/msctl/runtime"
)

func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

func closeOnExec(fd int) { syscall.CloseOnExec(syscall.Handle(fd)) }

func ownSession() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS}
}

// watchExit waits for the end of p in a goroutine that ends with it.
func (r *Runner) watchExit(p *os.Process, l *leader) {
	go func() {
		state, err := p.Wait()
		if err == nil && !state.Success() {
			err = &runtime.ExitError{Code: state.ExitCode()}
		}
		r.ended(l.pid, err)
	}()
}

// reap has nothing to do: Windows keeps no dead children.
func (r *Runner) reap(ctx context.Context) { <-ctx.Done() }

// signalGroup asks a console process group to stop; Windows has one way to.
func signalGroup(pid int, _ string) {
	_ = windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(pid)) //nolint:gosec // a pid
}

func signalProcess(pid int, name string) { signalGroup(pid, name) }

func killGroup(pid int) {
	for _, p := range append(below(pid), pid) {
		killProcess(p)
	}
}

func killProcess(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
		_ = p.Release()
	}
}

// inGroup: a tree is all that Windows knows.
func inGroup(pid, leader int) bool {
	p, err := psproc.NewProcess(int32(pid)) //nolint:gosec // a pid
	if err != nil {
		return false
	}
	parent, err := p.Ppid()
	return err == nil && strconv.Itoa(int(parent)) == strconv.Itoa(leader)
}

func shellForPreparation() (string, error) {
	return "", errors.New("mem_limit, ulimits and reload: socket are not available for processes on Windows")
}

func ignoreStops() { signal.Ignore(os.Interrupt) }
