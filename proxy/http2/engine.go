// Package http2 is the gateway's engine for clients of HTTP/2, over TLS and in
// clear text, and for services that speak nothing else. Package http1 accepts
// the connections, and hands over those that are not its own; requests for
// services of HTTP/1.1 go back to its pooled connections.
//
// Frames, HPACK and flow control are net/http's, and so is the bound on clients
// that reset their streams rapidly. WebSockets over HTTP/2 (RFC 8441) are not
// offered: browsers then open a connection of HTTP/1.1 for them.
package http2

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/msctl/msctl/proxy/http1"
	"github.com/msctl/msctl/proxy/wire"
)

// Limits of a client's connection.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 75 * time.Second // nginx's keepalive_timeout
	writeTimeout      = 60 * time.Second // in which the client takes nothing at all; nginx's send_timeout
	maxHeaderBytes    = 32 << 10         // as in HTTP/1.1
	maxStreams        = 250              // at once; net/http's default. RFC 9113 §6.5.2 wants 100 or more
)

// grace is how long what is in flight may go on once a listener ends.
const grace = 3 * time.Second

// Engine carries requests. It is safe for concurrent use.
type Engine struct {
	log *log.Logger

	mu  sync.Mutex
	h2c map[*transport]struct{} // that are not closed
}

// New makes an engine that reports to onError what concerns no single request.
func New(onError func(error)) *Engine {
	return &Engine{log: log.New(reporter(onError), "", 0), h2c: map[*transport]struct{}{}}
}

// reporter makes an error of each line that is logged.
type reporter func(error)

func (r reporter) Write(p []byte) (int, error) {
	r(errors.New(strings.TrimSpace(string(p))))
	return len(p), nil
}

var errEnding = errors.New("the gateway ends")

// Serve carries the requests that come in through ln, whose connections are
// http1's, to where door says, until ctx ends or ln is closed. Then it accepts
// nothing more, and cuts off what has not finished within a short grace. It
// returns when nothing of it is left.
func (e *Engine) Serve(ctx context.Context, ln net.Listener, door wire.Door) error {
	requests, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(errEnding)
	h := &handler{engine: e, door: door}
	server := &http.Server{
		Handler:                      h,
		Protocols:                    new(http.Protocols),
		DisableGeneralOptionsHandler: true, // OPTIONS * is the door's
		HTTP2:                        &http.HTTP2Config{MaxConcurrentStreams: maxStreams, WriteByteTimeout: writeTimeout},
		ReadHeaderTimeout:            readHeaderTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		ErrorLog:                     e.log,
		BaseContext:                  func(net.Listener) context.Context { return requests },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, newPeer(c.(batched).Rest))
		},
	}
	// TLS has ended before it: what comes begins with the preface either way.
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	ended := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer ended()
	err := server.Serve(batching{ln})
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	limited, done := context.WithTimeout(requests, grace)
	defer done()
	shut(requests, server)
	_ = h.flight.Wait(limited)
	cut(errEnding)
	_ = server.Close()
	return errors.Join(err, h.flight.Wait(context.WithoutCancel(ctx)))
}

// shut tells the clients that server ends. A connection that no request came
// on yet, as browsers open them ahead, would have it wait for 5 s.
func shut(ctx context.Context, server *http.Server) {
	brief, done := context.WithTimeout(ctx, 100*time.Millisecond)
	defer done()
	_ = server.Shutdown(brief)
}

// Close closes the connections to all addresses.
func (e *Engine) Close() {
	e.mu.Lock()
	all := e.h2c
	e.h2c = map[*transport]struct{}{}
	e.mu.Unlock()
	for t := range all {
		t.CloseIdleConnections()
	}
}

// batching is a listener of batched connections.
type batching struct{ net.Listener }

func (b batching) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return batched{c.(*http1.Rest)}, nil
}

// batched is a connection on which whoever can run goes before a write. The
// server flushes after each frame that no other waits behind, so a response
// alone is two writes; those of all streams that are ready become one.
type batched struct{ *http1.Rest }

func (b batched) Write(p []byte) (int, error) {
	runtime.Gosched()
	return b.Rest.Write(p)
}

// peer is the other side of a client's connection.
type peer struct {
	addr      netip.Addr
	tls       bool
	ip, proto string
	before    string // of the Forwarded field (RFC 7239): what comes before the host,
	after     string // and after it
}

type peerKey struct{}

func newPeer(r *http1.Rest) *peer {
	p := &peer{addr: r.Client, tls: r.TLS, ip: r.Client.String(), proto: "http"}
	if p.tls {
		p.proto = "https"
	}
	node := p.ip
	if p.addr.Is6() {
		node = `"[` + node + `]"`
	}
	p.before, p.after = "for="+node+`;host="`, `";proto=`+p.proto
	return p
}
