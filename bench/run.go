//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// runLimit ends a tool that does not stop.
const runLimit = 5 * time.Minute

// run is one run of a tool, in a folder of its own. Its processes are known by
// a variable in their environment.
type run struct {
	lab    *lab
	tool   tool
	dir    string
	tag    string
	out    *os.File
	leader *exec.Cmd // the tool, when it runs in the foreground
	began  time.Time
	cancel context.CancelFunc
	halt   func() error
}

// start has a tool bring services up, and does not wait for them.
func (l *lab) start(ctx context.Context, t tool, services []service) (*run, error) {
	l.runs++
	r := &run{lab: l, tool: t, tag: fmt.Sprintf("MSCTL_BENCH=%d.%d", os.Getpid(), l.runs)}
	r.dir = filepath.Join(l.dir, fmt.Sprintf("run%d", l.runs))
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if r.out, err = os.Create(filepath.Join(r.dir, "out")); err != nil {
		return nil, err
	}
	ctx, r.cancel = context.WithTimeout(ctx, runLimit)
	r.began = time.Now()
	if r.halt, err = t.start(ctx, r, services); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// up is start, and waits until all answer; took is how long that was.
func (l *lab) up(ctx context.Context, t tool, services []service) (r *run, took time.Duration, err error) {
	if r, err = l.start(ctx, t, services); err != nil {
		return nil, 0, err
	}
	last, err := l.awaitAnswers(ctx, len(services))
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("%s: %w: %s", t, err, r.said()), r.close())
	}
	return r, last.Sub(r.began), nil
}

// command returns a command that belongs to the run.
func (r *run) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = r.dir
	c.Env = append(os.Environ(), r.tag, "BENCH_NOTIFY="+r.lab.notices.LocalAddr().String())
	c.Stdout, c.Stderr = r.out, r.out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the benchmark, which cleans up
	return c
}

// stop takes the services down; took is how long that was, left are the
// processes that outlived the tool.
func (r *run) stop() (took time.Duration, left []process, err error) {
	began := time.Now()
	err = r.halt()
	took = time.Since(began)
	return took, tagged(r.tag), err
}

// own are the tool's own processes: all but the services and their shells.
func (r *run) own() []process {
	var all []process
	for _, p := range tagged(r.tag) {
		switch filepath.Base(p.exe) {
		case "svc", "sh", "dash", "bash":
		default:
			all = append(all, p)
		}
	}
	return all
}

// cpu is what the tool's own processes have used.
func (r *run) cpu() time.Duration {
	var sum time.Duration
	for _, p := range r.own() {
		sum += p.cpu()
	}
	return sum
}

// said is the end of the tool's output.
func (r *run) said() string {
	const most = 500
	b, _ := os.ReadFile(r.out.Name())
	return string(b[max(0, len(b)-most):])
}

// interrupt is Ctrl-C: its signal goes to the tool in the foreground.
func (r *run) interrupt() error {
	if err := r.leader.Process.Signal(os.Interrupt); err != nil {
		return fmt.Errorf("%s has ended before: %w", r.tool, err)
	}
	_ = r.leader.Wait() // the signal's
	return nil
}

// kill kills the tool, which runs in the foreground, and nothing else.
func (r *run) kill() error {
	err := r.leader.Process.Kill()
	_ = r.leader.Wait() // the signal's
	return err
}

// close ends what is left of the run, and deletes its folder.
func (r *run) close() error {
	r.cancel()
	for left := tagged(r.tag); len(left) > 0; left = tagged(r.tag) {
		for _, p := range left {
			_ = syscall.Kill(p.pid, syscall.SIGKILL) // it may just have ended
		}
		time.Sleep(clockTick)
	}
	return errors.Join(r.out.Close(), os.RemoveAll(r.dir))
}
