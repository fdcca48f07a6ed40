package http1

import (
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"

	"github.com/msctl/msctl/proxy/wire"
)

// Call is a request to an instance and its response, for an engine whose
// clients speak something else. One goroutine may Upload while another receives.
type Call struct {
	Reused bool // the connection was idle, and may turn out to be closed

	upstream *Upstream
	conn     *conn
	head     *head // of the response
	tail     *head // the trailers of a chunked one
	body     body
	text     []byte // of the head: nothing writes to it any more
	begun    bool   // an informational response has come
	taken    int    // bytes of the body that the caller looks at
}

// Call takes an idle connection, or makes one. sure: not one that the instance
// has closed meanwhile. End must be called on it.
func (u *Upstream) Call(ctx context.Context, sure bool) (*Call, error) {
	k := u.take(sure)
	c := &Call{upstream: u, conn: k, Reused: k != nil}
	if k == nil {
		var err error
		if c.conn, err = u.dial(ctx); err != nil {
			return nil, err
		}
	}
	u.mu.Lock()
	if u.calls == nil {
		u.calls = map[*Call]struct{}{}
	}
	u.calls[c] = struct{}{}
	u.mu.Unlock()
	if u.Ended() {
		c.End(false)
		return nil, Replaced()
	}
	return c, nil
}

// Ended reports whether what is under way at u was told to end: what failed
// since did so for that.
func (u *Upstream) Ended() bool { return u.ended.Load() }

// Ended is that of its upstream.
func (c *Call) Ended() bool { return c.upstream.Ended() }

// Replaced is an error of a request that may go elsewhere since u was ended.
func Replaced() error { return &connectError{wire.ErrReplaced} }

// Dial makes a connection that is not pooled.
func (u *Upstream) Dial(ctx context.Context) (net.Conn, error) {
	if u.Ended() {
		return nil, Replaced()
	}
	c, err := u.dial(ctx)
	if err != nil {
		return nil, err
	}
	return c.Conn, nil
}

// Unconnected is why no connection was made, nil if err is something else.
func Unconnected(err error) error {
	var u *connectError
	if errors.As(err, &u) {
		return u.error
	}
	return nil
}

// Unanswered reports whether err is the end of a connection that nothing came
// on.
func Unanswered(err error) bool { return errors.As(err, new(*unanswered)) }

// Ask sends a head. more: a body follows, by Upload; without, it waits for the
// first bytes of the response.
func (c *Call) Ask(head []byte, more bool) error {
	var err error
	if more {
		err = c.conn.write(head)
	} else {
		err = c.conn.ask(head)
	}
	if err != nil {
		return &unanswered{err}
	}
	return nil
}

