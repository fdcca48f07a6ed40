//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// spec is what a generator sends, and for how long.
type spec struct {
	Port  int
	Path  string
	Body  int // bytes that a POST carries; 0 is a GET
	Conns int
	// Rate is how many requests a second are due, whatever comes back, and
	// latencies count from when they were; 0: each connection sends one as soon
	// as the one before is answered.
	Rate int
	H2   bool // HTTP/2 with prior knowledge, Streams at once on each connection
	// Streams is for H2.
	Streams int
	Warm    time.Duration
	For     time.Duration
	PIDs    []int // whose processor time and memory are taken
	CPU     int   // the processor that is theirs alone; -1: they have none
}

// result is what one run of a generator gave.
type result struct {
	Done     int     // requests answered as they should be
	Seconds  float64 // that they took
	CPU      float64 // µs of the processes' processor time per request
	P50, P99 float64 // µs of latency
	RSS      float64 // MiB of the processes, while all connections were open
	Others   float64 // share of the processor CPU that was not the processes'
}

// generate is the generator's process: it prints a result.
func generate(args []string) error {
	var s spec
	if len(args) != 1 {
		return errors.New("load: want a specification")
	}
	if err := json.Unmarshal([]byte(args[0]), &s); err != nil {
		return err
	}
	run := runHTTP1
	if s.H2 {
		run = runHTTP2
	}
	r, err := run(s)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// generator drives HTTP/1.1 connections from one thread.
type generator struct {
	spec
	want    int // bytes of the body of each answer
	request []byte
	poll    *poller
	clients map[int]*client
	idle    []*client // without a request, the longest first
	begin   time.Time
	now     time.Duration // since begin
	waiting []time.Duration
	issued  int // requests that have been due so far
	took    []time.Duration
	buf     []byte
}

// client is one connection.
type client struct {
	fd     int
	due    time.Duration // when its request was
	busy   bool
	sent   int // bytes of the request
	armed  bool
	head   []byte // what has come of the answer's head
	inBody bool
	left   int // bytes of the body that are still to come
}

// runHTTP1 sends what s says. An answer that is not 200 with a body of the
// right length, or a connection that ends, is an error.
func runHTTP1(s spec) (result, error) {
	debug.SetGCPercent(-1)
	poll, err := newPoller()
	if err != nil {
		return result{}, err
	}
	g := &generator{spec: s, want: bodies[s.Path], request: request(s), poll: poll, clients: map[int]*client{}, buf: make([]byte, readSize)}
	for range s.Conns {
		if err := g.dial(); err != nil {
			return result{}, fmt.Errorf("connect: %w", err)
		}
	}
	g.begin = time.Now()
	if s.Rate == 0 {
		for _, c := range g.idle {
			if err := g.start(c, 0); err != nil {
				return result{}, err
			}
		}
		g.idle = nil
	}
	if err := g.until(s.Warm); err != nil {
		return result{}, err
	}
	g.took = make([]time.Duration, 0, 1<<20)
	before := take(s.PIDs, s.CPU)
	if err := g.until(s.Warm + s.For); err != nil {
		return result{}, err
	}
	r := take(s.PIDs, s.CPU).since(before, len(g.took))
	if n := g.stuck(); n > 0 {
		return result{}, fmt.Errorf("%d connections had no answer for %v", n, patience)
	}
	slices.Sort(g.took)
	r.P50, r.P99 = quantile(g.took, .5), quantile(g.took, .99)
	return r, nil
}

// patience is by far more than any proxy takes that works.
const patience = time.Second

// stuck is how many requests have no answer for too long.
func (g *generator) stuck() (n int) {
	for _, c := range g.clients {
		if c.busy && g.now-c.due > patience {
			n++
		}
	}
	return n
}

// request is what a browser might send.
func request(s spec) []byte {
	const fields = "Host: svc.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) bench/1.0\r\nAccept: application/json, text/plain, */*\r\n" +
		"Accept-Encoding: identity\r\nAccept-Language: en-US,en;q=0.9\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n"
	if s.Body == 0 {
		return fmt.Appendf(nil, "GET %s HTTP/1.1\r\n%s\r\n", s.Path, fields)
	}
	head := fmt.Appendf(nil, "POST %s HTTP/1.1\r\n%sContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", s.Path, fields, s.Body)
	return append(head, bytes.Repeat([]byte("x"), s.Body)...)
}

func (g *generator) dial() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: g.Port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := errors.Join(unix.SetNonblock(fd, true), unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)); err != nil {
		return err
	}
	c := &client{fd: fd}
	g.clients[fd] = c
	g.idle = append(g.idle, c)
	return g.poll.add(fd, unix.EPOLLIN)
}

