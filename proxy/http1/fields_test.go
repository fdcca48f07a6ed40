package http1

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/proxy/wire/wiretest"
)

// forOneConnection are the fields that go no further (RFC 9110 §7.6.1).
var forOneConnection = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Upgrade",
}

// gatewaysOwn are the fields that the gateway says itself in a request.
var gatewaysOwn = []string{
	"Forwarded", "X-Real-Ip", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto",
	"X-Forwarded-Prefix", "X-Forwarded-Server", "Traceparent",
}

// onward is what has to go on of the fields of a message.
func onward(h http.Header, request bool) http.Header {
	out := h.Clone()
	for _, list := range h["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			switch name = canonical(strings.Trim(name, " \t")); name {
			case "Host", "Content-Length", "Transfer-Encoding": // no client may take those off
			default:
				out.Del(name)
			}
		}
	}
	for _, n := range forOneConnection {
		out.Del(n)
	}
	if request {
		for _, n := range gatewaysOwn {
			out.Del(n)
		}
	}
	return out
}

// goesOn checks the request that is made of data, whose fields are h.
func goesOn(t *testing.T, data []byte, h http.Header) {
	t.Helper()
	data = bytes.TrimLeft(data, "\r\n")
	n := bytes.Index(data, headEnd) + len(headEnd)
	c := &client{}
	c.buf, c.w = data, len(data)
	c.tell("http")
	x := &exchange{client: c, head: new(head), terms: &wire.Terms{}}
	if f := x.head.parseRequest(data[:n]); f != nil {
		t.Fatal(f)
	}
	x.terms.Path, x.terms.Query = string(x.head.path), string(x.head.query)
	if f := x.makeRequest(); f != nil {
		return // too large
	}
	q, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(x.sent)))
	if err != nil {
		t.Fatalf("%q becomes %q: %v", data, x.sent, err)
	}
	want := q.Host
	if host := string(x.head.host); x.head.host != nil {
		want = host
	}
	if bytes.Count(bytes.ToLower(x.sent), []byte("\r\nhost:")) != 1 || q.Host != want || q.Method != string(x.head.method) || q.Proto != "HTTP/1.1" {
		t.Errorf("%q becomes %q", data, x.sent)
	}
	if length := max(x.head.length, chunked); q.ContentLength != length {
		t.Errorf("%q becomes %q, with a length of %d", data, x.sent, q.ContentLength)
	}
	if diff := cmp.Diff(plain(onward(h, true)), plain(without(q.Header, gatewaysOwn, forOneConnection))); diff != "" {
		t.Errorf("%q becomes %q:\n%s", data, x.sent, diff)
	}
	if te := q.Header.Get("Te"); te != "" && te != "trailers" {
		t.Errorf("%q becomes %q", data, x.sent)
	}
	if x.upgrade == "" && len(q.Header["Connection"])+len(q.Header["Upgrade"]) > 0 {
		t.Errorf("%q becomes %q", data, x.sent)
	}
}

func without(h http.Header, lists ...[]string) http.Header {
	h = h.Clone()
	for _, list := range lists {
		for _, n := range list {
			h.Del(n)
		}
	}
	return h
}

func TestWhatIsForOneConnectionGoesNoFurther(t *testing.T) {
	for _, fields := range []string{
		"",
		"Connection: close\r\nKeep-Alive: 1\r\nProxy-Connection: close\r\n",
		"Connection: X-A, x-b\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\nX-A: 4\r\n",
		"X-A: 1\r\nConnection: keep-alive\r\nconnection: ,, x-a,\r\n",
		"Connection: host, Content-Length, transfer-encoding\r\nX: 1\r\n",
		"Connection: x-request-id, tracestate, accept, expect\r\nX-Request-Id: 1\r\nTracestate: a\r\nAccept: b\r\nExpect: c\r\n",
		"TE: gzip, trailers\r\nTrailer: X\r\n",
		"Upgrade: x\r\nX: 1\r\n",
		"Proxy-Authorization: x\r\nProxy-Authenticate: y\r\n",
		"X-Forwarded-For: a\r\nforwarded: b\r\nX-Real-IP: c\r\nTraceparent: d\r\nX-Forwarded-Other: e\r\n",
	} {
		for _, version := range []string{"HTTP/1.1", "HTTP/1.0"} {
			data := []byte("GET /a?b " + version + "\r\n" + host + fields + "\r\n")
			r, f := ours(data, true, "")
			if f != nil {
				t.Fatal(f)
			}
			goesOn(t, data, r.Header)
		}
		l := serve(t, &wiretest.Door{}, says(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"+fields+"\r\n"))
		res := l.dial().say(get+"\r\n").expect(200, "")
		r, f := ours([]byte("HTTP/1.1 200 OK\r\n"+fields+"\r\n"), false, "GET")
		if f != nil {
			t.Fatal(f)
		}
		if diff := cmp.Diff(plain(onward(r.Header, false)), plain(res.Header)); diff != "" {
			t.Errorf("%q: %s", fields, diff)
		}
	}
}

func TestARequestWithItsHostInTheTargetAloneGoesOnWithHost(t *testing.T) {
	got := make(chan string, 1)
	l := serve(t, &wiretest.Door{}, scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		got <- readHead(r)
		_, _ = c.Write([]byte(ok))
	}))
	for request, want := range map[string]string{
		"GET http://shop:81/a HTTP/1.0\r\n\r\n":           "shop:81",
		"GET / HTTP/1.0\r\n\r\n":                          "localhost",
		"GET / HTTP/1.0\r\nHost: \r\n\r\n":                "",
		"GET / HTTP/1.0\r\nHost: shop\r\n\r\n":            "shop",
		"GET http://shop/ HTTP/1.1\r\nHost: shop\r\n\r\n": "shop",
	} {
		l.dial().say(request).expect(200, "ok")
		var hosts []string
		for line := range strings.SplitSeq(soon(t, "the request", got), "\r\n") {
			if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "host") {
				hosts = append(hosts, strings.TrimSpace(value))
			}
		}
		if len(hosts) != 1 || hosts[0] != want {
			t.Errorf("%q goes on with Host %q", request, hosts)
		}
	}
}
