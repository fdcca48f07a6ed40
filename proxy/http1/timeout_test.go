package http1

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/proxy/wire/wiretest"
)

// after has d pass for the connections of a still lab.
func (l *lab) after(d time.Duration) {
	now := l.clock.now.Load() + int64(d)
	l.clock.now.Store(now)
	l.sweep(now)
}

// waiting counts the connections whose time ends within d.
func (l *lab) waiting(d time.Duration) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.servers {
		s.mu.Lock()
		for c := range s.clients {
			if at := c.expire.Load(); at != 0 && at <= l.clock.in(d) {
				n++
			}
		}
		s.mu.Unlock()
	}
	return n
}

func TestSlowHeadsTimeOut(t *testing.T) {
	k := counting(t)
	l := setting{still: true}.serve(t, &wiretest.Door{}, k.addr)
	for _, c := range []struct {
		said string
		time time.Duration
		late int // 0 for no answer
	}{
		{"", idleTimeout, 0},
		{"\r\n", idleTimeout, 0},
		{"G", headTimeout, http.StatusRequestTimeout},
		{"GET / HTTP/1.1\r\nHost: a\r\n", headTimeout, http.StatusRequestTimeout},
	} {
		p := l.dial().say(c.said)
		eventually(t, "it waits", func() bool { return l.waiting(c.time) == 1 })
		l.after(c.time - time.Second)
		if l.waiting(time.Second) != 1 {
			t.Errorf("%q: it does not wait any more", c.said)
		}
		l.after(2 * time.Second)
		if c.late != 0 {
			if res := p.expectProblem(c.late); !res.Close {
				t.Error("the connection goes on")
			}
		}
		p.ends()
		_ = p.Close()
		eventually(t, "it is over", func() bool { return l.waiting(idleTimeout) == 0 })
	}
	if n := k.bytes.Load(); n != 0 {
		t.Errorf("%d bytes were forwarded", n)
	}
}

// More bytes give a head no more time: it has its time as a whole.
func TestADrippingHeadTimesOut(t *testing.T) {
	l := setting{still: true}.serve(t, &wiretest.Door{})
	p := l.dial().say("G")
	eventually(t, "it began", func() bool { return l.waiting(headTimeout) == 1 })
	for range 4 {
		l.after(headTimeout / 5)
		p.say("E")
	}
	l.after(headTimeout / 5)
	if n := l.waiting(0); n != 1 {
		t.Error("it has more time")
	}
	l.after(time.Second)
	p.expectProblem(http.StatusRequestTimeout)
	p.ends()
}

func TestSlowBodiesTimeOut(t *testing.T) {
	for name, request := range map[string]string{
		"a length":      post + "Content-Length: 5\r\n\r\nhel",
		"a long length": post + "Content-Length: 1000000\r\n\r\nhel",
		"chunks":        coded + "5\r\nhel",
		"trailers":      coded + "5\r\nhello\r\n0\r\nX: a\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			k := counting(t)
			l := setting{still: true}.serve(t, &wiretest.Door{}, k.addr)
			p := l.dial().say(request)
			eventually(t, "its begin is forwarded", func() bool { return k.bytes.Load() > 0 && l.waiting(bodyTimeout) == 1 })
			l.after(bodyTimeout - time.Second)
			l.after(2 * time.Second)
			p.expectProblem(http.StatusRequestTimeout)
			p.ends()
			_ = p.Close()
			if o := l.outcome(); o.Err == nil || o.Status != http.StatusRequestTimeout {
				t.Errorf("%+v", o)
			}
			l.stop()
			if k.whole.Load() != 0 {
				t.Error("the request was whole")
			}
		})
	}
}

// A body that comes at all has its time anew with each of its parts.
func TestABodyHasTimeForEachOfItsParts(t *testing.T) {
	k := counting(t)
	l := setting{still: true}.serve(t, &wiretest.Door{}, k.addr)
	p := l.dial().say(post + "Content-Length: 4\r\n\r\n")
	for i, part := range []string{"a", "b", "c", "d"} {
		eventually(t, "it is waited for", func() bool { return k.bytes.Load() > 0 && l.waiting(bodyTimeout) == 1 })
		before := k.bytes.Load()
		l.after(bodyTimeout - time.Second)
		p.say(part)
		if i < 3 {
			eventually(t, "it is forwarded", func() bool { return k.bytes.Load() == before+1 && l.waiting(bodyTimeout-time.Second) == 0 })
		}
	}
	p.expect(200, "ok")
}

// A client that waits costs a small buffer at most, and one that has said
// nothing yet none.
func TestWaitingHoldsLittle(t *testing.T) {
	const clients = 200
	l := setting{still: true}.serve(t, &wiretest.Door{})
	for said, most := range map[string]int64{"": 8 << 10, "GET / HTTP/1.1\r\nHost: a\r\nX: ": 12 << 10} {
		before := inUse()
		var all []net.Conn
		for range clients {
			c, err := net.Dial("tcp", l.addr)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(c, said)
			all = append(all, c)
		}
		d := idleTimeout
		if said != "" {
			d = headTimeout
		}
		eventually(t, "all wait", func() bool { return l.waiting(d) == clients })
		if each := (inUse() - before) / clients; each > most && !racing {
			t.Errorf("after %q each holds %d bytes", said, each)
		}
		l.after(d + time.Second)
		for _, c := range all {
			_ = c.SetDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
			_ = c.Close()
		}
		eventually(t, "all are over", func() bool { return l.waiting(idleTimeout) == 0 })
	}
}

// inUse is what the heap and the stacks take.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // pools keep what they have for one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func TestATryAndARouteHaveTheirTime(t *testing.T) {
	for name, terms := range map[string]wire.Terms{
		"a try":   {TryTimeout: 10 * time.Millisecond},
		"a route": {Timeout: 10 * time.Millisecond},
	} {
		for _, request := range []string{get + "\r\n", post + "Content-Length: 5\r\n\r\nhel"} {
			t.Run(name, func(t *testing.T) {
				ended := make(chan error, 1)
				l := serve(t, &wiretest.Door{Terms: terms}, scripted(t, func(_ int, _ net.Conn, r *bufio.Reader) {
					_, err := io.Copy(io.Discard, r)
					ended <- err
				}))
				p := l.dial().say(request)
				p.expectProblem(http.StatusGatewayTimeout)
				if err := soon(t, "the instance's connection ends", ended); errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				_ = p.Close()
				if o := l.outcome(); !errors.Is(o.Err, wire.ErrTimeout) || o.Status != http.StatusGatewayTimeout {
					t.Errorf("%+v", o)
				}
			})
		}
	}
}

// Nobody can be left in the middle of a response for good: a client that does
// not read is cut off.
func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	l := setting{still: true}.serve(t, &wiretest.Door{}, scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		if takes(r) == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			_, _ = io.Copy(c, zeros{})
		}
	}))
	p := l.dial().say(get + "\r\n")
	eventually(t, "it is cut off", func() bool { // once the buffers between are full
		if l.stalled() == 1 {
			l.after(writeTimeout + time.Second)
		}
		return len(l.Done) > 0
	})
	if o := l.outcome(); o.Err == nil || o.Status != 200 {
		t.Errorf("%+v", o)
	}
	_ = p.Close()
}

// stalled counts the connections that a write waits on.
func (l *lab) stalled() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.servers {
		s.mu.Lock()
		for c := range s.clients {
			if c.stall.Load() != 0 {
				n++
			}
		}
		s.mu.Unlock()
	}
	return n
}
