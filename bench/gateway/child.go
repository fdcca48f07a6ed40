//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// grace is how long a child may take to end when asked.
const grace = 10 * time.Second

// child is a process that runs until its context is done.
type child struct {
	out   *os.File
	ended chan struct{} // closed then
}

// said is the end of its output.
func (c *child) said() string {
	const most = 1000
	size, err := c.out.Seek(0, io.SeekEnd)
	if err != nil {
		return ""
	}
	b := make([]byte, min(most, size))
	_, _ = c.out.ReadAt(b, size-int64(len(b))) // as much as there is
	return string(b)
}

// spawn starts a program in a folder, on some processors.
func (l *lab) spawn(ctx context.Context, dir string, cpus []int, argv []string, env ...string) (*child, error) {
	out, err := os.CreateTemp(l.dir, "out-")
	if err != nil {
		return nil, err
	}
	cmd := l.pinned(ctx, cpus, argv...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_RUNTIME_DIR="+dir)
	cmd.Env = append(cmd.Env, env...)
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	c := &child{out: out, ended: make(chan struct{})}
	l.children.Go(func() {
		_ = cmd.Wait()                                      // the signal's
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // who is left of its group
		close(c.ended)
		<-ctx.Done()
		_ = out.Close()
	})
	return c, nil
}

// pinned is a command on some processors. It leads a process group, so that
// Ctrl-C is for the benchmark alone, and is asked to end when ctx is done.
func (l *lab) pinned(ctx context.Context, cpus []int, argv ...string) *exec.Cmd {
	list := strings.Trim(strings.ReplaceAll(fmt.Sprint(cpus), " ", ","), "[]")
	cmd := exec.CommandContext(ctx, l.self, append([]string{"pin", list, l.path(argv[0])}, argv[1:]...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = grace
	return cmd
}
