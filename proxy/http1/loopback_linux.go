package http1

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// On loopback nothing is ever congested, but a system's choice of congestion
// control (bbr paces what is sent with a timer for each write) would cost a
// tenth of all that a request does. Reno is part of every Linux, and the
// cheapest.
func uncongested(c syscall.RawConn) {
	_ = c.Control(func(fd uintptr) {
		_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno")
	})
}

// tuneListener has the connections that it accepts begin with reno.
func tuneListener(ln net.Listener) {
	t, ok := ln.(*net.TCPListener)
	if !ok {
		return
	}
	if a, ok := ln.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return
	}
	if raw, err := t.SyscallConn(); err == nil {
		uncongested(raw)
	}
}
