package http1

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/proxy/wire/wiretest"
)

// paths is an instance that answers with the path that it was asked for, and
// counts its connections.
func paths(t testing.TB) (addr string, conns *atomic.Int32) {
	t.Helper()
	conns = new(atomic.Int32)
	return scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		conns.Add(1)
		for {
			q, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			body, err := io.ReadAll(q.Body)
			if err != nil {
				return
			}
			text := q.Method + " " + q.RequestURI + " " + string(body)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		}
	}), conns
}

func TestRequestsInOnePacketAreAnsweredInOrder(t *testing.T) {
	addr, conns := paths(t)
	l := serve(t, &wiretest.Door{}, addr)
	p := l.dial()
	p.say("GET /1 HTTP/1.1\r\n" + host + "\r\n" +
		"POST /2 HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc" +
		"POST /3 HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\nX: a\r\n\r\n" +
		"\r\n" + // as old clients end a POST
		"OPTIONS * HTTP/1.1\r\n" + host + "\r\n" +
		"GET /5 HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n" +
		"GET /6 HTTP/1.1\r\n" + host + "\r\n")
	for _, want := range []string{"GET /1 ", "POST /2 abc", "POST /3 de", "OPTIONS * "} {
		p.expect(200, want)
	}
	if res := p.expect(200, "GET /5 "); !res.Close {
		t.Error("the connection goes on")
	}
	p.ends()
	if n := conns.Load(); n != 1 {
		t.Errorf("it took %d connections", n)
	}
}

func TestBytesComeOneByOne(t *testing.T) {
	addr, _ := paths(t)
	l := serve(t, &wiretest.Door{}, addr)
	p := l.dial()
	const request = "POST /1 HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: a\r\n\r\n\r\n"
	for range 2 {
		for i := range request {
			p.say(request[i : i+1])
		}
		p.expect(200, "POST /1 ab")
	}
}

func TestAnOldClientsConnectionGoesOnWhenItAsks(t *testing.T) {
	addr, _ := paths(t)
	l := serve(t, &wiretest.Door{}, addr)
	p := l.dial()
	for range 2 {
		res := p.say("GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").expect(200, "GET /a ")
		if res.Header.Get("Connection") != "keep-alive" {
			t.Errorf("%v", res.Header)
		}
	}
	p.say("GET /b HTTP/1.0\r\n\r\n").expect(200, "GET /b ")
	p.ends()
}

func TestConnectionsToAnInstanceAreUsedAgain(t *testing.T) {
	addr, conns := paths(t)
	l := serve(t, &wiretest.Door{}, addr)
	for range 5 {
		p := l.dial().say(get + "Connection: close\r\n\r\n")
		p.expect(200, "GET / ")
		p.ends()
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("it took %d connections", n)
	}
}

func TestAFreshConnectionThatClosesIsAProblem(t *testing.T) {
	var conns atomic.Int32
	l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, _ net.Conn, r *bufio.Reader) {
		conns.Add(1)
		_ = takes(r)
	}))
	p := l.dial().say(get + "\r\n")
	p.expectProblem(http.StatusBadGateway)
	if n := conns.Load(); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
}

// What connecting to one instance cannot do, another gets; and again says how
// often.
func TestRequestsGoToAnotherInstance(t *testing.T) {
	nobody := listen(t)
	_ = nobody.Close()
	bad := says(t, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nbad")
	for _, c := range []struct {
		name, request, first string
		again, status        int
		body                 string
	}{
		{"nobody is there", get + "\r\n", nobody.Addr().String(), 0, 200, "ok"},
		{"nobody is there for POST", post + "Content-Length: 2\r\n\r\nab", nobody.Addr().String(), 0, 200, "ok"},
		{"a bad one", get + "\r\n", bad, 1, 200, "ok"},
		{"a bad one, but once", get + "\r\n", bad, 0, 503, "bad"},
		{"a bad one for POST", post + "Content-Length: 2\r\n\r\nab", bad, 1, 503, "bad"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := serve(t, &wiretest.Door{Again: c.again}, c.first, says(t, ok))
			l.dial().say(c.request).expect(c.status, c.body)
		})
	}
}