// Upload sends the body: length bytes of from, or, when length is -1, chunks
// and then what trailers has. Its error is that of reading; that the instance
// takes no more shows in the response.
func (c *Call) Upload(from io.Reader, length int64, trailers http.Header) error {
	const front = 8 // a chunk's line
	room := int64(bufferSize)
	if length >= 0 {
		room = min(length+front+2, room)
	}
	b := buffer(int(room))
	defer putBuffer(b)
	for sent := int64(0); sent != length; {
		n, err := from.Read(b[front : len(b)-2])
		sent += int64(n)
		p := b[front : front+n]
		if n > 0 && length < 0 {
			var line [front]byte
			l := appendChunk(line[:0], n)
			p = append(b[front-len(l):front+n], '\r', '\n')
			copy(p, l)
		}
		if n > 0 && c.conn.write(p) != nil {
			return nil
		}
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	if length < 0 {
		p := append(b[:0], "0\r\n"...)
		for name, values := range trailers {
			for _, v := range values {
				p = append(append(append(append(p, name...), ": "...), v...), "\r\n"...)
			}
		}
		_ = c.conn.write(append(p, "\r\n"...))
	}
	return nil
}

// Head waits for the next head, of an informational response or the final one,
// and returns its status. bodiless: it answers HEAD.
func (c *Call) Head(bodiless bool) (status int, err error) {
	n, err := responseHead(c.conn)
	if err != nil {
		switch {
		case len(c.conn.unread()) == 0 && !c.begun:
			return 0, &unanswered{err}
		case errors.Is(err, io.EOF):
			return 0, errHalfAnswered
		}
		return 0, err
	}
	c.begun = true
	if c.head == nil {
		c.head = heads.Get().(*head)
	}
	c.text = append([]byte(nil), c.conn.unread()[:n]...)
	c.conn.used(n)
	h := c.head
	if f := h.parseResponse(c.text, bodiless); f != nil {
		return 0, &answerError{f}
	}
	switch {
	case h.status == http.StatusSwitchingProtocols:
		return 0, &answerError{unknownUpgrade}
	case h.status >= 200:
		c.body.begin(c.conn, h.length, 0)
		c.body.plain = true
		if h.length == chunked {
			c.tail = heads.Get().(*head)
			c.tail.reset(nil)
			c.body.tail = c.tail
		}
	}
	return h.status, nil
}

// Length is that of the response's body, -1 when it is not known.
func (c *Call) Length() int64 { return max(c.head.length, chunked) }

// Count is how many fields the head has, at most.
func (c *Call) Count() int { return c.head.n }

// Get is the first value of the head's field called name, "" without one.
func (c *Call) Get(name string) string { return c.head.Get(name) }

// Fields are those of the head that are not for its connection alone.
func (c *Call) Fields() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) { each(c.head, yield) }
}

// Trailers are there once the body is over.
func (c *Call) Trailers() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		if c.tail != nil {
			each(c.tail, yield)
		}
	}
}

func each(h *head, yield func(name, value string) bool) {
	for i := range h.n {
		if f := &h.fields[i]; f.fate == keep && !yield(view(h.name(f)), view(h.valueOf(f))) {
			return
		}
	}
}

// There is what is there of the body, without waiting: nothing when more has to
// come, io.EOF at the end. It is valid until the next call.
func (c *Call) There() ([]byte, error) {
	c.settle()
	p, f := c.body.there()
	switch {
	case f != nil:
		return nil, &answerError{f}
	case len(p) == 0 && c.body.over:
		return nil, io.EOF
	}
	c.taken = len(p)
	return p, nil
}

// Next is There, but waits for at least one byte.
func (c *Call) Next() ([]byte, error) {
	c.settle()
	p, err := c.body.next()
	c.taken = len(p)
	var f *fault
	if errors.As(err, &f) {
		err = &answerError{f}
	}
	return p, err
}

func (c *Call) settle() {
	if c.taken > 0 {
		c.conn.used(c.taken)
		c.taken = 0
	}
}

// Cut makes all that is under way fail. It may be called by anyone until End.
func (c *Call) Cut() { c.conn.cut() }

// End ends the call, once nobody uploads any more. keep: the request was sent
// whole, so that the connection may serve another if its response is over.
func (c *Call) End(keep bool) {
	c.upstream.mu.Lock()
	delete(c.upstream.calls, c)
	c.upstream.mu.Unlock()
	c.settle()
	k := c.conn
	if keep && c.body.over && !c.head.close && len(k.unread()) == 0 {
		k.release()
		c.upstream.put(k)
	} else {
		k.r = k.w
		k.release()
		_ = k.Close()
	}
	for _, h := range []*head{c.head, c.tail} {
		if h != nil {
			h.reset(nil)
			heads.Put(h)
		}
	}
	c.head, c.tail = nil, nil
}

// Beside is what another engine keeps for an address.
type Beside interface {
	io.Closer // closes the connections, as they become idle
	Cut()     // closes those in use
}

// Beside is what another engine keeps for this address; make makes it the
// first time. Forget closes it, and End cuts it.
func (u *Upstream) Beside(make func() Beside) Beside {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.beside == nil {
		u.beside = make()
		if u.forgotten {
			_ = u.beside.Close()
		}
	}
	return u.beside
}
