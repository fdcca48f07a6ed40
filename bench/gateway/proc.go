//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const clockTick = 10 * time.Millisecond // USER_HZ is 100 on every Linux

// reading is what processes had used at a time.
type reading struct {
	at   time.Time
	cpu  time.Duration // theirs
	busy time.Duration // of their processor, whoever's
	rss  float64       // MiB
}

// take reads what pids have used. cpu is the processor that is theirs alone,
// -1 if they have none.
func take(pids []int, cpu int) reading {
	r := reading{at: time.Now(), busy: busy(cpu)}
	for _, pid := range pids {
		r.cpu += cpuTime(pid)
		r.rss += rss(pid)
	}
	return r
}

// since is what n requests have taken from before until r.
func (r reading) since(before reading, n int) result {
	took := r.at.Sub(before.at)
	out := result{Done: n, Seconds: took.Seconds(), RSS: r.rss}
	if n > 0 {
		out.CPU = float64(r.cpu-before.cpu) / float64(time.Microsecond) / float64(n)
	}
	if used := r.busy - before.busy; used > 0 {
		out.Others = max(0, float64(used-(r.cpu-before.cpu))/float64(took))
	}
	return out
}

// cpuTime is what the threads of a process have had of any processor, to the
// nanosecond; a thread that has ended is not in it.
func cpuTime(pid int) time.Duration {
	var sum time.Duration
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is fine
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has just ended
		}
		first, _, _ := bytes.Cut(stat, []byte(" "))
		ns, _ := strconv.ParseInt(string(first), 10, 64)
		sum += time.Duration(ns)
	}
	return sum
}

// rss is a process's resident memory in MiB.
func rss(pid int) float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	if f := strings.Fields(after); len(f) > 0 {
		kib, _ := strconv.ParseFloat(f[0], 64)
		return kib / 1024
	}
	return 0
}

// busy is how long a processor has worked, or was not given to this machine
// when it should have.
func busy(cpu int) time.Duration {
	stat, _ := os.ReadFile("/proc/stat")
	_, after, _ := strings.Cut(string(stat), fmt.Sprintf("\ncpu%d ", cpu))
	line, _, _ := strings.Cut(after, "\n")
	var ticks int
	for i, f := range strings.Fields(line) {
		if n, err := strconv.Atoi(f); err == nil && i != 3 && i != 4 && i < 8 { // idle, iowait; guests are in user
			ticks += n
		}
	}
	return time.Duration(ticks) * clockTick
}

// listeners are the processes that have the socket that listens on a port.
func listeners(port int) []int {
	const listen = "0A" // its state in /proc/net/tcp
	links := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(table)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == listen && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				links["socket:["+f[9]+"]"] = true
			}
		}
	}
	var pids []int
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is fine
	for _, file := range files {
		if link, err := os.Readlink(file); err == nil && links[link] {
			pid, _ := strconv.Atoi(strings.Split(file, "/")[2]) // the pattern saw to it
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}