func TestTheGatewaysOwnAnswersKeepTheConnection(t *testing.T) {
	l := serve(t, &wiretest.Door{Answer: &wire.Answer{Status: 404, Problem: wiretest.Problem(404, "no route")}})
	p := l.dial()
	for _, request := range []string{get + "\r\n", post + "Content-Length: 2\r\n\r\nab", coded + "2\r\nab\r\n0\r\n\r\n"} {
		p.say(request).expectProblem(404)
	}
	p.say("HEAD / HTTP/1.1\r\n" + host + "\r\n")
	if res, body := p.hears("HEAD"); res.StatusCode != 404 || body != "" || res.ContentLength <= 0 {
		t.Errorf("%s %q %d", res.Status, body, res.ContentLength)
	}
	p.say(get + "Accept: text/html\r\n\r\n")
	if res, body := p.hears("GET"); !strings.Contains(body, "<html") || res.Close {
		t.Errorf("%v %s", res.Header, body)
	}
	p.say(post + "Content-Length: 100\r\n\r\nthe rest does not come").expectProblem(404)
	p.ends()
}

func TestAnUpgradeTakesTheBytesWithIt(t *testing.T) {
	const switches = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\nX-Kept: 1\r\nKeep-Alive: 1\r\n\r\n"
	l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		h := strings.ToLower(readHead(r))
		if !strings.Contains(h, "connection: upgrade\r\nupgrade: chat\r\n") {
			t.Errorf("the request: %q", h)
		}
		_, _ = io.WriteString(c, switches+"welcome ")
		_, _ = io.Copy(c, r)
		_, _ = io.WriteString(c, " bye")
	}))
	p := l.dial().say(get + "Connection: Upgrade\r\nUpgrade: chat\r\n\r\nhello ")
	h := p.head()
	if h.Get("Upgrade") != "chat" || h.Get("X-Kept") != "1" || h.Get("Keep-Alive") != "" {
		t.Errorf("%v", h)
	}
	p.say("world")
	_ = p.Conn.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(p.in); err != nil || string(b) != "welcome hello world bye" {
		t.Errorf("%q, %v", b, err)
	}
	if o := l.outcome(); o.Status != 101 || o.Err != nil || o.Received != 11 || o.Sent != 23 {
		t.Errorf("%+v", o)
	}
}

func TestAnUpgradeThatNobodyAskedForIsNone(t *testing.T) {
	for _, c := range []struct{ request, answer string }{
		{get + "\r\n", "chat"},
		{get + "Connection: Upgrade\r\nUpgrade: chat\r\n\r\n", "other"},
		{get + "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "h2c"},
		{get + "Upgrade: chat\r\n\r\n", "chat"},
		{"GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n", "chat"},
		{post + "Content-Length: 1\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\na", "chat"},
	} {
		l := serve(t, &wiretest.Door{}, says(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+c.answer+"\r\n\r\n"))
		p := l.dial().say(c.request)
		p.expectProblem(http.StatusBadGateway)
		p.ends()
	}
	l := serve(t, &wiretest.Door{}, says(t, ok)) // an instance need not switch
	p := l.dial()
	for range 2 {
		p.say(get+"Connection: Upgrade\r\nUpgrade: chat\r\n\r\n").expect(200, "ok")
	}
}

func TestWhatIsInFlightHasAGrace(t *testing.T) {
	asked, goOn := make(chan struct{}), make(chan struct{})
	l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		if takes(r) == nil {
			close(asked)
			<-goOn
			_, _ = io.WriteString(c, ok)
		}
	}))
	idle, p := l.dial(), l.dial().say(get+"\r\n")
	soon(t, "the request", asked)
	stopped := make(chan struct{})
	go func() { defer close(stopped); l.stop() }()
	idle.ends()
	if c, err := net.Dial("tcp", l.addr); err == nil {
		_ = c.Close()
		t.Error("it still accepts")
	}
	close(goOn)
	if res := p.expect(200, "ok"); !res.Close {
		t.Error("the connection goes on")
	}
	p.ends()
	soon(t, "its end", stopped)
	if o := l.outcome(); o.Err != nil || errors.Is(o.Err, errEnding) {
		t.Errorf("%+v", o)
	}
}
