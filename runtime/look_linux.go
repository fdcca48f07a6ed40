package runtime

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// connect begins a connection to a loopback address. The kernel makes it, or
// refuses it, at once.
func connect(addr netip.AddrPort) (fd int, err error) {
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()})
	if addr.Addr().Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	}
	if fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, err
	}
	if err = unix.Connect(fd, sa); err != nil && err != unix.EINPROGRESS {
		_ = unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// knock tells at once, and at a fifth of the cost of a dial, whether somebody
// listens on a loopback address: most looks at a service that starts find that
// nobody does. Where known is false, a dial has to tell.
func knock(addr string) (listens, known bool) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || !ap.Addr().IsLoopback() {
		return false, false
	}
	fd, err := connect(ap)
	if err != nil {
		return false, errors.Is(err, unix.ECONNREFUSED)
	}
	defer unix.Close(fd) //nolint:errcheck // a socket of no further use
	_, err = unix.Getpeername(fd)
	return true, err == nil // else the kernel is still at it
}

// lookAll asks all at once and waits for the answers with few polls: no
// goroutine, timer or entry in the runtime's poller for each.
func lookAll(looks []look, patience time.Duration) []error {
	answers := make([]error, len(looks))
	fds := make([]unix.PollFd, len(looks))
	waiting := 0
	for n, l := range looks {
		fd, err := connect(l.addr)
		if err != nil {
			answers[n], fds[n].Fd = l.failed(err), -1 // poll passes it over
			continue
		}
		fds[n] = unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT} //nolint:gosec // a file descriptor
		answers[n] = errLate
		waiting++
	}
	for until := time.Now().Add(patience); waiting > 0; {
		left := max(time.Until(until), 0)
		ready, err := unix.Poll(fds, int(left.Milliseconds()))
		if ready <= 0 && (left == 0 || err != nil && !errors.Is(err, unix.EINTR)) {
			break
		}
		for n := range fds {
			f := &fds[n]
			if f.Fd < 0 || f.Revents == 0 {
				continue
			}
			var done bool
			if done, answers[n] = looks[n].proceed(f); done {
				_ = unix.Close(int(f.Fd))
				f.Fd = -1
				waiting--
			}
		}
	}
	for _, f := range fds {
		if f.Fd >= 0 {
			_ = unix.Close(int(f.Fd))
		}
	}
	return answers
}

// proceed takes the next step of a look whose socket is ready for it.
func (l look) proceed(f *unix.PollFd) (done bool, answer error) {
	fd := int(f.Fd)
	if f.Events == unix.POLLIN {
		return true, l.answer(fd)
	}
	if e, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || e != 0 {
		return true, l.failed(errors.Join(err, syscall.Errno(e)))
	}
	if l.request == nil {
		return true, nil
	}
	if err := l.ask(fd); err != nil {
		return true, l.failed(err)
	}
	f.Events = unix.POLLIN
	return false, errLate
}

func (l look) ask(fd int) error {
	_, err := unix.Write(fd, l.request)
	return err
}

func (l look) failed(err error) error {
	if errors.Is(err, unix.ECONNREFUSED) {
		return nobody(l.addr.String())
	}
	return fmt.Errorf("connect to %s: %w", l.addr, err)
}

// answer reads what a service has answered on fd.
func (l look) answer(fd int) error {
	var head [4096]byte // all of a probe's answer as a rule: what is unread would reset the connection
	n, err := unix.Read(fd, head[:])
	if err != nil || n == 0 {
		return fmt.Errorf("%s: the connection was closed without an answer", l.what)
	}
	status, ok := statusOf(head[:n])
	switch {
	case !ok:
		return fmt.Errorf("%s: the answer is not HTTP/1", l.what)
	case !l.accepts(status):
		return fmt.Errorf("%s answered %d %s", l.what, status, http.StatusText(status))
	}
	return nil
}

// statusOf reads the status out of "HTTP/1.1 200 …" (RFC 9112 §4).
func statusOf(head []byte) (int, bool) {
	const prefix = "HTTP/1."
	if len(head) < len("HTTP/1.1 200") || string(head[:len(prefix)]) != prefix || head[8] != ' ' {
		return 0, false
	}
	status, err := strconv.Atoi(string(head[9:12]))
	return status, err == nil && status >= 100
}
