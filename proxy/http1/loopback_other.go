//go:build !linux

package http1

import "net"

// tuneListener: what there is to tune is Linux's.
func tuneListener(net.Listener) {}
