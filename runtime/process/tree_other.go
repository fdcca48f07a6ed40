//go:build !linux

package process

import (
	"os"
	"slices"
	"strconv"
	"strings"

	psproc "github.com/shirou/gopsutil/v4/process"
)

// becomeSubreaper: only Linux has it. Elsewhere a descendant that left its
// group is found by its mark, where the system shows environments.
func becomeSubreaper() error { return nil }

func growPipe(*os.File) {}

// tree reads the process tree.
type tree struct{}

func (tree) left(r *Runner, _ int, instance string) []int { return markedProcesses(r.mark, instance) }

func (tree) all(r *Runner) []int { return markedProcesses(r.mark, "") }

func (tree) below(pid int) []int { return below(pid) }

func below(pid int) []int {
	p, err := psproc.NewProcess(int32(pid)) //nolint:gosec // a pid
	if err != nil {
		return nil
	}
	var out []int
	level := []*psproc.Process{p}
	for depth := 0; depth < 64 && len(level) > 0; depth++ {
		var next []*psproc.Process
		for _, q := range level {
			children, err := q.Children()
			if err != nil {
				continue
			}
			for _, c := range children {
				out = append(out, int(c.Pid))
			}
			next = append(next, children...)
		}
		level = next
	}
	return out
}

// startTime identifies a process together with its pid; "" when it is gone.
func startTime(pid int) string {
	p, err := psproc.NewProcess(int32(pid)) //nolint:gosec // a pid
	if err != nil {
		return ""
	}
	ms, err := p.CreateTime()
	if err != nil {
		return ""
	}
	return strconv.FormatInt(ms, 10)
}

// markedProcesses are the processes with the mark of a run, and with the
// instance's name when one is given.
func markedProcesses(mark, instance string) []int {
	procs, err := psproc.Processes()
	if err != nil {
		return nil
	}
	var out []int
	for _, p := range procs {
		env, err := p.Environ()
		if err != nil {
			continue
		}
		for n := range env {
			env[n] = strings.TrimRight(env[n], "\x00")
		}
		if slices.Contains(env, markEnv+"="+mark) && (instance == "" || slices.Contains(env, "INSTANCE_ID="+instance)) {
			out = append(out, int(p.Pid))
		}
	}
	return out
}
