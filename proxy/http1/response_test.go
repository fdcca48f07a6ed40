package http1

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/msctl/msctl/proxy/wire/wiretest"
)

// malformed are responses that are not to be understood.
var malformed = map[string]string{
	"no HTTP":                        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
	"HTTP/2.0":                       "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/0.9":                       "<html>ok</html>\n\n",
	"a version in small letters":     "http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	"no status":                      "HTTP/1.1\r\nContent-Length: 2\r\n\r\nok",
	"a status of two digits":         "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
	"a status of four digits":        "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
	"a status beneath 100":           "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok",
	"a status with a sign":           "HTTP/1.1 +20 OK\r\nContent-Length: 2\r\n\r\nok",
	"two spaces before the status":   "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok",
	"CR in the status line":          "HTTP/1.1 200 O\rK\r\nContent-Length: 2\r\n\r\nok",
	"CR CR LF after the status line": "HTTP/1.1 200 OK\r\r\nContent-Length: 2\r\n\r\nok",
	"NUL in the status line":         "HTTP/1.1 200 O\x00K\r\nContent-Length: 2\r\n\r\nok",
	"LF alone after the status line": "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok",
	"LF alone everywhere":            "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
	"LF alone after a field":         "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok",
	"an empty line before":           "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	"a folded value":                 "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
	"a space before the colon":       "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
	"CR in a value":                  "HTTP/1.1 200 OK\r\nX: a\rY: b\r\nContent-Length: 2\r\n\r\nok",
	"NUL in a value":                 "HTTP/1.1 200 OK\r\nX: a\x00\r\nContent-Length: 2\r\n\r\nok",
	"a name that is no token":        "HTTP/1.1 200 OK\r\nX Y: a\r\nContent-Length: 2\r\n\r\nok",
	"two lengths":                    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
	"a length twice":                 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
	"a list of lengths":              "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
	"a negative length":              "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok",
	"a length and a coding":          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"a length and a coding of 304":   "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
	"an unknown coding":              "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
	"a coding twice":                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
	"a coding in HTTP/1.0":           "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"a chunk without a size":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nok\r\n0\r\n\r\n",
	"a chunk with a sign":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nok\r\n0\r\n\r\n",
	"too many fields":                "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: a\r\n", maxFields+1) + "\r\n",
	"too large a head":               "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", bufferSize) + "\r\n\r\n",
	"half a head":                    "HTTP/1.1 200 OK\r\nContent-Le",
	"nothing":                        "",
	"another protocol, unasked":      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
	"an informational one, alone":    "HTTP/1.1 100 Continue\r\n\r\n",
	"a malformed informational one":  "HTTP/1.1 100 Continue\r\nX Y: a\r\n\r\n" + ok,
}

// Each instance stays open after what it said, or the end would be what is
// wrong; those that said less than a head close.
func TestMalformedResponsesAreNotPassedOn(t *testing.T) {
	var l *lab
	for name, response := range malformed {
		t.Run(name, func(t *testing.T) {
			ends := make(chan struct{})
			addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
				if takes(r) != nil {
					return
				}
				_, _ = io.WriteString(c, response)
				if response != "" && !strings.HasPrefix(name, "half") && !strings.HasSuffix(name, "alone") {
					_, _ = r.ReadByte() // until the gateway closes
				}
				close(ends)
			})
			l = serve(t, &wiretest.Door{}, addr)
			p := l.dial().say(get + "\r\n")
			res := p.expectProblem(http.StatusBadGateway)
			soon(t, "the connection's end", ends)
			if o := l.outcome(); o.Err == nil || o.Status != http.StatusBadGateway {
				t.Errorf("%+v", o)
			}
			if !res.Close {
				t.Error("the client's connection goes on")
			}
			p.ends()
		})
	}
}

// The fields that say how long a body is stay away from messages that have
// none, where some would wait for it.
func TestAResponseWithoutABodyHasNoLength(t *testing.T) {
	for _, c := range []struct{ method, response, length, coding string }{
		{"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "", ""},
		{"GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "", ""},
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "5", ""}, // that of what was not sent
		{"GET", "HTTP/1.1 304 Not Modified\r\n\r\n", "", ""},
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "5", ""},
		{"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "", "chunked"},
		{"HEAD", "HTTP/1.1 200 OK\r\n\r\n", "", ""},
	} {
		l := serve(t, &wiretest.Door{}, says(t, c.response))
		p := l.dial()
		for range 2 {
			p.say(c.method + " / HTTP/1.1\r\n" + host + "\r\n")
			head := p.head()
			if got := head.Get("Content-Length"); got != c.length {
				t.Errorf("%s %q: Content-Length: %q", c.method, c.response, got)
			}
			if got := head.Get("Transfer-Encoding"); got != c.coding {
				t.Errorf("%s %q: Transfer-Encoding: %q", c.method, c.response, got)
			}
		}
	}
}

func TestAResponseThatBreaksOffIsCutOff(t *testing.T) {
	for name, response := range map[string]string{
		"in its length":     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
		"before its length": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
		"in a chunk":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell",
		"between chunks":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"before its end":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
		"in its trailers":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: a\r\n",
		"in a long body":    "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("a", 1000),
	} {
		t.Run(name, func(t *testing.T) {
			l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
				if takes(r) == nil {
					_, _ = io.WriteString(c, response)
				}
			}))
			p := l.dial().say(get + "\r\n")
			res, err := http.ReadResponse(p.in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(res.Body); err == nil {
				t.Errorf("got %q, whole", b)
			}
			if o := l.outcome(); o.Err == nil || o.Status != 200 {
				t.Errorf("%+v", o)
			}
		})
	}
}

