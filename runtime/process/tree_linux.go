package process

import (
	"bytes"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// becomeSubreaper makes orphaned descendants our children (prctl(2)).
func becomeSubreaper() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

func growPipe(f *os.File) {
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
	}
}

// tree reads the process tree. On Linux orphans are children of our main
// thread, so one small file lists them.
type tree struct{}

// left are the descendants of an ended leader that still live: orphans of its
// group, or with its instance's mark, and all below them.
func (tree) left(r *Runner, pgid int, instance string) []int {
	var out []int
	for _, pid := range orphans(r) {
		if inGroup(pid, pgid) || marked(pid, r.mark, instance) {
			out = append(append(out, pid), below(pid)...)
		}
	}
	return out
}

// all are all orphans of the run, and all below them.
func (tree) all(r *Runner) []int {
	var out []int
	for _, pid := range orphans(r) {
		out = append(append(out, pid), below(pid)...)
	}
	return out
}

func (tree) below(pid int) []int { return below(pid) }

// orphans are our children that we did not start, and that have not ended.
func orphans(r *Runner) []int {
	self := os.Getpid()
	return slices.DeleteFunc(childrenOf(self, self), func(pid int) bool { return r.isLeader(pid) || zombie(pid) })
}

// below are the descendants of pid, at most as deep as trees get in practice.
func below(pid int) []int {
	var out []int
	level := []int{pid}
	for range 64 {
		var next []int
		for _, p := range level {
			for _, t := range threads(p) {
				next = append(next, childrenOf(p, t)...)
			}
		}
		if len(next) == 0 {
			break
		}
		out = append(out, next...)
		level = next
	}
	return out
}

func childrenOf(pid, tid int) []int {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + strconv.Itoa(tid) + "/children")
	if err != nil {
		return nil
	}
	var out []int
	for _, f := range bytes.Fields(data) {
		if n, err := strconv.Atoi(string(f)); err == nil {
			out = append(out, n)
		}
	}
	return out
}

func threads(pid int) []int {
	entries, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil {
		return nil
	}
	out := make([]int, 0, len(entries))
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// marked reports whether pid carries the mark of the run, and the instance's
// name when one is given.
func marked(pid int, mark, instance string) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	return hasVar(env, markEnv+"="+mark) && (instance == "" || hasVar(env, "INSTANCE_ID="+instance))
}

func hasVar(env []byte, kv string) bool {
	for v := range bytes.SplitSeq(env, []byte{0}) {
		if string(v) == kv {
			return true
		}
	}
	return false
}

// stat returns the state and the start time of a process, in clock ticks
// since boot: together with the pid its identity. See proc_pid_stat(5).
func stat(pid int) (state byte, start string, ok bool) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, "", false
	}
	_, rest, found := bytes.Cut(data[max(0, bytes.LastIndexByte(data, ')')):], []byte(") "))
	f := bytes.Fields(rest)
	if !found || len(f) < 20 {
		return 0, "", false
	}
	return f[0][0], string(f[19]), true
}

func zombie(pid int) bool {
	state, _, ok := stat(pid)
	return !ok || state == 'Z' || state == 'X'
}

// startTime identifies a process together with its pid; "" when it is gone.
func startTime(pid int) string {
	state, start, ok := stat(pid)
	if !ok || state == 'Z' {
		return ""
	}
	return start
}

// markedProcesses are the processes with the mark of a run, and with the
// instance's name when one is given.
func markedProcesses(mark, instance string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var out []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && marked(pid, mark, instance) && !zombie(pid) {
			out = append(out, pid)
		}
	}
	return out
}
