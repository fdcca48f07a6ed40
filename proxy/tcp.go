package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/stack"
)

// acceptPause keeps a listener that cannot accept, for want of file
// descriptors, from spinning.
const acceptPause = 50 * time.Millisecond

// relay carries raw connections from ln to the edge's instances, until ctx
// ends or ln is closed. Connections that are open then are cut off: nothing
// tells where their protocol could stop.
func (e edge) relay(ctx context.Context, ln net.Listener) error {
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	var open errgroup.Group
	defer open.Wait() //nolint:errcheck // what is run returns none
	for {
		client, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			e.g.OnError(fmt.Errorf("accept for %s: %w", e.pool.service, err))
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
			}
			continue
		}
		open.Go(func() error {
			carry(ctx, client, e.connection(client), cmp.Or(e.pool.how().connect, stack.DefaultConnectTimeout))
			return nil
		})
	}
}

// connection is the way of a connection.
func (e edge) connection(client net.Conn) *pass {
	h := &wire.Head{Method: "TCP", Header: noFields{}, Proto: "TCP"}
	if a, ok := client.RemoteAddr().(*net.TCPAddr); ok {
		h.Client = a.AddrPort().Addr().Unmap()
	}
	w := newPass(e.pool, e.g.recorder, e.series, h)
	w.hash, w.hashed = e.pool.how().hash(h)
	return w
}

type noFields struct{}

func (noFields) Get(string) string { return "" }

func (noFields) Has(string, string) bool { return false }

func (noFields) Values(string) iter.Seq[string] { return func(func(string) bool) {} }

// carry connects one client to an instance, each attempt within that time. When
// there is none, the client's connection is reset, so that it cannot take that
// for an empty answer.
func carry(ctx context.Context, client net.Conn, w *pass, within time.Duration) {
	o := wire.Outcome{Began: time.Now(), Proto: "TCP"}
	defer func() {
		o.Total = time.Since(o.Began)
		w.Done(&o)
	}()
	defer client.Close() //nolint:errcheck // nothing is left to be written
	r, err := connect(ctx, client, w, within)
	if err != nil {
		o.Err = err
		if c, ok := client.(*net.TCPConn); ok {
			_ = c.SetLinger(0)
		}
		return
	}
	e := w.at
	defer w.pool.relayed(e, r)
	server := r.server
	defer server.Close() //nolint:errcheck // as above
	defer context.AfterFunc(ctx, r.cut)()
	var both errgroup.Group
	for _, way := range []struct {
		to, from net.Conn
		bytes    *int64
	}{{server, client, &o.Received}, {client, server, &o.Sent}} {
		both.Go(func() (err error) {
			if *way.bytes, err = pump(way.to, way.from); err != nil {
				r.cut()
			}
			return err
		})
	}
	o.Err = both.Wait()
	if o.Err != nil && w.pool.ends(e) {
		o.Err = wire.ErrReplaced
	}
}

// relay is the two sides of a raw connection.
type relay struct{ client, server net.Conn }

func (r *relay) cut() { _ = r.client.Close(); _ = r.server.Close() }

// end tells both sides that nothing more comes.
func (r *relay) end() {
	for _, c := range []net.Conn{r.client, r.server} {
		if h, ok := c.(interface{ CloseWrite() error }); ok {
			_ = h.CloseWrite()
		}
	}
}

func connect(ctx context.Context, client net.Conn, w *pass, within time.Duration) (*relay, error) {
	d := net.Dialer{Timeout: within}
	var failed error
	for {
		u, err := w.Next(ctx, failed)
		if err != nil {
			return nil, err
		}
		c, err := d.DialContext(ctx, "tcp", u.Addr())
		if err == nil {
			r := &relay{client, c}
			if w.pool.relays(w.at, r) {
				return r, nil
			}
			_ = c.Close()
			failed = wire.ErrReplaced
			continue
		}
		failed = cause(err)
	}
}

// pump copies until from ends, and passes that end on.
func pump(to, from net.Conn) (n int64, err error) {
	if n, err = io.Copy(to, from); err != nil {
		return n, err
	}
	if h, ok := to.(interface{ CloseWrite() error }); ok {
		return n, h.CloseWrite()
	}
	return n, to.Close()
}
