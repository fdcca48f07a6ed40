package ports

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	psnet "github.com/shirou/gopsutil/v4/net"
	psproc "github.com/shirou/gopsutil/v4/process"
)

// StackEnv is the variable in which every process of a stack carries the
// stack's folder: how the holder of a port tells where it belongs.
const StackEnv = "MSCTL_STACK"

// Holder is the process that listens on a port.
type Holder struct {
	PID     int
	Command string // the executable's name
	Stack   string // the folder of the stack it belongs to, "" when none
}

func (h Holder) String() string {
	if h.Stack != "" {
		return fmt.Sprintf("%s (pid %d, stack in %s)", h.Command, h.PID, h.Stack)
	}
	return fmt.Sprintf("%s (pid %d)", h.Command, h.PID)
}

// errNoHolder: something listens, and the system does not tell us what.
var errNoHolder = errors.New("its process is not visible to this user")

// FindHolder names who listens on port: of several processes that share the
// socket the first that was started, and not a child that it forks. It reads
// the whole system's tables (milliseconds): for error messages, not for
// deciding.
func FindHolder(port int) (Holder, error) {
	conns, err := psnet.Connections("tcp")
	if err != nil {
		return Holder{}, fmt.Errorf("find who holds port %d: %w", port, err)
	}
	var first *psproc.Process
	var started int64
	for _, c := range conns {
		if c.Status != "LISTEN" || int(c.Laddr.Port) != port || c.Pid == 0 {
			continue
		}
		p, err := psproc.NewProcess(c.Pid)
		if err != nil {
			continue // it has ended meanwhile
		}
		if at, err := p.CreateTime(); err == nil && (first == nil || at < started) {
			first, started = p, at
		}
	}
	if first == nil {
		return Holder{}, fmt.Errorf("find who holds port %d: %w", port, errNoHolder)
	}
	return describe(first), nil
}

func describe(p *psproc.Process) Holder {
	h := Holder{PID: int(p.Pid), Command: "a process"}
	if name, err := p.Name(); err == nil {
		h.Command = name
	}
	if env, err := p.Environ(); err == nil {
		for _, kv := range env {
			if dir, ok := strings.CutPrefix(kv, StackEnv+"="); ok {
				h.Stack = filepath.Clean(dir)
			}
		}
	}
	if h.Stack == "" {
		h.Stack = supervised(h.PID)
	}
	return h
}

// supervised is the stack that the process with pid supervises, "" for none:
// its gateway listens there itself.
func supervised(pid int) string {
	dir, err := leaseDir()
	if err != nil {
		return ""
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.json")) // the pattern is right
	for _, f := range files {
		var r record
		if data, err := os.ReadFile(f); err == nil && json.Unmarshal(data, &r) == nil && r.PID == pid {
			return r.Owner
		}
	}
	return ""
}
