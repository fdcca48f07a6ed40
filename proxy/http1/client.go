package http1

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/msctl/msctl/proxy/wire"
)

// client is a connection that requests come in on.
type client struct {
	conn
	server  *server
	ctx     context.Context // of the connection's requests; ends when it is aborted
	cancel  context.CancelCauseFunc
	remote  netip.Addr
	tls     bool
	h2      bool   // it is for the other engine
	told    []byte // what each request is told of the client, up to the host that it asked for
	toldEnd string // and from there on

	busy   atomic.Int64 // since when a request is under way; 0 none
	looked int64        // when it was last seen that the client is there

	timer    *time.Timer // of the route's timeout; made with the first
	upload   func()      // of exchange: made once
	x        *exchange   // under way
	uploaded chan struct{}

	mu    sync.Mutex
	up    *conn // in use
	cause error // why the connection is aborted
}

func newClient(ctx context.Context, s *server, n net.Conn) *client {
	c := &client{server: s, uploaded: make(chan struct{}, 1)}
	c.Conn, c.socket, c.clock, c.brief = n, n, &s.clock, true
	c.tcp, _ = n.(*net.TCPConn)
	c.prepare()
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	if a, ok := n.RemoteAddr().(*net.TCPAddr); ok {
		c.remote = a.AddrPort().Addr().Unmap()
	}
	c.tell("http")
	c.upload = c.uploadBody
	return c
}

// tell makes what each request of this connection is told (RFC 7239).
func (c *client) tell(proto string) {
	ip := c.remote.String()
	node := ip
	if strings.Contains(ip, ":") {
		node = `"[` + ip + `]"`
	}
	c.told = []byte("X-Forwarded-For: " + ip + "\r\nX-Forwarded-Proto: " + proto + "\r\nForwarded: for=" + node + `;host="`)
	c.toldEnd = `";proto=` + proto + "\r\n"
}

// secure makes the connection speak TLS, if the client does.
func (c *client) secure(config *tls.Config) error {
	c.expire.Store(c.server.clock.in(handshakeTimeout))
	if err := c.fill(); err != nil {
		return err
	}
	const handshake = 22 // RFC 8446 §5.1
	if c.unread()[0] != handshake {
		return nil
	}
	s := tls.Server(&prefixed{Conn: c.Conn, front: bytes.Clone(c.unread())}, config)
	c.used(c.w - c.r)
	ctx, cancel := context.WithTimeout(c.ctx, handshakeTimeout)
	defer cancel()
	if err := s.HandshakeContext(ctx); err != nil {
		return err
	}
	c.Conn, c.tcp, c.raw, c.tls = s, nil, nil, true
	c.tell("https")
	c.h2 = s.ConnectionState().NegotiatedProtocol == "h2"
	return nil
}

// prefixed is a connection of which some bytes were read ahead.
type prefixed struct {
	net.Conn
	front []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.front) > 0 {
		n := copy(b, p.front)
		p.front = p.front[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// Rest is a connection that Options.Other serves, from what nobody has read of
// it yet on. It is no *tls.Conn, whatever it carries.
type Rest struct {
	prefixed
	Client netip.Addr
	TLS    bool // it came encrypted
}

// CloseWrite ends what is sent, as far as the connection can.
func (r *Rest) CloseWrite() error {
	if h, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return nil
}

// rest is the connection as another engine can read it.
func (c *client) rest() net.Conn {
	c.expire.Store(0)
	_ = c.SetReadDeadline(time.Time{})
	r := &Rest{prefixed{c.Conn, bytes.Clone(c.unread())}, c.remote, c.tls}
	c.used(c.w - c.r)
	return r
}

// stop frees what the connection holds but the connection.
func (c *client) stop() {
	if c.timer != nil {
		c.timer.Stop()
	}
	c.cancel(nil)
	c.r = c.w
	c.release()
}

// look is called at each tick: it cuts the client off whose time has passed,
// and ends the request whose client has left.
func (c *client) look(now int64) (busy bool) {
	if at := c.expire.Load(); at != 0 && now > at {
		c.expire.Store(0)
		_ = c.socket.SetReadDeadline(past)
	}
	if at := c.stall.Load(); at != 0 && now > at {
		if writable(c.socket) { // it is the instance that is waited for
			c.stalls()
		} else {
			c.abort(errStalled)
			c.cut()
		}
	}
	since := c.busy.Load()
	if since == 0 {
		return false
	}
	// The longer it takes, the less often: the first time after a tick.
	if from := max(since, c.looked); now-from >= min(int64(tick)+(now-since)/4, int64(slowTick)) {
		c.looked = now
		if left(c.socket) {
			c.abort(wire.ErrClientGone)
		}
	}
	return true
}

var errStalled = errors.New("the client does not read its response")

// cutIdle ends the connection if no request is under way.
func (c *client) cutIdle() {
	if c.busy.Load() == 0 {
		_ = c.socket.SetReadDeadline(past)
	}
}

// abort ends the request that is under way, and the connection after it.
func (c *client) abort(cause error) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = cause
	}
	if c.up != nil {
		c.up.cut()
	}
	c.mu.Unlock()
	c.cancel(cause)
}

