//go:build unix && !linux

package ports

import "syscall"

var errInUse error = syscall.EADDRINUSE
