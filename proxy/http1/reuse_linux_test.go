package http1

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/msctl/msctl/proxy/wire/wiretest"
)

// What an instance says beyond a response, together with it or later, is no
// answer to the next request.
func TestBytesBehindAResponseAnswerNothing(t *testing.T) {
	const stray = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
	for name, response := range map[string]string{
		"a length":      ok,
		"chunks":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"no content":    "HTTP/1.1 204 No Content\r\n\r\n",
		"not modified":  "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
		"length of 204": "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
	} {
		for _, method := range []string{"GET", "POST", "HEAD"} {
			for _, later := range []bool{false, true} {
				t.Run(name+" "+method+map[bool]string{false: " together", true: " later"}[later], func(t *testing.T) {
					response := response
					if method == "HEAD" {
						response, _, _ = strings.Cut(response, "\r\n\r\n")
						response += "\r\n\r\n"
					}
					goOn, strayed := make(chan struct{}), make(chan struct{})
					addr := scripted(t, func(n int, c net.Conn, r *bufio.Reader) {
						if takes(r) != nil {
							return
						}
						switch {
						case n > 0:
							_, _ = io.WriteString(c, ok)
						case later:
							_, _ = io.WriteString(c, response)
							<-goOn
							_, _ = io.WriteString(c, stray)
							close(strayed)
						default:
							_, _ = io.WriteString(c, response+stray)
						}
						for takes(r) == nil {
							_, _ = io.WriteString(c, ok)
						}
					})
					l := serve(t, &wiretest.Door{}, addr)
					p := l.dial().say(method + " / HTTP/1.1\r\n" + host + "\r\n")
					p.hears(method)
					l.outcome() // the connection is idle by now, or closed
					if later {
						close(goOn)
						soon(t, "the stray bytes", strayed)
					}
					p.say(get+"\r\n").expect(200, "ok")
				})
			}
		}
	}
}

// An instance that closes a connection between two requests is asked on
// another; one that closes it upon a request is so only for what may be
// repeated.
func TestAClosedConnectionIsReplaced(t *testing.T) {
	for _, c := range []struct {
		name, request string
		upon          bool // the request
		status        int
	}{
		{"GET", get + "\r\n", false, 200},
		{"POST", post + "Content-Length: 2\r\n\r\nab", false, 200},
		{"a POST in two parts", post + "Content-Length: 2\r\n\r\n", false, 200},
		{"GET upon it", get + "\r\n", true, 200},
		{"PUT upon it", "PUT / HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\nab", true, 200},
		{"POST upon it", post + "Content-Length: 2\r\n\r\nab", true, 502},
	} {
		t.Run(c.name, func(t *testing.T) {
			goOn, closed := make(chan struct{}), make(chan struct{})
			var asked atomic.Int32
			l := serve(t, &wiretest.Door{}, scripted(t, func(n int, d net.Conn, r *bufio.Reader) {
				for takes(r) == nil {
					asked.Add(1)
					_, _ = io.WriteString(d, ok)
					if n > 0 {
						continue
					}
					if c.upon {
						_, _ = r.Peek(1)
						_ = takes(r)
						return
					}
					<-goOn
					_ = d.Close()
					close(closed)
					return
				}
			}))
			p := l.dial().say(get + "\r\n")
			p.expect(200, "ok")
			l.outcome()
			close(goOn)
			if !c.upon {
				soon(t, "the connection's end", closed)
			}
			p.say(c.request)
			if strings.HasSuffix(c.name, "parts") {
				p.say("ab")
			}
			if c.status != 200 {
				p.expectProblem(c.status)
			} else {
				p.expect(200, "ok")
			}
			if n := asked.Load(); n > 2 {
				t.Errorf("it was asked %d times", n)
			}
		})
	}
}
