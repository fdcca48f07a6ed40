package ports

import "golang.org/x/sys/windows"

var errInUse error = windows.WSAEADDRINUSE
