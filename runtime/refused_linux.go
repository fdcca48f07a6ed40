package runtime

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// refused reports at once, and at a fifth of the cost of a dial, that nothing
// listens on a loopback address: most looks at a service that starts find just
// that. False means that a dial has to tell.
func refused(addr string) bool {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || !ap.Addr().IsLoopback() {
		return false
	}
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(ap.Port()), Addr: ap.Addr().As16()})
	if ap.Addr().Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd) //nolint:errcheck // a socket of no further use
	return unix.Connect(fd, sa) == unix.ECONNREFUSED
}
