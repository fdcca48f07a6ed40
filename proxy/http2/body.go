package http2

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/msctl/msctl/proxy/wire"
)

// body is a request's body. It outlives failed attempts: a transport closes it
// even when it could not connect, and may read of it for longer than the
// request takes.
type body struct {
	from    io.Reader
	limit   int64 // bytes; 0 none
	count   atomic.Int64
	stopped atomic.Bool // nobody wants more of it
	large   atomic.Bool // it has more than limit
	broke   atomic.Bool // reading failed: no instance is to blame
}

var errTooLarge = errors.New("the body is larger than the route allows")

func (b *body) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if got := b.count.Add(int64(n)); b.limit > 0 && got > b.limit {
		b.large.Store(true)
		return 0, errTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) && !b.stopped.Load() {
		b.broke.Store(true)
	}
	return n, err
}

func (b *body) Close() error { return nil }

// fault is what the client did wrong, nil for nothing.
func (b *body) fault() *wire.Problem {
	switch {
	case b.large.Load():
		return refusal(http.StatusRequestEntityTooLarge, errTooLarge.Error())
	case b.broke.Load():
		return refusal(http.StatusBadRequest, "the request's body could not be read to its end")
	}
	return nil
}