// A chunk that is malformed in the middle of a body ends it before its end.
func TestMalformedChunksAreCutOff(t *testing.T) {
	for name, body := range badChunks {
		if strings.HasPrefix(body, "0\r\n") {
			continue // trailers
		}
		t.Run(name, func(t *testing.T) {
			first := make(chan struct{})
			l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
				if takes(r) != nil {
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
				<-first
				_, _ = io.WriteString(c, body)
				_, _ = r.ReadByte()
			}))
			p := l.dial().say(get + "\r\n")
			res, err := http.ReadResponse(p.in, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.ReadFull(res.Body, make([]byte, 3))
			close(first)
			if b, err := io.ReadAll(res.Body); err == nil {
				t.Errorf("got %q, whole", b)
			}
		})
	}
}

func TestInformationalResponsesComeFirst(t *testing.T) {
	const hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
	for _, c := range []struct{ name, request, response, want string }{
		{"one", get + "\r\n", hints + ok, hints + ok},
		{"two, then one", get + "\r\n", hints + hints + ok, hints + hints + ok},
		{"to HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", hints + ok, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"},
		{"100 that nobody waits for", get + "\r\n", "HTTP/1.1 100 Continue\r\n\r\n" + ok, ok},
		{"102", get + "\r\n", "HTTP/1.1 102 Processing\r\n\r\n" + ok, "HTTP/1.1 102 Processing\r\n\r\n" + ok},
		{"by HTTP/1.0", get + "\r\n", "HTTP/1.0 103 Early Hints\r\n\r\n" + ok, "HTTP/1.1 103 Early Hints\r\n\r\n" + ok},
		{
			"with what is for its connection", get + "\r\n",
			"HTTP/1.1 103 Early Hints\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: 1\r\nTransfer-Encoding: chunked\r\nLink: a\r\n\r\n" + ok,
			"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + ok,
		},
		{"with a length", get + "\r\n", "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" + ok, "HTTP/1.1 103 Early Hints\r\n\r\n" + ok},
	} {
		t.Run(c.name, func(t *testing.T) {
			var conns atomic.Int32
			l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, d net.Conn, r *bufio.Reader) {
				conns.Add(1)
				for takes(r) == nil {
					_, _ = io.WriteString(d, c.response)
				}
			}))
			p := l.dial()
			for range 2 {
				if strings.Contains(c.request, "HTTP/1.0") {
					p = l.dial()
				}
				p.say(c.request)
				b := make([]byte, len(c.want))
				if _, err := io.ReadFull(p.in, b); err != nil || string(b) != c.want {
					t.Fatalf("got %q, %v, want %q", b, err, c.want)
				}
				l.outcome() // the instance's connection is idle by now
			}
			if n := conns.Load(); n != 1 {
				t.Errorf("it took %d connections", n)
			}
		})
	}
}

func TestAResponseEndsWithItsConnection(t *testing.T) {
	for _, c := range []struct{ response, body string }{
		{"HTTP/1.1 200 OK\r\n\r\nhello", "hello"},
		{"HTTP/1.1 200 OK\r\n\r\n", ""},
		{"HTTP/1.0 200 OK\r\n\r\nhello", "hello"},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + strings.Repeat("hello", 100_000), strings.Repeat("hello", 100_000)},
	} {
		l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, d net.Conn, r *bufio.Reader) {
			if takes(r) == nil {
				_, _ = io.WriteString(d, c.response)
			}
		}))
		p := l.dial()
		for range 2 { // the client's connection goes on
			if res := p.say(get+"\r\n").expect(200, c.body); len(res.TransferEncoding) == 0 {
				t.Error("not chunked")
			}
		}
		old := l.dial().say("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
		if res := old.expect(200, c.body); len(res.TransferEncoding) != 0 || !res.Close {
			t.Errorf("to HTTP/1.0: %v", res.Header)
		}
		old.ends()
	}
}

// head reads a response's head alone.
func (p *peer) head() http.Header {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(patience))
	var b strings.Builder
	for !strings.HasSuffix(b.String(), "\r\n\r\n") {
		line, err := p.in.ReadString('\n')
		if err != nil {
			p.t.Fatalf("read a head: %v after %q", err, b.String())
		}
		b.WriteString(line)
	}
	h := http.Header{}
	for _, line := range strings.Split(b.String(), "\r\n")[1:] {
		if name, value, found := strings.Cut(line, ": "); found {
			h.Add(name, value)
		}
	}
	return h
}
