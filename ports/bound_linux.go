package ports

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// bound reports whether somebody listens on the port of a loopback address, by
// binding it: a tenth of what a listener costs, and a stack may ask for hundreds
// before its first service can start.
func bound(ip string, port int) bool {
	addr := netip.MustParseAddr(ip)
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: port, Addr: addr.As16()})
	if addr.Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: addr.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false // no IPv6 here
	}
	defer unix.Close(fd) //nolint:errcheck // a socket of no further use
	// As a listener has it: connections that linger in TIME_WAIT are no hindrance.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return false
	}
	return InUse(unix.Bind(fd, sa))
}
