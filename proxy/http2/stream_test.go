package http2

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/proxy/wire/wiretest"
)

func TestEventsPassAtOnce(t *testing.T) {
	for name, h2c := range services() {
		t.Run(name, func(t *testing.T) {
			next := make(chan string)
			l := serve(t, &wiretest.Door{Terms: wire.Terms{H2C: h2c}}, upstream(t, h2c, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				_ = http.NewResponseController(w).Flush()
				for e := range next {
					_, _ = io.WriteString(w, "data: "+e+"\n\n")
					_ = http.NewResponseController(w).Flush()
				}
			}))
			res := l.send(l.request("GET", "/", nil)) // the head came, before any event
			from := bufio.NewReader(res.Body)
			for _, e := range []string{"one", "two"} {
				next <- e
				if line, err := from.ReadString('\n'); line != "data: "+e+"\n" || err != nil {
					t.Fatalf("%q, %v", line, err)
				}
				_, _ = from.ReadString('\n')
			}
			close(next)
			if _, err := from.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

func TestBothWaysAtOnce(t *testing.T) {
	for name, h2c := range services() {
		t.Run(name, func(t *testing.T) {
			l := serve(t, &wiretest.Door{Terms: wire.Terms{H2C: h2c}}, upstream(t, h2c, func(w http.ResponseWriter, r *http.Request) {
				c := http.NewResponseController(w)
				_ = c.EnableFullDuplex() // HTTP/2 always is
				_ = c.Flush()
				for from := bufio.NewReader(r.Body); ; {
					line, err := from.ReadString('\n')
					if err != nil {
						return
					}
					_, _ = io.WriteString(w, "to "+line)
					_ = c.Flush()
				}
			}))
			body, say := io.Pipe()
			res := l.send(l.request("POST", "/", body))
			from := bufio.NewReader(res.Body)
			for _, word := range []string{"a\n", "b\n"} {
				_, _ = io.WriteString(say, word)
				if line, err := from.ReadString('\n'); line != "to "+word || err != nil {
					t.Fatalf("%q, %v", line, err)
				}
			}
			_ = say.Close()
			if _, err := from.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("it ended with %v", err)
			}
			if o := l.outcome(); o.Received != 4 || o.Sent != 10 || o.Err != nil {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestInformationalResponsesPass(t *testing.T) {
	for name, h2c := range services() {
		t.Run(name, func(t *testing.T) {
			l := serve(t, &wiretest.Door{Terms: wire.Terms{H2C: h2c}}, upstream(t, h2c, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Link", "</a.css>")
				w.WriteHeader(http.StatusEarlyHints)
				w.Header().Del("Link")
				_, _ = io.WriteString(w, "all")
			}))
			hints := make(chan string, 4)
			r := l.request("GET", "/", nil)
			r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
					hints <- http.StatusText(status) + h.Get("Link")
					return nil
				},
			}))
			res, body := l.do(r)
			if got := within(t, "the hint", hints); got != "Early Hints</a.css>" || body != "all" || res.Header.Get("Link") != "" || len(hints) > 0 {
				t.Errorf("%s, %v, %s", got, res.Header, body)
			}
		})
	}
}

func TestContinueIsSaidOnceAnInstanceIsThere(t *testing.T) {
	l := serve(t, &wiretest.Door{}, upstream(t, false, tell))
	l.client.Transport.(*http.Transport).ExpectContinueTimeout = patience * 10
	r := l.request("POST", "/", strings.NewReader("body"))
	r.Header.Set("Expect", "100-continue")
	if _, body := l.do(r); !strings.HasSuffix(body, " body") {
		t.Errorf("%q", body)
	}

	// Who is refused is not told to go on.
	l = serve(t, &wiretest.Door{Answer: &wire.Answer{Status: 403}})
	read := make(chan struct{})
	r = l.request("POST", "/", readFunc(func([]byte) (int, error) { close(read); return 0, io.EOF }))
	r.Header.Set("Expect", "100-continue")
	l.client.Transport.(*http.Transport).ExpectContinueTimeout = patience * 10
	if res, _ := l.do(r); res.StatusCode != 403 {
		t.Errorf("%d", res.StatusCode)
	}
	select {
	case <-read:
		t.Error("the body was asked for")
	default:
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func TestAnEarlyAnswerIsNotLost(t *testing.T) {
	ended := make(chan struct{})
	l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		head(t, r)
		_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
		<-ended // without reading of what still comes
	}))
	l.t.Cleanup(func() { close(ended) })
	r := l.request("POST", "/", io.LimitReader(zeros{}, 64<<20))
	res, body := l.do(r)
	if res.StatusCode != 403 || body != "no" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	if o := l.outcome(); o.Err != nil || o.Status != 403 {
		t.Errorf("%+v", o)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestAClientThatLeavesEndsTheRequest(t *testing.T) {
	for name, h2c := range services() {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct {
				name     string
				answered bool
				body     bool
			}{{"before the response", false, false}, {"in the response", true, false}, {"in its body", false, true}} {
				t.Run(c.name, func(t *testing.T) {
					began, ended := make(chan struct{}), make(chan struct{})
					l := serve(t, &wiretest.Door{Terms: wire.Terms{H2C: h2c}}, upstream(t, h2c, func(w http.ResponseWriter, r *http.Request) {
						if c.answered {
							_, _ = io.WriteString(w, "some")
							_ = http.NewResponseController(w).Flush()
						}
						close(began)
						if c.body {
							_, _ = io.Copy(io.Discard, r.Body)
						}
						<-r.Context().Done()
						close(ended)
					}))
					ctx, leave := context.WithCancel(t.Context())
					defer leave()
					var body io.Reader
					if c.body {
						read, write := io.Pipe()
						defer write.Close()
						body = read
					}
					r := l.request("POST", "/", body).WithContext(ctx)
					answered, gone := make(chan struct{}), make(chan struct{})
					go func() {
						defer close(gone)
						res, err := l.client.Do(r)
						if err == nil {
							close(answered)
							_, _ = io.Copy(io.Discard, res.Body)
							_ = res.Body.Close()
						}
					}()
					within(t, "the request came", began)
					if c.answered {
						within(t, "the response came", answered)
					}
					leave()
					within(t, "the instance hears of it", ended)
					within(t, "the client left", gone)
					o := l.outcome()
					if !errors.Is(o.Err, wire.ErrClientGone) || (o.Status == 200) != c.answered {
						t.Errorf("%+v", o)
					}
					if len(l.Causes) > 0 {
						t.Errorf("the instance is blamed: %v", <-l.Causes)
					}
				})
			}
		})
	}
}

func TestAConnectionThatEndsInABodyIsAClientThatLeft(t *testing.T) {
	began := make(chan struct{}, 8)
	l := serve(t, &wiretest.Door{}, upstream(t, false, func(_ http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	conns := make(chan net.Conn, 1)
	l.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, addr)
		conns <- c
		return c, err
	}
	for range 8 {
		read, write := io.Pipe()
		failed := make(chan error, 1)
		go func() {
			res, err := l.client.Do(l.request("POST", "/", read))
			if err == nil {
				_ = res.Body.Close()
			}
			failed <- err
		}()
		within(t, "the request came", began)
		_ = within(t, "the connection", conns).Close()
		if err := within(t, "the client hears of it", failed); err == nil {
			t.Error("it got a response")
		}
		_ = write.Close()
		if o := l.outcome(); !errors.Is(o.Err, wire.ErrClientGone) || o.Status != 0 {
			t.Errorf("%+v", o)
		}
	}
	if len(l.Causes) > 0 {
		t.Errorf("the instance is blamed: %v", <-l.Causes)
	}
}

func TestTimeouts(t *testing.T) {
	for name, h2c := range services() {
		t.Run(name, func(t *testing.T) {
			silent := upstream(t, h2c, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/half" {
					_, _ = io.WriteString(w, "half")
					_ = http.NewResponseController(w).Flush()
				}
				_, _ = io.Copy(io.Discard, r.Body) // or the server would not see the connection's end
				<-r.Context().Done()
			})
			for _, terms := range []wire.Terms{{Timeout: 20 * time.Millisecond}, {TryTimeout: 20 * time.Millisecond}} {
				terms.H2C = h2c
				l := serve(t, &wiretest.Door{Terms: terms}, silent)
				res, _ := l.do(l.request("POST", "/", strings.NewReader("body")))
				if o := l.outcome(); res.StatusCode != 504 || o.Status != 504 || !errors.Is(o.Err, wire.ErrTimeout) {
					t.Errorf("%d, %+v", res.StatusCode, o)
				}
				if err := within(t, "the cause", l.Causes); !errors.Is(err, wire.ErrTimeout) {
					t.Errorf("the cause is %v", err)
				}
			}
			l := serve(t, &wiretest.Door{Terms: wire.Terms{H2C: h2c, Timeout: 500 * time.Millisecond}}, silent)
			res := l.send(l.request("GET", "/half", nil))
			if b, err := io.ReadAll(res.Body); err == nil || string(b) != "half" {
				t.Errorf("it ended well: %q", b)
			}
			if o := l.outcome(); !errors.Is(o.Err, wire.ErrTimeout) || o.Status != 200 {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestRequestsAreRepeated(t *testing.T) {
	for name, h2c := range services() {
		t.Run(name, func(t *testing.T) {
			terms := wire.Terms{H2C: h2c}
			failing := upstream(t, h2c, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
			breaking := upstream(t, h2c, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
			good := upstream(t, h2c, tell)
			for _, c := range []struct {
				name, method string
				again        int
				first        string
				status       int
			}{
				{"where nothing was sent", "POST", 0, nobody(t), 200},
				{"for a status", "GET", 1, failing, 200},
				{"for a broken connection", "GET", 1, breaking, 200},
				{"as long as the pass says so", "GET", 0, failing, 503},
				{"not when that may do harm", "POST", 9, failing, 503},
				{"not when that may do harm, nor break off", "POST", 9, breaking, 502},
			} {
				t.Run(c.name, func(t *testing.T) {
					l := serve(t, &wiretest.Door{Terms: terms, Again: c.again}, c.first, good)
					if res, body := l.do(l.request(c.method, "/", nil)); res.StatusCode != c.status {
						t.Errorf("%d %s", res.StatusCode, body)
					}
				})
			}
		})
	}
}

func TestAConnectionThatWasClosedIsReplaced(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		closed := make(chan struct{}, 2)
		l := serve(t, &wiretest.Door{}, scripted(t, func(n int, c net.Conn, r *bufio.Reader) {
			head(t, r)
			_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
			if n > 0 {
				return
			}
			_ = c.Close()
			closed <- struct{}{}
		}))
		l.do(l.request(method, "/", nil))
		within(t, "it closed the connection", closed)
		if res, body := l.do(l.request(method, "/", nil)); res.StatusCode != 204 {
			t.Errorf("%s: %d %s", method, res.StatusCode, body)
		}
	}
}

func TestBodiesAreBounded(t *testing.T) {
	for name, h2c := range services() {
		t.Run(name, func(t *testing.T) {
			l := serve(t, &wiretest.Door{Terms: wire.Terms{H2C: h2c, MaxBody: 10}}, upstream(t, h2c, tell))
			for body, status := range map[string]int{"0123456789": 200, "0123456789a": 413} {
				r := l.request("POST", "/", io.NopCloser(strings.NewReader(body)))
				r.ContentLength = -1
				res, said := l.do(r)
				if res.StatusCode != status {
					t.Errorf("%d bytes: %d %s", len(body), res.StatusCode, said)
				}
				if o := l.outcome(); o.Status != status || (o.Err != nil) != (status == 413) {
					t.Errorf("%d bytes: %+v", len(body), o)
				}
			}
			if len(l.Causes) > 0 {
				t.Errorf("the instance is blamed: %v", <-l.Causes)
			}
		})
	}
}

func TestResponsesAreCompressed(t *testing.T) {
	for name, h2c := range services() {
		t.Run(name, func(t *testing.T) {
			more := make(chan struct{})
			l := serve(t, &wiretest.Door{Terms: wire.Terms{H2C: h2c, Compress: []string{"gzip"}}}, upstream(t, h2c, func(w http.ResponseWriter, r *http.Request) {
				h := w.Header()
				h.Set("Content-Type", "text/plain")
				h.Set("ETag", `"x"`)
				h.Set("Accept-Ranges", "bytes")
				if r.URL.Path == "/small" {
					h.Set("Content-Length", "2")
					_, _ = io.WriteString(w, "ok")
					return
				}
				_, _ = io.WriteString(w, strings.Repeat("first ", 1000))
				_ = http.NewResponseController(w).Flush()
				<-more
				_, _ = io.WriteString(w, "last")
			}))
			r := l.request("GET", "/", nil)
			r.Header.Set("Accept-Encoding", "gzip, br")
			res := l.send(r)
			h := res.Header
			if h.Get("Content-Encoding") != "gzip" || h.Get("ETag") != `W/"x"` || h.Get("Vary") != "Accept-Encoding" || h.Get("Accept-Ranges") != "" {
				t.Errorf("%v", h)
			}
			z, err := gzip.NewReader(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			first := make([]byte, 6000)
			if _, err := io.ReadFull(z, first); err != nil { // while the instance waits
				t.Fatal(err)
			}
			close(more)
			if rest, err := io.ReadAll(z); string(rest) != "last" || err != nil {
				t.Errorf("%q, %v", rest, err)
			}
			r = l.request("GET", "/small", nil)
			r.Header.Set("Accept-Encoding", "gzip")
			if res, body := l.do(r); res.Header.Get("Content-Encoding") != "" || body != "ok" || res.Header.Get("ETag") != `"x"` {
				t.Errorf("%v %s", res.Header, body)
			}
		})
	}
}
