package http1

import (
	"errors"
	"time"
)

// uploadBody sends the rest of the request's body.
func (c *client) uploadBody() {
	x := c.x
	c.mu.Lock()
	up := c.up
	c.mu.Unlock()
	err := x.request.copy(up, c.pace)
	c.expire.Store(0)
	if err != nil {
		x.request.over = false // also when its last bytes are there, but did not go out
	}
	var w *writeError
	if err != nil && !errors.As(err, &w) && !x.stopping.Load() {
		x.uploadErr = err
		up.cut()
	}
	c.uploaded <- struct{}{}
}

// pace gives the client time for its next bytes.
func (c *client) pace() { c.expire.Store(c.server.clock.in(bodyTimeout)) }

// stopUpload ends the sending of the body and waits for that. It may be waiting
// for the client, or for an instance that reads no more.
func (x *exchange) stopUpload() {
	if !x.uploading {
		return
	}
	x.uploading = false
	select {
	case <-x.uploaded:
		return
	default:
	}
	x.stopping.Store(true)
	_ = x.SetReadDeadline(past)
	_ = x.up.SetWriteDeadline(past)
	<-x.uploaded
	x.stopping.Store(false)
	_ = x.SetReadDeadline(time.Time{})
	_ = x.up.SetWriteDeadline(time.Time{})
}
