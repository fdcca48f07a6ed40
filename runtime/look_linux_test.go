package runtime

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// answering is a server on loopback that writes an answer to whatever comes,
// and closes; "" makes it hold the connection.
func answering(t *testing.T, answer string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	var held []net.Conn
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if answer == "" {
				held = append(held, c)
				continue
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = c.Write([]byte(answer))
			_ = c.Close()
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
		for _, c := range held {
			_ = c.Close()
		}
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func TestManyAreLookedAtAtOnce(t *testing.T) {
	nobody := netip.MustParseAddrPort("127.0.0.1:1")
	p := httpProbe{path: "/readyz"}
	ask := func(addr netip.AddrPort) look {
		l, ok := p.look(probed{addr: addr.String()})
		if !ok {
			t.Fatalf("%s cannot be looked at", addr)
		}
		return l
	}
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" || r.Host == "" {
			t.Errorf("asked for %s of %q", r.URL, r.Host)
		}
		_, _ = w.Write([]byte(strings.Repeat("fine ", 100)))
	}))
	defer real.Close()
	looks := []look{
		ask(real.Listener.Addr().(*net.TCPAddr).AddrPort()),
		ask(answering(t, "HTTP/1.0 503 Service Unavailable\r\n\r\n")),
		ask(answering(t, "SSH-2.0-OpenSSH\r\n")),
		ask(answering(t, "")),
		ask(nobody),
		{addr: answering(t, "")},
		{addr: nobody},
	}
	want := []string{
		"", "GET /readyz answered 503 Service Unavailable", "GET /readyz: the answer is not HTTP/1", errLate.Error(),
		"nothing listens on " + nobody.String(), "", "nothing listens on " + nobody.String(),
	}
	for n, err := range lookAll(looks, 200*time.Millisecond) {
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want[n] {
			t.Errorf("look %d: got %q, want %q", n, got, want[n])
		}
	}
}

func FuzzStatusOf(f *testing.F) {
	for _, s := range []string{"HTTP/1.1 200 OK\r\n", "HTTP/1.0 404", "HTTP/2 200", "", "HTTP/1.1 099 x", "HTTP/1.1 -12"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		status, ok := statusOf(head)
		if ok && (status < 100 || status > 999) {
			t.Errorf("%q gives %d", head, status)
		}
	})
}

// Who takes long is asked the long way, and is healthy all the same.
func TestASlowAnswerIsWaitedForElsewhere(t *testing.T) {
	r := newRounds()
	var running sync.WaitGroup
	ctx := t.Context()
	running.Go(func() { r.run(ctx) })
	heard := func(err error) {
		if !errors.Is(err, errLate) {
			t.Errorf("heard %v", err)
		}
	}
	l := look{addr: answering(t, ""), what: "GET /", request: []byte("GET / HTTP/1.1\r\n\r\n"), accepts: func(int) bool { return true }}
	if !r.watch(ctx, l, 10*time.Millisecond, heard) {
		t.Error("the round waits for it")
	}
	t.Cleanup(running.Wait)
}
