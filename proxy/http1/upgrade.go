package http1

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/msctl/msctl/proxy/wire"
)

// switched passes a change of protocol on, whose head is n bytes long, and
// relays what follows in both directions until both have ended.
func (x *exchange) switched(c *conn, n int) error {
	h := x.head
	if x.upgrade == "" || !strings.EqualFold(string(h.upgrade), x.upgrade) {
		x.drop(c)
		return x.fail(&answerError{unknownUpgrade})
	}
	b := append(x.out[:0], "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "...)
	b = append(b, h.upgrade...)
	b = append(b, '\r', '\n')
	b = x.copyFields(b, x.terms.Response, x.terms.Late, unchunked)
	b = appendRules(b, x.terms.Response)
	b = appendFields(b, x.terms.Late)
	b = append(b, '\r', '\n')
	c.used(n)
	x.answered, x.last = true, true
	x.outcome.Status = h.status
	if x.timer != nil {
		x.timer.Stop()
	}
	x.busy.Store(0) // a side that has ended is passed on, not a reason to cut the other
	defer x.drop(c)
	if err := x.write2(b, c.unread()); err != nil {
		return err
	}
	s := newSocket(&x.conn, c)
	s.down.passed(c.unread())
	// Bytes that came right behind the request's head are the new protocol's.
	early := x.unread()
	if err := c.write(early); err != nil {
		return err
	}
	s.up.passed(early)
	var err error
	if equalFold(x.upgrade, "websocket") {
		err = s.relay()
	}
	x.response.count, x.request.count = s.down.count, s.up.count
	if !equalFold(x.upgrade, "websocket") {
		err = x.tunnel(c)
	}
	if err != nil && c.ended() {
		err = wire.ErrReplaced
	}
	return err
}

// tunnel relays what nobody here knows the form of.
func (x *exchange) tunnel(c *conn) error {
	var back sync.WaitGroup
	var backErr error
	back.Go(func() {
		n, err := pump(x.Conn, c.Conn)
		x.response.count += n
		if backErr = err; err != nil {
			x.cutBoth(c)
		}
	})
	sent, err := pump(c.Conn, x.Conn)
	x.request.count += sent
	if err != nil {
		x.cutBoth(c)
	}
	back.Wait()
	return errors.Join(err, backErr)
}

func (x *exchange) cutBoth(c *conn) {
	c.cut()
	x.cut()
}

// pump copies until from ends, and passes that end on.
func pump(to, from net.Conn) (n int64, err error) {
	if n, err = io.Copy(to, from); err != nil {
		return n, err
	}
	if h, ok := to.(interface{ CloseWrite() error }); ok {
		return n, h.CloseWrite()
	}
	return n, to.SetDeadline(time.Now())
}
