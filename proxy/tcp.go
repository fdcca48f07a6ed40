package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/msctl/msctl/proxy/wire"
)

// connectTimeout is Envoy's default for a cluster.
const connectTimeout = 5 * time.Second

// acceptPause keeps a listener that cannot accept, for want of file
// descriptors, from spinning.
const acceptPause = 50 * time.Millisecond

// relay carries raw connections from ln to the pool's instances, until ctx
// ends or ln is closed. Connections that are open then are cut off: nothing
// tells where their protocol could stop.
func relay(ctx context.Context, ln net.Listener, p *pool, onError func(error)) error {
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	var open errgroup.Group
	defer open.Wait() //nolint:errcheck // what is run returns none
	for {
		client, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			onError(fmt.Errorf("accept for %s: %w", p.service, err))
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
			}
			continue
		}
		open.Go(func() error {
			carry(ctx, client, &pass{pool: p})
			return nil
		})
	}
}

// carry connects one client to an instance. When there is none, the client's
// connection is reset, so that it cannot take that for an empty answer.
func carry(ctx context.Context, client net.Conn, w wire.Pass) {
	defer w.Done(&wire.Outcome{})
	defer client.Close() //nolint:errcheck // nothing is left to be written
	server, err := connect(ctx, w)
	if err != nil {
		if c, ok := client.(*net.TCPConn); ok {
			_ = c.SetLinger(0)
		}
		return
	}
	defer server.Close() //nolint:errcheck // as above
	cut := func() { _ = client.Close(); _ = server.Close() }
	defer context.AfterFunc(ctx, cut)()
	var both errgroup.Group
	for _, way := range [][2]net.Conn{{server, client}, {client, server}} {
		both.Go(func() error {
			err := pump(way[0], way[1])
			if err != nil {
				cut()
			}
			return err
		})
	}
	_ = both.Wait()
}

func connect(ctx context.Context, w wire.Pass) (net.Conn, error) {
	d := net.Dialer{Timeout: connectTimeout}
	var failed error
	for {
		u, err := w.Next(ctx, failed)
		if err != nil {
			return nil, err
		}
		c, err := d.DialContext(ctx, "tcp", u.Addr())
		if err == nil {
			return c, nil
		}
		failed = cause(err)
	}
}

// pump copies until from ends, and passes that end on.
func pump(to, from net.Conn) error {
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	if h, ok := to.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return to.Close()
}
