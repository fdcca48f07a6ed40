package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/proxy/wire/wiretest"
)

// An instance may hang up before the rest of the body is even waited for.
func TestAnInstanceThatHangsUpIsAProblem(t *testing.T) {
	l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, c net.Conn, _ *bufio.Reader) { _ = c.(*net.TCPConn).CloseWrite() }))
	for range 100 {
		p := l.dial().say(post + "Content-Length: 500000\r\n\r\nhe")
		p.expectProblem(http.StatusBadGateway)
		p.ends()
		_ = p.Close()
	}
}

// An instance that has answered may stay, and read no more of the body.
func TestAnEarlyAnswerDoesNotWaitForItsBody(t *testing.T) {
	for name, body := range map[string]string{
		"a length": post + "Content-Length: 100000000\r\n\r\n",
		"chunks":   coded + "5f5e100\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			gone := make(chan struct{})
			l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
				if _, err := http.ReadRequest(r); err != nil {
					t.Error(err)
				}
				filled := make(chan struct{})
				go func() { // what it does not read fills the buffers between
					defer close(filled)
					_, _ = io.CopyN(io.Discard, r, 1<<20)
				}()
				<-filled
				_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge")
				<-gone
			}))
			p := l.dial().say(body)
			sending := make(chan struct{})
			go func() {
				defer close(sending)
				_, _ = p.ReadFrom(zeros{})
			}()
			res, text := p.hears("POST")
			if res.StatusCode != 413 || text != "large" {
				t.Errorf("got %s %q", res.Status, text)
			}
			if o := l.outcome(); o.Status != 413 || o.Received < 1<<20 {
				t.Errorf("%+v", o)
			}
			close(gone)
			_ = p.Close()
			<-sending
		})
	}
}

// Nor is it lost when the instance then closes, whatever it has not read.
func TestAnEarlyAnswerOutlivesItsConnection(t *testing.T) {
	for name, body := range map[string]string{
		"a length": post + "Content-Length: 100000000\r\n\r\n",
		"chunks":   coded + "5f5e100\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
				_, _ = http.ReadRequest(r)
				_, _ = io.CopyN(io.Discard, r, 1<<20)
				_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge")
			}))
			p := l.dial().say(body)
			sending := make(chan struct{})
			go func() {
				defer close(sending)
				_, _ = p.ReadFrom(zeros{})
			}()
			if res, text := p.hears("POST"); res.StatusCode != 413 || text != "large" {
				t.Errorf("got %s %q", res.Status, text)
			}
			if o := l.outcome(); o.Status != 413 {
				t.Errorf("%+v", o)
			}
			_ = p.Close()
			<-sending
		})
	}
}

// A client who leaves in the middle of a long response is nobody's fault.
func TestAClientThatLeavesInALongResponseChargesNobody(t *testing.T) {
	l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		if takes(r) == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
			_, _ = io.Copy(c, zeros{})
		}
	}))
	for range 5 {
		p := l.dial().say(get + "\r\n")
		_, _ = io.CopyN(io.Discard, p.in, 1<<20)
		_ = p.Close()
		if o := l.outcome(); !errors.Is(o.Err, wire.ErrClientGone) {
			t.Errorf("%+v", o)
		}
	}
	if len(l.Causes) > 0 {
		t.Errorf("the instance is charged: %v", <-l.Causes)
	}
}

// ReadFrom sends all of r.
func (p *peer) ReadFrom(r io.Reader) (int64, error) { return io.Copy(p.Conn, r) }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// What is behind the part of a body that could not be sent is the body's, and
// no request.
func TestWhatWasNotSentOfABodyIsNotOver(t *testing.T) {
	from, client := pipe(t)
	up, instance := pipe(t)
	_ = instance.Close()
	l := setting{still: true}.serve(t, &wiretest.Door{})
	c := newClient(t.Context(), &server{Engine: l.Engine}, from)
	defer c.stop()
	c.x = &exchange{client: c}
	c.up = newConn(up)
	_ = up.Close()
	c.x.request.begin(&c.conn, int64(len(behind)), 0)
	if _, err := io.WriteString(client, behind); err != nil {
		t.Fatal(err)
	}
	c.uploadBody()
	if <-c.uploaded; c.x.request.over {
		t.Error("it is over")
	}
}

