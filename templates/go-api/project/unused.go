package main

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// lastMoment is how long a request on its way may take to be read, once nobody is let in any more.
const lastMoment = 50 * time.Millisecond

// unused has the connections on which no request has come yet. Shutdown would wait 5 s for one.
type unused struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func (u *unused) note(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state != http.StateNew {
		delete(u.conns, c)
		return
	}
	if u.conns == nil {
		u.conns = map[net.Conn]struct{}{}
	}
	u.conns[c] = struct{}{}
}

func (u *unused) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.conns {
		_ = c.Close()
	}
}
