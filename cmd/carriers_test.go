//go:build unix

package cmd

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// carriers lists the processes with a variable in their environment, as it was
// when they began: "412 svc -fork". That finds also those that have left their
// parent, group and session.
func carriers(variable string) ([]string, error) {
	if runtime.GOOS != "linux" {
		return carriersByPS(variable)
	}
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, file := range files {
		env, err := os.ReadFile(file)
		if err != nil || !slices.Contains(strings.Split(string(env), "\x00"), variable) {
			continue // not ours, or gone
		}
		dir := filepath.Dir(file)
		args, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			continue // it ended meanwhile
		}
		out = append(out, filepath.Base(dir)+" "+string(bytes.TrimSpace(bytes.ReplaceAll(args, []byte{0}, []byte(" ")))))
	}
	return out, nil
}

// killCarriers ends what a test that failed has left running.
func killCarriers(variable string) {
	until(func() (none bool) {
		list, _ := carriers(variable) // without one there is nothing to be done
		for _, process := range list {
			number, _, _ := strings.Cut(process, " ")
			if pid, err := strconv.Atoi(number); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		return len(list) == 0
	})
}

// carriersByPS is for systems without /proc: ps shows the environment of this
// user's processes behind their arguments.
func carriersByPS(variable string) ([]string, error) {
	list, err := exec.Command("ps", "-axEww", "-o", "pid=,command=").Output()
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range strings.Lines(string(list)) {
		if strings.Contains(line, " "+variable+" ") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out, nil
}
