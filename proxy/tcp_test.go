package proxy

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// answerer serves raw connections: it reads all until the client ends its
// side, and only then answers with a name and what it read.
func answerer(t *testing.T, name string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				b, _ := io.ReadAll(c)
				_, _ = io.WriteString(c, name+":"+string(b))
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); all.Wait() })
	return ln.Addr().String()
}

func ask(addr, question string) (string, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_, _ = io.WriteString(c, question)
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return "", err
	}
	b, err := io.ReadAll(c)
	return string(b), err
}

func TestRawConnectionsAreRelayed(t *testing.T) {
	w := begin(t, declare(t, service("mail", speaks(stack.TCP)), service("web", needs("mail"))), Options{})
	addr, ok := w.Edge("web", "mail")
	if !ok {
		t.Fatal("no edge")
	}
	if got, err := ask(addr, "hello"); got != "" || err == nil {
		t.Errorf("without an instance: %q, %v", got, err)
	}
	w.put("mail-1", answerer(t, "one"), registry.Ready)
	w.put("mail-2", answerer(t, "two"), registry.Ready)
	w.put("mail-3", nobody(t), registry.Ready)
	seen := map[string]int{}
	for range 6 {
		got, err := ask(addr, "hello")
		if err != nil {
			t.Fatal(err)
		}
		seen[got]++
	}
	if seen["one:hello"]+seen["two:hello"] != 6 || seen["one:hello"] < 2 || seen["two:hello"] < 2 {
		t.Errorf("answers: %v", seen)
	}
	if code, _, _ := w.get("mail.localhost", "/"); code != 404 {
		t.Errorf("a raw service has a route: %d", code)
	}
}

func TestARelayedConnectionIsInFlight(t *testing.T) {
	w := begin(t, declare(t, service("mail", speaks(stack.TCP)), service("web", needs("mail"))), Options{})
	target := answerer(t, "one")
	w.put("mail-1", target, registry.Ready)
	addr, _ := w.Edge("web", "mail")
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	pool := w.table.Load().pools["mail"]
	eventually(t, "the connection is relayed", func() bool {
		pool.mu.Lock()
		defer pool.mu.Unlock()
		return pool.active == 1
	})
	w.put("mail-1", target, registry.Draining)
	drained := make(chan error)
	go func() { drained <- w.Drain(t.Context(), target) }()
	_ = c.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(c); err != nil || string(b) != "one:" {
		t.Errorf("%q, %v", b, err)
	}
	if err := within(t, "the drain", drained); err != nil {
		t.Error(err)
	}
}

func TestAnOpenConnectionDoesNotKeepTheGateway(t *testing.T) {
	w := begin(t, declare(t, service("mail", speaks(stack.TCP)), service("web", needs("mail"))), Options{})
	w.put("mail-1", answerer(t, "one"), registry.Ready)
	addr, _ := w.Edge("web", "mail")
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	pool := w.table.Load().pools["mail"]
	eventually(t, "the connection is relayed", func() bool {
		pool.mu.Lock()
		defer pool.mu.Unlock()
		return pool.active == 1
	})
	w.stop()
}
