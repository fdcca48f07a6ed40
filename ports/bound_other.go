//go:build !linux

package ports

import (
	"net"
	"strconv"
)

// bound reports whether somebody listens on the port of a loopback address.
func bound(ip string, port int) bool {
	ln, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(port))) //nolint:noctx // a loopback listen does not block
	if err == nil {
		_ = ln.Close()
	}
	return InUse(err)
}
