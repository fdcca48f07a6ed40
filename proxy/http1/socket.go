package http1

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// socket relays a WebSocket. While its instance lives, frames go on as they
// come; it has them followed only so that it can close both sides between two
// of them when the instance is about to be stopped.
type socket struct {
	down, up way // to the client, and to the instance
	once     sync.Once
	until    time.Time   // of what closes; set once
	closes   atomic.Bool // it has begun to
}

func newSocket(client, instance *conn) *socket {
	s := new(socket)
	s.down = way{socket: s, from: instance, to: client}
	s.up = way{socket: s, from: client, to: instance}
	return s
}

// relay passes both directions on until both have ended.
func (s *socket) relay() error {
	client := s.down.to
	client.brief = false
	client.relayed()
	var back sync.WaitGroup
	back.Go(s.down.run)
	s.up.run()
	back.Wait()
	return errors.Join(s.up.err, s.down.err)
}

// ended reports whether the instance is about to be stopped.
func (s *socket) ended() bool { return s.down.from.ended() }

// cut wakes whoever is at either side.
func (s *socket) cut() {
	s.down.from.cut()
	s.down.to.cut()
}

// way is one direction of a socket. Who runs it is the only one to read of from
// and to write to to.
type way struct {
	*socket
	from, to *conn
	frames   tracker
	count    int64 // bytes
	err      error
}

// run passes on what comes until from ends, and then passes that on.
func (w *way) run() {
	w.err = w.copy()
	switch {
	case errors.Is(w.err, io.EOF):
		w.err = nil
		if h, ok := w.to.Conn.(interface{ CloseWrite() error }); ok {
			w.err = h.CloseWrite()
		} else {
			w.err = w.to.SetDeadline(time.Now())
		}
	case w.err != nil:
		w.cut()
	}
	w.from.r = w.from.w
	w.from.release()
}

func (w *way) copy() error {
	for {
		err := w.pass()
		switch {
		case err == nil:
		case errors.Is(err, errCloses), errors.Is(err, os.ErrDeadlineExceeded) && w.ended() && !errors.As(err, new(*writeError)):
			return w.close()
		default:
			return err
		}
	}
}

var errCloses = errors.New("the socket closes")

// pass passes on what comes next.
func (w *way) pass() error {
	if err := w.from.fill(); err != nil {
		return err
	}
	if w.closes.Load() { // what came may answer the other way's close frame
		return errCloses
	}
	p := w.from.unread()
	if err := w.to.send(p); err != nil {
		return &writeError{err}
	}
	w.passed(p)
	return nil
}

// passed takes p, which was passed on, off what from has.
func (w *way) passed(p []byte) {
	w.count += int64(len(p))
	w.frames.pass(p)
	w.from.used(len(p))
}

// close says that it closes, once the frame that was begun has passed, and
// waits for the same from the other side; nothing else passes any more. It
// returns nil when the way has ended well.
func (w *way) close() error {
	w.once.Do(w.wake)
	if err := w.from.SetReadDeadline(w.until); err != nil {
		return err
	}
	for !w.frames.between() {
		p, err := w.more()
		if err != nil {
			return err
		}
		p = p[:w.frames.finish(p)]
		if err := w.to.send(p); err != nil {
			return err
		}
		w.count += int64(len(p))
		w.from.used(len(p))
	}
	if !w.frames.closed {
		var b [64]byte
		if err := w.to.send(w.farewell(b[:0])); err != nil {
			return err
		}
	}
	for !w.frames.over() {
		p, err := w.more()
		if err != nil {
			return err
		}
		w.frames.pass(p)
		w.from.used(len(p))
	}
	return nil
}

// more is what is there, or comes next.
func (w *way) more() ([]byte, error) {
	if len(w.from.unread()) == 0 {
		if err := w.from.fill(); err != nil {
			return nil, err
		}
	}
	return w.from.unread(), nil
}

// wake has both ways close. What is being written has its time.
func (s *socket) wake() {
	s.closes.Store(true)
	s.until = time.Now().Add(endLimit)
	for _, c := range []*conn{s.down.from, s.down.to} {
		_ = c.SetWriteDeadline(s.until)
		_ = c.SetReadDeadline(past)
	}
}

// farewell is the close frame for who is at the end of the way.
func (w *way) farewell(b []byte) []byte {
	if w == &w.down {
		return appendClose(b, serviceRestart, "the instance was replaced", false, 0)
	}
	return appendClose(b, goingAway, "the instance was replaced", true, rand.Uint32())
}
