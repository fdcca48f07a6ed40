package runtime

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/msctl/msctl/stack"
)

// socketSettle is how long an instance that got a socket has to live before it
// is taken for one that accepts, where that cannot be seen: a probe of the
// socket may be answered by the one before.
const socketSettle = 5 * time.Second

// sockets are the listening sockets of services that get theirs from msctl, by
// replica: all of a replica's instances share one, and so an address.
type sockets map[string]*socket

type socket struct {
	port int
	file *os.File
}

// at returns the socket of a replica on the port.
func (s sockets) at(id string, port int) (*os.File, error) {
	if has := s[id]; has != nil {
		if has.port == port {
			return has.file, nil
		}
		s.close(id)
	}
	f, err := listenFile(fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	s[id] = &socket{port, f}
	return f, nil
}

func (s sockets) close(id string) {
	if has := s[id]; has != nil {
		_ = has.file.Close()
		delete(s, id)
	}
}

func (s sockets) closeAll() {
	for id := range s {
		s.close(id)
	}
}

// accepting waits until an instance that shares its socket accepts on it: until
// one of its event loops has it or, where none does, for socketSettle.
func accepting(ctx context.Context, pid int, started time.Time) bool {
	for wait := probeFirst; time.Since(started) < socketSettle; wait = min(probeMost, 2*wait) {
		if polls(pid) {
			return true
		}
		if !sleep(ctx, wait) {
			return false
		}
	}
	return ctx.Err() == nil
}

// polls reports whether a process, or a child of its own, has an event loop
// that waits for its descriptor of the socket. It knows of epoll only.
func polls(pid int) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	own, err := os.Readlink(filepath.Join(proc, "fd", "3"))
	if err != nil || !strings.HasPrefix(own, "socket:") {
		return false
	}
	infos, _ := filepath.Glob(filepath.Join(proc, "fdinfo", "*")) // the pattern is valid
	for _, info := range infos {
		if f, err := os.Open(info); err == nil {
			found := waitsFor(bufio.NewScanner(f), proc, own)
			_ = f.Close()
			if found {
				return true
			}
		}
	}
	children, _ := os.ReadFile(filepath.Join(proc, "task", strconv.Itoa(pid), "children")) // none where it is not there
	for _, child := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(child); err == nil && polls(n) {
			return true
		}
	}
	return false
}

// waitsFor reads what an epoll descriptor waits for (proc_pid_fdinfo(5)), and
// looks for the socket, which may have been duplicated.
func waitsFor(info *bufio.Scanner, proc, own string) bool {
	for info.Scan() {
		fields := strings.Fields(info.Text())
		if len(fields) < 2 || fields[0] != "tfd:" {
			continue
		}
		if target, err := os.Readlink(filepath.Join(proc, "fd", fields[1])); err == nil && target == own {
			return true
		}
	}
	return false
}

// hands reports whether msctl makes the socket that s listens on.
func hands(s *stack.Service) bool { return s.Reload.Mode == stack.ReloadSocket }
