//go:build unix

package ports

import "syscall"

var errInUse error = syscall.EADDRINUSE
