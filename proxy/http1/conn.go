package http1

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is one connection and the bytes that were read of it but not used. It
// holds a buffer only while there are such bytes, so that an idle connection
// costs none.
type conn struct {
	net.Conn
	socket net.Conn        // beneath TLS, or Conn itself; others than its user may cut it
	tcp    *net.TCPConn    // Conn; nil if it is something else
	raw    syscall.RawConn // for the fast path of Linux; nil without
	fd     int

	buf   []byte // nil while it is empty
	r, w  int    // buf[r:w] is unread
	brief bool   // what comes is short: heads, most of the time

	expire atomic.Int64 // when reading is cut off, on the engine's clock; 0 never
	stall  atomic.Int64 // when writing is, for want of progress; 0 never
	clock  *clock       // of a client's connection; nil on one whose writes may take as long as they do

	// Of the fast path. One goroutine may read while another writes.
	reading, writing func(uintptr) bool // made once
	question         []byte             // to be written before reading
	readErr          error
	out              []byte // to be written
	pair             [2][]byte
	both             net.Buffers // pair, for writing at once
	writeErr         error

	since int64     // when it became idle, on the engine's clock
	of    *Upstream // that it leads to; nil of a client's
}

func newConn(c net.Conn) *conn {
	k := &conn{Conn: c, socket: c}
	k.tcp, _ = c.(*net.TCPConn)
	k.prepare()
	return k
}

// unread is what was read and not used yet.
func (c *conn) unread() []byte {
	if c.buf == nil {
		return nil
	}
	return c.buf[c.r:c.w]
}

// used takes n bytes off the unread ones.
func (c *conn) used(n int) {
	c.r += n
	if c.r == c.w {
		c.release()
	}
}

// release gives an empty buffer back.
func (c *conn) release() {
	if c.buf != nil && c.r == c.w {
		putBuffer(c.buf)
		c.buf, c.r, c.w = nil, 0, 0
	}
}

// room makes room behind the unread bytes; false when they fill the buffer.
func (c *conn) room() bool {
	switch {
	case c.buf == nil && c.brief:
		c.buf = buffer(smallBuffer)
	case c.buf == nil:
		c.buf = buffer(bufferSize)
	case c.w < len(c.buf):
	case c.r > 0:
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	case len(c.buf) < bufferSize:
		larger := buffer(4 * len(c.buf))
		copy(larger, c.buf)
		putBuffer(c.buf)
		c.buf = larger
	default:
		return false
	}
	return true
}

var errFull = errors.New("the buffer is full")

// fill waits for more bytes. An error is io.EOF at a clean end.
func (c *conn) fill() error {
	if c.raw != nil {
		return c.fillRaw()
	}
	if !c.room() {
		return errFull
	}
	n, err := c.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	c.release()
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// write writes all of p.
func (c *conn) write(p []byte) error {
	if c.raw != nil {
		return c.writeRaw(p)
	}
	c.stalls()
	_, err := c.Write(p)
	c.moved()
	return err
}

// send is write, but however long the other side takes: nothing is odd about a
// WebSocket that is not read for a while.
func (c *conn) send(p []byte) error {
	if c.raw != nil {
		return c.writeRaw(p)
	}
	_, err := c.Write(p)
	return err
}

// stalls begins a wait for the other side to read; moved ends it.
func (c *conn) stalls() {
	if c.clock != nil {
		c.stall.Store(c.clock.in(writeTimeout))
	}
}

func (c *conn) moved() {
	if c.clock != nil && c.stall.Load() != 0 {
		c.stall.Store(0)
	}
}

// ask writes all of p and waits for the first bytes of what is said to it.
func (c *conn) ask(p []byte) error {
	if c.raw != nil {
		return c.askRaw(p)
	}
	if err := c.write(p); err != nil {
		return err
	}
	return c.fill()
}

// write2 writes a, then b.
func (c *conn) write2(a, b []byte) error {
	if len(b) == 0 {
		return c.write(a)
	}
	if cap(a)-len(a) >= len(b) {
		return c.write(append(a, b...))
	}
	c.pair = [2][]byte{a, b}
	c.both = c.pair[:]
	c.stalls()
	_, err := c.both.WriteTo(c.Conn)
	c.moved()
	c.pair = [2][]byte{}
	return err
}

// ended reports whether c was told to end, since its instance is about to be
// stopped. Whoever reads of it then sees an error.
func (c *conn) ended() bool { return c.of.ended.Load() }

// reset closes c in a way that the other side cannot take for the end of what
// it was sent.
func (c *conn) reset() {
	if t, ok := c.socket.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.socket.Close()
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// cut wakes whoever reads of c or writes to it, with an error.
func (c *conn) cut() { _ = c.socket.SetDeadline(past) }