// end ends what is under way at u: whoever reads of the instance knows how.
func (c *client) end(u *Upstream, cut bool) {
	c.mu.Lock()
	up := c.up
	c.mu.Unlock()
	switch {
	case up == nil || up.of != u:
	case cut:
		c.abort(wire.ErrReplaced)
		c.cut()
	default:
		_ = up.socket.SetReadDeadline(past)
	}
}

// aborted is why, nil if it is not.
func (c *client) aborted() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// use makes up the connection that an abort cuts; nil for none.
func (c *client) use(up *conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up = up
	return c.cause
}

// one carries the next request, and reports whether another may follow.
func (c *client) one() bool {
	n, err := c.head()
	switch {
	case err != nil:
		c.refuseFor(err)
		return false
	case string(c.unread()[:n]) == preface:
		c.h2 = true
		return false
	}
	return c.exchange(n)
}

// preface begins a connection of HTTP/2 with prior knowledge (RFC 9113 §3.4).
const preface = "PRI * HTTP/2.0\r\n\r\n"

// head waits for a whole head, and returns its length.
func (c *client) head() (int, error) {
	c.expire.Store(c.server.clock.in(idleTimeout))
	searched, began := 0, false
	for {
		b := c.unread()
		for searched == 0 && len(b) > 1 && b[0] == '\r' && b[1] == '\n' { // RFC 9112 §2.2
			c.used(2)
			b = c.unread()
		}
		if len(b) > searched && (len(b) > 1 || b[0] != '\r') { // CR alone may be half of an empty line
			if i := bytes.Index(b[max(searched-3, 0):], headEnd); i >= 0 {
				c.expire.Store(0)
				return max(searched-3, 0) + i + len(headEnd), nil
			}
			if f := hopeless(b, searched); f != nil {
				return 0, f
			}
			if !began {
				began = true
				c.expire.Store(c.server.clock.in(headTimeout))
			}
			searched = len(b)
		}
		switch err := c.fill(); {
		case err == nil:
		case errors.Is(err, errFull):
			return 0, tooLarge
		case errors.Is(err, os.ErrDeadlineExceeded) && began:
			return 0, tooSlow
		default:
			return 0, err
		}
	}
}

var headEnd = []byte("\r\n\r\n")

// hopeless reports what is wrong with a head that is not all there, if that
// cannot become right any more: it would be waited for in vain.
func hopeless(b []byte, from int) *fault {
	if class[b[0]]&isToken == 0 && b[0] != '\r' {
		return badMethod
	}
	for i := bytes.IndexByte(b[from:], '\n'); i >= 0; {
		if from += i; from == 0 || b[from-1] != '\r' {
			return badEnd
		}
		from++
		i = bytes.IndexByte(b[from:], '\n')
	}
	return nil
}

// linger lets the client see what it was told before it could send all that it
// had to say: closing at once would take the answer away (RFC 9112 §9.6).
func (c *client) linger() {
	h, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || h.CloseWrite() != nil {
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(lingerTimeout))
	_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
}
