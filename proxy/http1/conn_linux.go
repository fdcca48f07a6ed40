package http1

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The fast path: reads and writes go to the kernel straight from the
// goroutine's turn at the poller. What net.Conn does beside that (deadlines,
// waiting, closing) stays the standard library's, through syscall.RawConn.

func (c *conn) prepare() {
	if c.tcp == nil {
		return
	}
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return
	}
	if raw.Control(func(fd uintptr) { c.fd = int(fd) }) != nil {
		return
	}
	if a, ok := c.tcp.RemoteAddr().(*net.TCPAddr); ok && a.IP.IsLoopback() && c.clock == nil {
		uncongested(raw)
	}
	c.raw, c.reading, c.writing = raw, c.tryRead, c.tryWrite
}

// sysRead and sysWrite do not tell the scheduler: the descriptors do not block.
func sysRead(fd int, p []byte) (int, syscall.Errno) {
	for {
		n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), 0, 0, 0)
		if e != syscall.EINTR {
			return int(n), e
		}
	}
}

func sysWrite(fd int, p []byte) (int, syscall.Errno) {
	for {
		n, _, e := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), syscall.MSG_NOSIGNAL, 0, 0)
		if e != syscall.EINTR {
			return int(n), e
		}
	}
}

// tryRead is called once the poller was reset: no readiness is lost between
// what it does and the wait that follows when it returns false.
func (c *conn) tryRead(uintptr) bool {
	if len(c.question) > 0 {
		// Written in here, a request needs no probing read before the wait
		// for its response.
		n, e := sysWrite(c.fd, c.question)
		switch {
		case e == 0 && n == len(c.question):
			c.question = nil
			return false
		case e != 0 && e != syscall.EAGAIN:
			c.readErr = os.NewSyscallError("write", e)
		default:
			c.question = c.question[max(n, 0):]
		}
		return true
	}
	if !c.room() {
		c.readErr = errFull
		return true
	}
	n, e := sysRead(c.fd, c.buf[c.w:])
	switch {
	case e == syscall.EAGAIN:
		c.release()
		return false
	case e != 0:
		c.readErr = os.NewSyscallError("read", e)
	case n == 0:
		c.readErr = io.EOF
	default:
		c.w += n
	}
	return true
}

func (c *conn) tryWrite(uintptr) bool {
	for len(c.out) > 0 {
		n, e := sysWrite(c.fd, c.out)
		switch {
		case e == syscall.EAGAIN:
			c.stalls()
			return false
		case e != 0:
			c.writeErr = os.NewSyscallError("write", e)
			return true
		}
		c.out = c.out[n:]
	}
	c.moved()
	return true
}

// relayed makes a write take as long as it does, from here on.
func (c *conn) relayed() {
	if c.raw != nil {
		c.writing = c.trySend
	}
}

func (c *conn) trySend(uintptr) bool {
	for len(c.out) > 0 {
		n, e := sysWrite(c.fd, c.out)
		switch {
		case e == syscall.EAGAIN:
			return false
		case e != 0:
			c.writeErr = os.NewSyscallError("write", e)
			return true
		}
		c.out = c.out[n:]
	}
	return true
}

func (c *conn) fillRaw() error {
	c.readErr = nil
	if err := c.raw.Read(c.reading); err != nil {
		return err
	}
	err := c.readErr
	if err != nil {
		c.release()
	}
	return err
}

func (c *conn) writeRaw(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	c.out, c.writeErr = p, nil
	err := c.raw.Write(c.writing)
	c.out = nil
	if err != nil {
		return err
	}
	return c.writeErr
}

func (c *conn) askRaw(p []byte) error {
	c.question, c.readErr = p, nil
	err := c.raw.Read(c.reading)
	rest := c.question
	c.question = nil
	switch {
	case err != nil:
		return err
	case c.readErr != nil:
		c.release()
		return c.readErr
	case len(rest) > 0:
		if err := c.writeRaw(rest); err != nil {
			return err
		}
		return c.fillRaw()
	}
	return nil
}

// alive reports whether the other side of an idle connection is still there,
// and has said nothing.
func (c *conn) alive() bool {
	if c.raw == nil {
		return true
	}
	var b [1]byte
	_, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(c.fd), uintptr(unsafe.Pointer(&b[0])), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	return e == syscall.EAGAIN
}

// left reports whether the other side of c has closed its end, at least for
// writing. Bytes may still be unread.
func left(c net.Conn) bool {
	const closed = unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR
	events, err := poll(c, unix.POLLRDHUP)
	return err != nil || events&closed != 0
}

// writable reports whether c takes more bytes just now.
func writable(c net.Conn) bool {
	events, err := poll(c, unix.POLLOUT)
	return err == nil && events&unix.POLLOUT != 0
}

// poll is which of the events c has, without waiting; none on what is no
// socket.
func poll(c net.Conn, events int16) (got int16, err error) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return 0, nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: events}}
		if n, err := unix.Poll(p, 0); err == nil && n > 0 {
			got = p[0].Revents
		}
	})
	return got, err
}
