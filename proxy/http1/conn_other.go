//go:build !linux

package http1

import "net"

// Other systems go through net.Conn alone.

func (c *conn) prepare()              {}
func (c *conn) relayed()              {}
func (c *conn) fillRaw() error        { panic("unreachable") }
func (c *conn) writeRaw([]byte) error { panic("unreachable") }
func (c *conn) askRaw([]byte) error   { panic("unreachable") }
func (c *conn) alive() bool           { return true }

// left: a client's leaving shows when the response is written.
func left(net.Conn) bool { return false }

// writable: only the kernel's splicing needs to know, which is Linux's.
func writable(net.Conn) bool { return false }
