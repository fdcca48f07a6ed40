package verify

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

var (
	// errUnread is a request that never reached the service: a system that
	// closes a connection with something unread in it resets it.
	errUnread = errors.New("reset before it was read")
	// errCut is an answer that ended too soon.
	errCut = errors.New("cut in the middle of its answer")
)

// flight is one request, on a connection of its own.
type flight struct {
	conn   net.Conn
	in     *bufio.Reader
	sent   time.Time
	detach func() bool // from ctx
}

// depart connects and sends a request, or its beginning. All of the flight
// takes no longer than patience.
func depart(ctx context.Context, addr, request string, patience time.Duration) (*flight, error) {
	d := net.Dialer{Timeout: patience}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	f := &flight{conn: conn, in: bufio.NewReader(conn), detach: context.AfterFunc(ctx, func() { _ = conn.Close() })}
	_ = conn.SetDeadline(time.Now().Add(patience)) // sockets have deadlines
	if _, err := io.WriteString(conn, request); err != nil {
		f.end()
		return nil, err
	}
	f.sent = time.Now()
	return f, nil
}

func (f *flight) end() {
	f.detach()
	_ = f.conn.Close()
}

// land waits for the whole answer, and ends the flight.
func (f *flight) land() error {
	defer f.end()
	if _, err := f.in.Peek(1); err != nil {
		if errors.Is(err, syscall.ECONNRESET) {
			return errUnread
		}
		return err
	}
	for {
		res, err := http.ReadResponse(f.in, nil)
		if err == nil && res.StatusCode == http.StatusContinue {
			continue
		}
		if err == nil {
			_, err = io.Copy(io.Discard, io.LimitReader(res.Body, maxBody))
			_ = res.Body.Close()
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errCut, err)
		}
		return nil
	}
}

const (
	// holds is how many requests are held over the signal.
	holds = 2
	// heldBody is the body of the requests that are held. It is no JSON, so
	// that nothing is stored because of it.
	heldBody = `{"verify": ?}`
	// holdPatience is how long a service may take to answer to the beginning
	// of a request. One that does not answer waits for the rest.
	holdPatience = time.Second
)

// held is a request that cannot be answered before its body is sent: the
// service has begun with it, and waits.
type held struct {
	*flight
	landed chan error
}

// holdAll begins the requests that are held, if there is a path for them.
func holdAll(ctx context.Context, addr, path string, patience time.Duration) []*held {
	var all []*held
	for range holds {
		if path == "" {
			break
		}
		if h := hold(ctx, addr, path, patience); h != nil {
			all = append(all, h)
		}
	}
	return all
}

// hold sends the beginning of a POST. It returns nil when the service answers
// without having read the body.
func hold(ctx context.Context, addr, path string, patience time.Duration) *held {
	request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		path, addr, len(heldBody))
	f, err := depart(ctx, addr, request, patience)
	if err != nil {
		return nil
	}
	if !f.waits() {
		f.end()
		return nil
	}
	_ = f.conn.SetDeadline(time.Now().Add(patience))
	h := &held{flight: f, landed: make(chan error, 1)}
	go func() { h.landed <- f.land() }()
	return h
}

// waits reports whether the service wants the body: it says so, or nothing.
func (f *flight) waits() bool {
	_ = f.conn.SetReadDeadline(time.Now().Add(holdPatience))
	if _, err := f.in.Peek(1); err != nil {
		return errors.Is(err, os.ErrDeadlineExceeded)
	}
	res, err := http.ReadResponse(f.in, nil)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusContinue
}

// release sends the rest, and returns what became of the request.
func (h *held) release() error {
	select {
	case err := <-h.landed: // it was answered all the same
		return err
	default:
	}
	_, _ = io.WriteString(h.conn, heldBody) // a connection that is closed shows when it is read
	return <-h.landed
}