// pipe is both ends of a connection.
func pipe(t *testing.T) (a, b net.Conn) {
	t.Helper()
	ln := listen(t)
	defer ln.Close()
	a, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if b, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
	return a, b
}

func TestContinueIsTheInstancesToSay(t *testing.T) {
	const head = post + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
	for _, c := range []struct {
		name, first string
		status      int
		close       bool
	}{
		{"it says so", "HTTP/1.1 100 Continue\r\n\r\n", 200, false},
		{"it refuses", "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno", 417, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, d net.Conn, r *bufio.Reader) {
				for {
					q, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.WriteString(d, c.first)
					b := make([]byte, 5)
					if _, err := io.ReadFull(q.Body, b); err != nil {
						return
					}
					_, _ = io.WriteString(d, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"+string(bytes.ToUpper(b)))
				}
			}))
			p := l.dial()
			for range 2 {
				p.say(head)
				if c.status == 200 {
					if line, err := p.in.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
						t.Fatalf("%q, %v", line, err)
					}
					_, _ = p.in.Discard(2)
					p.say("hello").expect(200, "HELLO")
					continue
				}
				p.expect(c.status, "no")
				p.ends()
				break
			}
		})
	}
}

// The instance's connection ends with that of a client who leaves while the
// body is on its way.
func TestAClientThatLeavesInItsBodyEndsTheRequest(t *testing.T) {
	for name, request := range map[string]string{"a length": post + "Content-Length: 1000000\r\n\r\nab", "chunks": coded + "2\r\nab\r\n"} {
		t.Run(name, func(t *testing.T) {
			began, ended := make(chan struct{}), make(chan error, 1)
			l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, _ net.Conn, r *bufio.Reader) {
				q, err := http.ReadRequest(r)
				if err == nil {
					close(began)
					_, err = io.Copy(io.Discard, q.Body)
				}
				ended <- err
			}))
			p := l.dial().say(request)
			soon(t, "the request", began)
			_ = p.Close()
			if err := soon(t, "its end", ended); err == nil {
				t.Error("it was whole")
			}
			if o := l.outcome(); !errors.Is(o.Err, wire.ErrClientGone) || o.Status != 0 {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestBodiesPassInTheirChunks(t *testing.T) {
	const body = "3;a=b\r\nabc\r\n002\r\nde\r\n0\r\nX-Sum: 5\r\nX-More: a\r\n\r\n"
	l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			h := readHead(r)
			if h == "" {
				return
			}
			b := make([]byte, len(body))
			_, _ = io.ReadFull(r, b)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"+string(b))
		}
	}))
	p := l.dial()
	for _, piece := range []int{len(body), 7, 1} { // at a time
		p.say(coded)
		for rest := body; rest != ""; {
			n := min(piece, len(rest))
			p.say(rest[:n])
			rest = rest[n:]
		}
		p.head()
		b := make([]byte, len(body))
		if _, err := io.ReadFull(p.in, b); err != nil || string(b) != body {
			t.Errorf("in pieces of %d: %q, %v", piece, b, err)
		}
	}
}

// readHead reads a request's head; "" at the end.
func readHead(r *bufio.Reader) string {
	var b strings.Builder
	for !strings.HasSuffix(b.String(), "\r\n\r\n") {
		line, err := r.ReadString('\n')
		if err != nil {
			return ""
		}
		b.WriteString(line)
	}
	return b.String()
}

func TestAnOldClientGetsNoChunks(t *testing.T) {
	l := serve(t, &wiretest.Door{}, says(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX: a\r\n\r\n"))
	p := l.dial().say("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	if res := p.expect(200, "abcde"); len(res.TransferEncoding) > 0 || !res.Close {
		t.Errorf("%v %v", res.TransferEncoding, res.Header)
	}
	p.ends()
}