// until sends and receives until end, counted from begin.
func (g *generator) until(end time.Duration) error {
	for {
		g.now = time.Since(g.begin)
		if g.now >= end {
			return nil
		}
		next, err := g.issue()
		if err != nil {
			return err
		}
		events, err := g.poll.wait(min(next, end-g.now))
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := g.handle(g.clients[int(e.Fd)]); err != nil {
				return err
			}
		}
	}
}

// issue starts the requests that are due, as far as there are connections for
// them, and says how long it is until the next.
func (g *generator) issue() (next time.Duration, err error) {
	if g.Rate == 0 {
		return time.Hour, nil
	}
	for {
		due := time.Duration(g.issued) * time.Second / time.Duration(g.Rate)
		if next = due - g.now; next > 0 {
			break
		}
		g.waiting = append(g.waiting, due)
		g.issued++
	}
	n := min(len(g.waiting), len(g.idle))
	for i, c := range g.idle[:n] {
		if err := g.start(c, g.waiting[i]); err != nil {
			return 0, err
		}
	}
	g.waiting, g.idle = g.waiting[n:], g.idle[n:]
	return next, nil
}

func (g *generator) start(c *client, due time.Duration) error {
	c.due, c.busy, c.sent = due, true, 0
	return g.send(c)
}

func (g *generator) send(c *client) error {
	n, errno := write(c.fd, g.request[c.sent:])
	if errno != 0 {
		return fmt.Errorf("send a request: %w", errno)
	}
	c.sent += n
	armed := c.sent < len(g.request)
	if armed == c.armed {
		return nil
	}
	c.armed = armed
	return g.poll.change(c.fd, interest(armed))
}

func (g *generator) handle(c *client) error {
	if c.armed {
		if err := g.send(c); err != nil {
			return err
		}
	}
	done, err := g.receive(c)
	if err != nil || !done {
		return err
	}
	now := time.Since(g.begin)
	if g.took != nil {
		g.took = append(g.took, now-c.due)
	}
	c.busy = false
	if g.Rate == 0 {
		return g.start(c, now)
	}
	g.idle = append(g.idle, c)
	return nil
}

// receive takes in what has come, and reports whether the answer is whole.
func (g *generator) receive(c *client) (done bool, err error) {
	n, errno := read(c.fd, g.buf)
	switch {
	case errno == unix.EAGAIN:
		return false, nil
	case errno != 0:
		return false, fmt.Errorf("receive an answer: %w", errno)
	case n == 0:
		return false, errors.New("the proxy has closed a connection")
	case !c.busy:
		return false, fmt.Errorf("%d bytes came that nobody asked for", n)
	}
	if c.inBody {
		c.left -= n
	} else {
		c.head = append(c.head, g.buf[:n]...)
		end := bytes.Index(c.head, headEnd)
		if end < 0 {
			return false, nil
		}
		if length, ok := contentLength(c.head[:end+2]); !ok || length != g.want || !bytes.HasPrefix(c.head, []byte("HTTP/1.1 200")) {
			return false, fmt.Errorf("want 200 and %d bytes, got %q", g.want, c.head[:end])
		}
		c.left = g.want - (len(c.head) - end - len(headEnd))
		c.head, c.inBody = c.head[:0], true
	}
	if c.left < 0 || c.left == 0 && c.sent < len(g.request) {
		return false, errors.New("an answer is longer than it said, or came before the request was whole")
	}
	if c.left > 0 {
		return false, nil
	}
	c.inBody = false
	return true, nil
}

// quantile is of sorted latencies, in µs.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(q*float64(len(sorted)-1))]) / float64(time.Microsecond)
}
