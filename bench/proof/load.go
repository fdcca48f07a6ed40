package proof

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Load is how a service is asked.
type Load struct {
	Service     string // that answers
	Path        string // at the gateway; "/" and the service's name by default
	Rate        int    // requests a second, GET and POST alternately
	Connections int    // that they are sent over; each waits for its answer before it goes on
}

// Ask asks until ctx ends, and returns once the last answer is there. Each
// connection is kept, and no request is ever repeated.
func (s *Stack) Ask(ctx context.Context, loads ...Load) {
	var all sync.WaitGroup
	for _, l := range loads {
		if l.Path == "" {
			l.Path = "/" + l.Service
		}
		every := time.Second * time.Duration(l.Connections) / time.Duration(l.Rate)
		for n := range l.Connections {
			all.Go(func() {
				c := &connection{stack: s, load: l}
				defer c.close()
				c.ask(ctx, every, every*time.Duration(n)/time.Duration(l.Connections), n)
			})
		}
	}
	all.Wait()
}

// connection is one that a client keeps.
type connection struct {
	stack *Stack
	load  Load
	conn  net.Conn // nil when there is none
	in    *bufio.Reader
}

func (c *connection) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// ask sends requests at even distances, after a while.
func (c *connection) ask(ctx context.Context, every, after time.Duration, from int) {
	first := time.NewTimer(after)
	defer first.Stop()
	select {
	case <-first.C:
	case <-ctx.Done():
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := from; ; n++ {
		method := http.MethodGet
		if n%2 == 1 {
			method = http.MethodPost
		}
		c.request(method, n)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// request makes one request, and judges the answer.
func (c *connection) request(method string, n int) {
	s, posted := c.stack, ""
	if method == http.MethodPost {
		posted = fmt.Sprintf("%d %s", n, strings.Repeat("x", 200))
	}
	floor, sent := s.Floor(c.load.Service), time.Now()
	body, err := c.exchange(method, posted)
	took := time.Since(sent)
	version := -1
	if err == nil {
		var line, rest string
		line, rest, _ = strings.Cut(body, "\n")
		if version, _, err = parse(line); err == nil && rest != posted {
			err = fmt.Errorf("posted %q, got %q back", posted, rest)
		}
	}
	s.mu.Lock()
	s.tally.Requests++
	s.tally.Slowest = max(s.tally.Slowest, took)
	kind := answer{c.load.Service, method, version}
	if _, had := s.firsts[kind]; !had && err == nil && c.load.direct() {
		s.firsts[kind] = sent.Add(took)
	}
	s.mu.Unlock()
	switch {
	case err != nil:
		c.close()
		s.report(func(t *Tally) { t.Failed++ }, sent, "%s %s: %v", method, c.load.Path, err)
	case version < floor:
		s.report(func(t *Tally) { t.Stale++ }, sent, "%s %s: answered by v%d, when all had v%d", method, c.load.Path, version, floor)
	}
}

// direct reports whether the service is asked without another one between.
func (l Load) direct() bool { return l.Path == "/"+l.Service }

// exchange sends a request and reads the answer's body.
func (c *connection) exchange(method, posted string) (string, error) {
	if c.conn == nil {
		var err error
		d := net.Dialer{Timeout: patience}
		if c.conn, err = d.DialContext(context.Background(), "tcp", c.stack.door); err != nil {
			return "", err
		}
		c.in = bufio.NewReader(c.conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	length := ""
	if method == http.MethodPost {
		length = fmt.Sprintf("Content-Length: %d\r\n", len(posted))
	}
	if _, err := fmt.Fprintf(c.conn, "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n%s", method, c.load.Path, c.stack.door, length, posted); err != nil {
		return "", err
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return "", err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	if err == nil && res.Close {
		err = fmt.Errorf("%s, but the connection is closed after it", res.Status)
	}
	return string(body), err
}

// AwaitAnswer waits for the first answer by a version of a service, and
// returns when it had come.
func (s *Stack) AwaitAnswer(ctx context.Context, service, method string, version int) (time.Time, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		s.mu.Lock()
		at, ok := s.firsts[answer{service, method, version}]
		s.mu.Unlock()
		if ok {
			return at, nil
		}
		select {
		case <-tick.C:
		case <-limit.C:
			return at, fmt.Errorf("no %s of %s was answered by v%d within %s\n%s", method, service, version, patience, s.Table())
		case <-ctx.Done():
			return at, ctx.Err()
		}
	}
}
