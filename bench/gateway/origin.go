//go:build linux

package main

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// bodies are what the origin answers with, by path. Any request may have a body
// of the length that it declares.
var bodies = map[string]int{"/small": 200, "/16k": 16 << 10, "/1m": 1 << 20}

// headEnd ends the head of a message (RFC 9112 §2.1).
var headEnd = []byte("\r\n\r\n")

// readSize is how much is read at once: the largest body that goes over the wire.
const readSize = 1 << 20

// origin is the service behind the proxies: HTTP/1.1 without pipelining, on
// one thread, several ports.
type origin struct {
	poll    *poller
	ports   map[int]bool // listening sockets
	conns   map[int]*exchange
	answers map[string][]byte
	buf     []byte
}

// exchange is one connection: a request that comes in, then its answer.
type exchange struct {
	fd     int
	head   []byte // what has come of the head
	left   int    // bytes of the request's body that are still to come
	inBody bool
	answer []byte // what is to be sent
	armed  bool   // waits until the socket takes more of it
}

// serveOrigin answers on the ports named until the process is ended.
func serveOrigin(ports []string) error {
	debug.SetGCPercent(-1)
	poll, err := newPoller()
	if err != nil {
		return err
	}
	o := &origin{poll: poll, ports: map[int]bool{}, conns: map[int]*exchange{}, answers: map[string][]byte{}, buf: make([]byte, readSize)}
	for path, size := range bodies {
		o.answers[path] = append(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Mon, 23 Nov 2026 07:00:00 GMT\r\n"+
			"Content-Type: application/json\r\nContent-Length: %d\r\nCache-Control: no-store\r\nX-Request-Id: 0123456789abcdef\r\n\r\n", size),
			bytes.Repeat([]byte("x"), size)...)
	}
	for _, port := range ports {
		if err := o.listen(port); err != nil {
			return fmt.Errorf("listen on port %s: %w", port, err)
		}
	}
	for {
		events, err := o.poll.wait(time.Hour)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := o.handle(int(e.Fd)); err != nil {
				return err
			}
		}
	}
}

func (o *origin) listen(port string) error {
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: n, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	o.ports[fd] = true
	if err := unix.Listen(fd, 4096); err != nil {
		return err
	}
	return o.poll.add(fd, unix.EPOLLIN)
}

func (o *origin) handle(fd int) error {
	if o.ports[fd] {
		return o.accept(fd)
	}
	if x := o.conns[fd]; !o.read(x) || !o.send(x) {
		delete(o.conns, fd)
		return unix.Close(fd)
	}
	return nil
}

func (o *origin) accept(port int) error {
	for {
		fd, _, err := unix.Accept4(port, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
		case unix.EAGAIN:
			return nil
		case unix.ECONNABORTED, unix.EINTR:
			continue
		default:
			return fmt.Errorf("accept: %w", err)
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return err
		}
		o.conns[fd] = &exchange{fd: fd}
		if err := o.poll.add(fd, unix.EPOLLIN); err != nil {
			return err
		}
	}
}

// read takes in what has come, and sets the answer once the request is whole.
// It reports false when the connection is over.
func (o *origin) read(x *exchange) bool {
	n, err := read(x.fd, o.buf)
	if err == unix.EAGAIN {
		return true
	}
	if err != 0 || n == 0 {
		return false
	}
	if x.inBody {
		x.left -= n
	} else {
		x.head = append(x.head, o.buf[:n]...)
		end := bytes.Index(x.head, headEnd)
		if end < 0 {
			return true
		}
		length, ok := contentLength(x.head[:end+2])
		if !ok {
			length = 0
		}
		x.inBody, x.left = true, length-(len(x.head)-end-len(headEnd))
	}
	if x.left > 0 {
		return true
	}
	x.answer = o.answerTo(x.head)
	x.head, x.inBody = x.head[:0], false
	return x.left == 0 // else it is pipelined, or chunked, which no proxy here does
}

// answerTo is the answer to the request with this head; "/small"'s for a path
// that has none of its own.
func (o *origin) answerTo(head []byte) []byte {
	_, target, _ := bytes.Cut(head, []byte(" "))
	path, _, _ := bytes.Cut(target, []byte(" "))
	if a, ok := o.answers[string(path)]; ok {
		return a
	}
	return o.answers["/small"]
}

// send sends what the socket takes of the answer. It reports false when the
// connection is over.
func (o *origin) send(x *exchange) bool {
	n, err := write(x.fd, x.answer)
	if err != 0 {
		return false
	}
	x.answer = x.answer[n:]
	armed := len(x.answer) > 0
	if armed == x.armed {
		return true
	}
	x.armed = armed
	return o.poll.change(x.fd, interest(armed)) == nil
}

// interest is what to wait for on a connection that has something to send, or not.
func interest(sending bool) uint32 {
	if sending {
		return unix.EPOLLIN | unix.EPOLLOUT
	}
	return unix.EPOLLIN
}

// contentLength is the value of a head's Content-Length.
func contentLength(head []byte) (n int, ok bool) {
	name := []byte("content-length:")
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], name) {
			n, err := strconv.Atoi(string(bytes.TrimSpace(line[len(name):])))
			return n, err == nil
		}
	}
	return 0, false
}
