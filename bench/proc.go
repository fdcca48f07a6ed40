//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const clockTick = 10 * time.Millisecond // USER_HZ is 100 on every Linux

// process is one that a run has started, or a descendant of one.
type process struct {
	pid int
	exe string
}

// tagged returns the processes with tag in their environment, which every
// descendant has, whatever group or session it has gone to.
func tagged(tag string) []process {
	var all []process
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is fine
	for _, dir := range dirs {
		env, err := os.ReadFile(dir + "/environ") // empty when it has ended
		if err != nil || !bytes.Contains(append([]byte{0}, env...), []byte("\x00"+tag+"\x00")) {
			continue
		}
		exe, err := os.Readlink(dir + "/exe")
		if err != nil {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir)) // the pattern saw to it
		all = append(all, process{pid, exe})
	}
	return all
}

// cpu is the processor time that a process has had, user and system.
func (p process) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return 0
	}
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	user, _ := strconv.Atoi(string(f[11])) // proc_pid_stat(5): 14 and 15, counted from 1 with pid and name
	system, _ := strconv.Atoi(string(f[12]))
	return time.Duration(user+system) * clockTick
}

// memory is a process's resident memory in MiB, and its share of it when what
// several processes share is divided among them.
func (p process) memory() (rss, pss float64) {
	rollup, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.pid))
	for line := range strings.Lines(string(rollup)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseFloat(f[1], 64)
		switch f[0] {
		case "Rss:":
			rss = kib / 1024
		case "Pss:":
			pss = kib / 1024
		}
	}
	return rss, pss
}

// busyBeside is how many per cent of one processor all of the machine uses
// while this process waits.
func busyBeside() float64 {
	const watched = time.Second
	before := busy()
	time.Sleep(watched)
	return 100 * float64(busy()-before) / float64(watched)
}

func busy() time.Duration {
	stat, _ := os.ReadFile("/proc/stat")
	first, _, _ := strings.Cut(string(stat), "\n")
	var ticks int
	for i, f := range strings.Fields(first) {
		if n, err := strconv.Atoi(f); err == nil && i != 4 && i != 5 && i < 9 { // idle, iowait; guests are in user
			ticks += n
		}
	}
	return time.Duration(ticks) * clockTick
}
