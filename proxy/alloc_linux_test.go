//go:build !race

package proxy

import (
	"bytes"
	"net"
	"runtime"
	"testing"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// steady is an instance that answers what ends with "end" and allocates
// nothing for it.
func steady(t *testing.T, answer []byte) (addr string, end func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			close(accepted)
			return
		}
		accepted <- c
		buf := make([]byte, 64<<10)
		for n := 0; ; {
			m, err := c.Read(buf[n:])
			if err != nil {
				return
			}
			if n += m; !bytes.HasSuffix(buf[:n], []byte("end")) && !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
				continue
			}
			n = 0
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}()
	return ln.Addr().String(), func() {
		_ = ln.Close()
		if c := <-accepted; c != nil {
			_ = c.Close()
		}
	}
}

// The whole of the gateway: routing, balancing, records, metrics, and both
// sides of the connection.
func TestARequestAllocatesNothing(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 16<<10)
	for _, c := range []struct{ name, request, answer string }{
		{"GET", "GET /api/orders?a=b HTTP/1.1\r\nHost: shop\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend"},
		{"POST", "POST /api/orders HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\nx end", "HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nend"},
		{"chunks", "POST /api/orders HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
		{"16 KiB", "GET /api/orders HTTP/1.1\r\nHost: shop\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 16384\r\n\r\n" + string(long)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := begin(t, declare(t, service("api", routed(stack.Route{Path: "/api", Strip: "/api", To: "api"}), leastRequest)), Options{})
			addr, end := steady(t, []byte(c.answer))
			defer end()
			w.put("api-1", addr, registry.Ready)
			conn, err := net.Dial("tcp", w.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			request, buf := []byte(c.request), make([]byte, 64<<10)
			ask := func() {
				if _, err := conn.Write(request); err != nil {
					t.Fatal(err)
				}
				for n, end := 0, []byte(c.answer[len(c.answer)-3:]); n < len(c.answer) || !bytes.HasSuffix(buf[:n], end); {
					m, err := conn.Read(buf[n:])
					if err != nil {
						t.Fatal(err)
					}
					n += m
				}
			}
			if n := allocations(ask); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

func leastRequest(s *stack.Service) { s.Balance.Policy = stack.LeastRequest }

// allocations is how many there are in the whole process for each time that
// ask is called. The least of a few rounds counts: that a collection empties
// the pools, or a tick comes in between, is not the request's.
func allocations(ask func()) float64 {
	const rounds, times = 4, 200
	for range times {
		ask()
	}
	least := uint64(1 << 62)
	for range rounds {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range times {
			ask()
		}
		runtime.ReadMemStats(&after)
		least = min(least, after.Mallocs-before.Mallocs)
	}
	return float64(least) / times
}
