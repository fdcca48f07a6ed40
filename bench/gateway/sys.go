//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of this file do not tell the scheduler that they block. That is
// right only for a process whose one goroutine does all the work and that does
// not collect garbage, as the origin and the generator are: they share a
// processor, and what they use of it is not to limit a proxy.

// poller waits for many sockets.
type poller struct {
	fd     int
	events [512]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &poller{fd: fd}, err
}

func (p *poller) add(fd int, events uint32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (p *poller) change(fd int, events uint32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// wait returns what has happened, at the latest after limit, to the nanosecond
// (epoll_pwait2(2)).
func (p *poller) wait(limit time.Duration) ([]unix.EpollEvent, error) {
	t := unix.NsecToTimespec(int64(limit))
	n, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
		uintptr(len(p.events)), uintptr(unsafe.Pointer(&t)), 0, 0)
	switch err {
	case 0:
		return p.events[:n], nil
	case unix.EINTR:
		return nil, nil
	}
	return nil, fmt.Errorf("epoll_pwait2: %w", err)
}

func read(fd int, b []byte) (int, syscall.Errno) {
	n, _, err := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), err
}

// write sends what the socket takes of b.
func write(fd int, b []byte) (sent int, err syscall.Errno) {
	for len(b) > sent {
		n, _, err := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[sent])), uintptr(len(b)-sent))
		if err == unix.EAGAIN {
			break
		}
		if err != 0 {
			return sent, err
		}
		sent += int(n)
	}
	return sent, 0
}

// pin turns this process into another one, argv[1:], that stays on the
// processors listed in argv[0].
func pin(argv []string) error {
	if len(argv) < 2 {
		return errors.New("pin: want processors and a command")
	}
	var set unix.CPUSet
	for cpu := range strings.SplitSeq(argv[0], ",") {
		n, err := strconv.Atoi(cpu)
		if err != nil {
			return fmt.Errorf("pin: %w", err)
		}
		set.Set(n)
	}
	path, err := exec.LookPath(argv[1])
	if err != nil {
		return err
	}
	// exec keeps the thread that calls it, and with it the thread's processors.
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin: %w", err)
	}
	return fmt.Errorf("exec %s: %w", path, syscall.Exec(path, argv[1:], os.Environ()))
}

// freePorts are ports of loopback that nobody has now.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return nil, err
		}
		defer l.Close() //nolint:errcheck // never accepted anything; all stay open until n are known
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
