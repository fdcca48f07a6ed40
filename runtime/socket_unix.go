//go:build unix

package runtime

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// listenFile listens on an IP address and a port for instances that are given
// the socket (Spec.Socket). Connections wait in it while no instance accepts;
// the caller closes it. It is closed on exec but for the instance that it is
// meant for.
//
// The mode of blocking is one for all who have the socket. It begins as
// blocking, as systemd's do, and is never set again: an instance that has put
// it into its event loop would stall when its replacement starts.
//
// Connections inherit TCP_NODELAY: uvicorn takes what it is given for a Unix
// socket, and each of its answers would be 40 ms late.
func listenFile(addr string) (*os.File, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	defer l.Close() //nolint:errcheck // the file below goes on listening
	f, err := l.File()
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // as above
	// Fd makes it blocking, with this file at each call; a file of what blocks
	// already is left alone.
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return os.NewFile(uintptr(fd), "tcp:"+l.Addr().String()), nil //nolint:gosec // a file descriptor
}
