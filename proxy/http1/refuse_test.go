package http1

import (
	"bufio"
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

// counter is an instance that counts what arrives, and answers what is whole.
type counter struct {
	addr         string
	bytes, whole atomic.Int64
}

func counting(t testing.TB) *counter {
	t.Helper()
	k := &counter{}
	k.addr = scripted(t, func(_ int, c net.Conn, _ *bufio.Reader) {
		r := bufio.NewReader(readFunc(func(p []byte) (int, error) {
			n, err := c.Read(p)
			k.bytes.Add(int64(n))
			return n, err
		}))
		for takes(r) == nil {
			k.whole.Add(1)
			_, _ = io.WriteString(c, ok)
		}
	})
	return k
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// behind is what a client that smuggles hopes to have served.
const behind = "GET /behind HTTP/1.1\r\nHost: a\r\n\r\n"

const (
	host  = "Host: a\r\n"
	post  = "POST / HTTP/1.1\r\n" + host
	get   = "GET / HTTP/1.1\r\n" + host
	coded = post + "Transfer-Encoding: chunked\r\n\r\n"
)

// refused are the requests that are not to be understood, and how that is said.
var refused = []struct {
	name    string
	status  int
	request string
}{
	{"length, then coding", 400, post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{"coding, then length", 400, post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
	{"two lengths", 400, post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"},
	{"a length twice", 400, post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
	{"a list of lengths", 400, post + "Content-Length: 1,1\r\n\r\nx"},
	{"a length with a plus", 400, post + "Content-Length: +3\r\n\r\nabc"},
	{"a length with a minus", 400, post + "Content-Length: -1\r\n\r\n"},
	{"a length in hexadecimal", 400, post + "Content-Length: 0x5\r\n\r\nhello"},
	{"a length of nothing", 400, post + "Content-Length: \r\n\r\n"},
	{"a length with a space", 400, post + "Content-Length: 1 1\r\n\r\nx"},
	{"a length with a fraction", 400, post + "Content-Length: 1.0\r\n\r\nx"},
	{"a length with an underscore", 400, post + "Content-Length: 1_0\r\n\r\nx"},
	{"a length in other digits", 400, post + "Content-Length: \u0663\r\n\r\nabc"},
	{"a length past 64 bits", 400, post + "Content-Length: 18446744073709551617\r\n\r\nx"},
	{"a length past 63 bits", 400, post + "Content-Length: 9223372036854775808\r\n\r\nx"},

	{"an unknown coding", 501, post + "Transfer-Encoding: gzip\r\n\r\n"},
	{"an unknown coding beneath chunked", 501, post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
	{"identity", 501, post + "Transfer-Encoding: identity\r\n\r\n"},
	{"almost chunked", 501, post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
	{"chunked in quotes", 400, post + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"},
	{"chunked with a parameter", 400, post + "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"},
	{"chunked twice", 400, post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"},
	{"two codings", 400, post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{"chunked, and identity elsewhere", 400, post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"},
	{"a coding of nothing", 400, post + "Transfer-Encoding:\r\n\r\n0\r\n\r\n"},
	{"chunked behind a comma", 400, post + "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"},
	{"chunked behind a vertical tab", 400, post + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"},
	{"a coding in HTTP/1.0", 400, "POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},

	{"a space before the colon", 400, post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
	{"a tab before the colon", 400, post + "Content-Length\t: 5\r\n\r\nhello"},
	{"a folded value", 400, get + "X: a\r\n b\r\n\r\n"},
	{"a folded value, with a tab", 400, get + "X: a\r\n\tb\r\n\r\n"},
	{"a fold in the first line", 400, "GET / HTTP/1.1\r\n Host: a\r\n" + host + "\r\n"},
	{"a folded coding", 400, post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"},
	{"a fold at the end", 400, get + "X: a\r\n \r\n\r\n"},

	{"CR in the request line", 400, "GET /\r HTTP/1.1\r\n" + host + "\r\n"},
	{"CR after the version", 400, "GET / HTTP/1.1\r\r\n" + host + "\r\n"},
	{"CR before the method", 400, "\rGET / HTTP/1.1\r\n" + host + "\r\n"},
	{"CR in a name", 400, get + "X\rY: a\r\n\r\n"},
	{"CR in a value", 400, get + "X: a\rContent-Length: 5\r\n\r\n"},
	{"CR at the end of a value", 400, get + "X: a\r\r\n\r\n"},
	{"CR in the last line", 400, get + "\rX: a\r\n\r\n"},
	{"LF in the request line", 400, "GET /\n HTTP/1.1\r\n" + host + "\r\n"},
	{"LF after the request line", 400, "GET / HTTP/1.1\n" + host + "\r\n"},
	{"LF before the method", 400, "\nGET / HTTP/1.1\r\n" + host + "\r\n"},
	{"LF in a value", 400, get + "X: a\nContent-Length: 5\r\n\r\n"},
	{"LF after a field", 400, get + "X: a\n\r\n"},
	{"LF at the end of the head", 400, get + "X: a\r\n\n"},
	{"LF alone everywhere", 400, "GET / HTTP/1.1\nHost: a\n\n"},
	{"NUL in the method", 400, "G\x00T / HTTP/1.1\r\n" + host + "\r\n"},
	{"NUL in the target", 400, "GET /\x00 HTTP/1.1\r\n" + host + "\r\n"},
	{"NUL in a name", 400, get + "X\x00: a\r\n\r\n"},
	{"NUL in a value", 400, get + "X: a\x00b\r\n\r\n"},
	{"a bell in a value", 400, get + "X: a\x07\r\n\r\n"},
	{"DEL in a value", 400, get + "X: a\x7f\r\n\r\n"},
	{"DEL in the target", 400, "GET /\x7f HTTP/1.1\r\n" + host + "\r\n"},
	{"the target is not ASCII", 400, "GET /\u00e4 HTTP/1.1\r\n" + host + "\r\n"},

	{"no Host", 400, "GET / HTTP/1.1\r\n\r\n"},
	{"two Hosts", 400, get + "Host: b\r\n\r\n"},
	{"one Host, twice", 400, get + "host: a\r\n\r\n"},
	// The gateway would check one, and a service might go by the other.
	{"two Authorizations", 400, get + "Authorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n"},
	{"two Hosts in one", 400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"},
	{"a Host with a space", 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
	{"a Host with a path", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
	{"a Host with a user", 400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
	{"a Host with a quote", 400, "GET / HTTP/1.1\r\nHost: a\"\r\n\r\n"},
	{"a Host with a backslash", 400, "GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n"},
	{"a Host with a query", 400, "GET / HTTP/1.1\r\nHost: a?b\r\n\r\n"},
	{"a Host with a fragment", 400, "GET / HTTP/1.1\r\nHost: a#b\r\n\r\n"},
	{"a Host that is not ASCII", 400, "GET / HTTP/1.1\r\nHost: \u00e4\r\n\r\n"},

	{"a method that is no token", 400, "G(T / HTTP/1.1\r\n" + host + "\r\n"},
	{"no method", 400, " / HTTP/1.1\r\n" + host + "\r\n"},
	{"a tab after the method", 400, "GET\t/ HTTP/1.1\r\n" + host + "\r\n"},
	{"two spaces after the method", 400, "GET  / HTTP/1.1\r\n" + host + "\r\n"},
	{"two spaces after the target", 400, "GET /  HTTP/1.1\r\n" + host + "\r\n"},
	{"a space after the version", 400, "GET / HTTP/1.1 \r\n" + host + "\r\n"},
	{"no target", 400, "GET HTTP/1.1\r\n" + host + "\r\n"},
	{"a target in two parts", 400, "GET /a b HTTP/1.1\r\n" + host + "\r\n"},
	{"a name with a space", 400, get + "X Y: a\r\n\r\n"},
	{"a name in brackets", 400, get + "X[0]: a\r\n\r\n"},
	{"a name that is not ASCII", 400, get + "\u00e4: a\r\n\r\n"},
	{"no name", 400, get + ": a\r\n\r\n"},
	{"no colon", 400, get + "X\r\n\r\n"},

	{"HTTP/0.9", 400, "GET /\r\n\r\n"},
	{"HTTP/0.9 by number", 505, "GET / HTTP/0.9\r\n" + host + "\r\n"},
	{"HTTP/1.2", 505, "GET / HTTP/1.2\r\n" + host + "\r\n"},
	{"HTTP/2.0", 505, "GET / HTTP/2.0\r\n" + host + "\r\n"},
	{"HTTP/3.0", 505, "GET / HTTP/3.0\r\n" + host + "\r\n"},
	{"HTTP/1", 400, "GET / HTTP/1\r\n" + host + "\r\n"},
	{"HTTP/01.1", 400, "GET / HTTP/01.1\r\n" + host + "\r\n"},
	{"HTTP/1.10", 400, "GET / HTTP/1.10\r\n" + host + "\r\n"},
	{"http/1.1", 400, "GET / http/1.1\r\n" + host + "\r\n"},
	{"HTTPS/1.1", 400, "GET / HTTPS/1.1\r\n" + host + "\r\n"},
	{"another protocol", 400, "GET / ICAP/1.0\r\n" + host + "\r\n"},

	{"an absolute target of another host", 400, "GET http://b/ HTTP/1.1\r\n" + host + "\r\n"},
	{"an absolute target of another port", 400, "GET http://a:81/ HTTP/1.1\r\n" + host + "\r\n"},
	{"an absolute target without a host", 400, "GET http:/// HTTP/1.1\r\nHost:\r\n\r\n"},
	{"an absolute target with a user", 400, "GET http://u@a/ HTTP/1.1\r\n" + host + "\r\n"},
	{"an absolute target with a fragment", 400, "GET http://a#b/ HTTP/1.1\r\n" + host + "\r\n"},
	{"an absolute target without Host", 400, "GET http://a/ HTTP/1.1\r\n\r\n"},
	{"a target of another scheme", 400, "GET ftp://a/ HTTP/1.1\r\n" + host + "\r\n"},
	{"a target without a slash", 400, "GET a HTTP/1.1\r\n" + host + "\r\n"},
	{"CONNECT", 501, "CONNECT a:443 HTTP/1.1\r\n" + host + "\r\n"},
	{"CONNECT with a path", 501, "CONNECT / HTTP/1.1\r\n" + host + "\r\n"},
	{"an asterisk with GET", 400, "GET * HTTP/1.1\r\n" + host + "\r\n"},
	{"an asterisk and more", 400, "OPTIONS *x HTTP/1.1\r\n" + host + "\r\n"},

	{"too many fields", 431, get + strings.Repeat("X: a\r\n", maxFields) + "\r\n"},
	{"too large a field", 431, get + "X: " + strings.Repeat("a", bufferSize) + "\r\n\r\n"},
	{"too many bytes", 431, get + strings.Repeat("X: "+strings.Repeat("a", 1<<10)+"\r\n", 40) + "\r\n"},
	{"too long a target", 431, "GET /" + strings.Repeat("a", bufferSize) + " HTTP/1.1\r\n" + host + "\r\n"},
	{"too long a method", 431, strings.Repeat("A", bufferSize) + " / HTTP/1.1\r\n" + host + "\r\n"},
}

// badChunks are bodies that are not to be understood from their first chunk on.
var badChunks = map[string]string{
	"no size":                       "\r\nhello\r\n0\r\n\r\n",
	"a size with a sign":            "+5\r\nhello\r\n0\r\n\r\n",
	"a negative size":               "-5\r\nhello\r\n0\r\n\r\n",
	"a size with 0x":                "0x5\r\nhello\r\n0\r\n\r\n",
	"a size that is none":           "g\r\nhello\r\n0\r\n\r\n",
	"a size with an underscore":     "0_5\r\nhello\r\n0\r\n\r\n",
	"a space before the size":       " 5\r\nhello\r\n0\r\n\r\n",
	"a space after the size":        "5 \r\nhello\r\n0\r\n\r\n",
	"a size in two parts":           "5 5\r\nhello\r\n0\r\n\r\n",
	"a size and a tab":              "5\t\r\nhello\r\n0\r\n\r\n",
	"a size past 64 bits":           "10000000000000005\r\nhello\r\n0\r\n\r\n",
	"a size past 63 bits":           "8000000000000000\r\nhello\r\n0\r\n\r\n",
	"a size with many zeros":        strings.Repeat("0", 64) + "5\r\nhello\r\n0\r\n\r\n",
	"a quoted size":                 "\"5\"\r\nhello\r\n0\r\n\r\n",
	"CR alone after the size":       "5\rhello\r\n0\r\n\r\n",
	"LF alone after the size":       "5\nhello\r\n0\r\n\r\n",
	"CR CR LF after the size":       "5\r\r\nhello\r\n0\r\n\r\n",
	"LF in an extension":            "5;a\nhello\r\n0\r\n\r\n",
	"CR in an extension":            "5;a\rb\r\nhello\r\n0\r\n\r\n",
	"NUL in an extension":           "5;a\x00\r\nhello\r\n0\r\n\r\n",
	"an extension that is long":     "5;" + strings.Repeat("a", maxChunkLine+1) + "\r\nhello\r\n0\r\n\r\n",
	"many extensions":               "5" + strings.Repeat(";a=b", maxChunkLine) + "\r\nhello\r\n0\r\n\r\n",
	"nothing after the data":        "5\r\nhello0\r\n\r\n",
	"LF alone after the data":       "5\r\nhello\n0\r\n\r\n",
	"CR alone after the data":       "5\r\nhello\r0\r\n\r\n",
	"data longer than its size":     "5\r\nhello!\r\n0\r\n\r\n",
	"data shorter than its size":    "6\r\nhello\r\n0\r\n\r\n",
	"LF alone after the last chunk": "5\r\nhello\r\n0\n\r\n",
	"LF alone at the end":           "5\r\nhello\r\n0\r\n\n",
	"LF alone after a trailer":      "0\r\nX: a\n\r\n",
	"CR alone in a trailer":         "0\r\nX: a\rb\r\n\r\n",
	"NUL in a trailer":              "0\r\nX: a\x00\r\n\r\n",
	"a folded trailer":              "0\r\nX: a\r\n b\r\n\r\n",
	"a trailer without a colon":     "0\r\nX\r\n\r\n",
	"a space before the colon":      "0\r\nX : a\r\n\r\n",
	"a length as trailer":           "0\r\nContent-Length: 5\r\n\r\n",
	"a coding as trailer":           "0\r\nTransfer-Encoding: chunked\r\n\r\n",
	"a Host as trailer":             "0\r\nHost: b\r\n\r\n",
	"Connection as trailer":         "0\r\nConnection: close\r\n\r\n",
	"Trailer as trailer":            "0\r\nTrailer: X\r\n\r\n",
	"credentials as trailer":        "0\r\nAuthorization: Basic eDp5\r\n\r\n",
	"a space before an extension":   "5 ;a\r\nhello\r\n0\r\n\r\n",
	"whom it is for as trailer":     "0\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n",
	"a cookie as trailer":           "0\r\nSet-Cookie: a=b\r\n\r\n",
}

func TestWhatTwoCouldReadInTwoWaysIsRefused(t *testing.T) {
	k := counting(t)
	l := serve(t, &wiretest.Door{}, k.addr)
	check := func(name string, status int, request string) {
		t.Run(name, func(t *testing.T) {
			l.t = t
			p := l.dial().say(request + behind)
			if res := p.expectProblem(status); !res.Close {
				t.Error("the connection goes on")
			}
			p.ends()
			if n := k.bytes.Load(); n != 0 {
				t.Errorf("%d bytes were forwarded", n)
			}
			k.bytes.Store(0)
		})
	}
	for _, c := range refused {
		check(c.name, c.status, c.request)
	}
	for name, body := range badChunks {
		check("chunks: "+name, 400, coded+body)
	}
	var many strings.Builder
	for i := range maxFields + 1 {
		fmt.Fprintf(&many, "X-%d: a\r\n", i)
	}
	check("chunks: too many trailers", 431, coded+"0\r\n"+many.String()+"\r\n")
}

// The same when it shows only once the request is under way: what the instance
// has seen by then is no whole request, and never becomes one.
func TestABodyThatGoesWrongIsNeverWhole(t *testing.T) {
	k := counting(t)
	l := serve(t, &wiretest.Door{}, k.addr)
	for name, body := range badChunks {
		t.Run(name, func(t *testing.T) {
			l.t = t
			k.bytes.Store(0)
			p := l.dial().say(coded + "3\r\nabc\r\n")
			eventually(t, "the body's begin is forwarded", func() bool { return k.bytes.Load() > 0 })
			p.say(body + behind)
			p.expectProblem(400)
			p.ends()
		})
	}
	l.stop()
	if n := k.whole.Load(); n != 0 {
		t.Errorf("%d requests were whole", n)
	}
}

func TestATrailerHasTheBoundOfAHead(t *testing.T) {
	k := counting(t)
	l := serve(t, &wiretest.Door{}, k.addr)
	p := l.dial().say(coded + "0\r\nX: " + strings.Repeat("a", bufferSize) + "\r\n\r\n" + behind)
	p.expectProblem(400)
	p.ends()
	_ = p.Close()
	l.stop()
	if n := k.whole.Load(); n != 0 {
		t.Errorf("%d requests were whole", n)
	}
}

// What the gateway itself says in a head needs room, too.
func TestAHeadThatGrewTooLargeIsNotForwarded(t *testing.T) {
	k := counting(t)
	l := serve(t, &wiretest.Door{}, k.addr)
	p := l.dial().say(get + "X: " + strings.Repeat("a", bufferSize-100) + "\r\n\r\n" + behind)
	p.expectProblem(431)
	p.expect(200, "ok") // that head was understood: what is behind it is, too
	if n := k.whole.Load(); n != 1 {
		t.Errorf("%d requests were whole", n)
	}
}

func TestABodyThatBreaksOffIsNeverWhole(t *testing.T) {
	k := counting(t)
	l := serve(t, &wiretest.Door{}, k.addr)
	for _, request := range []string{
		post + "Content-Length: 5\r\n\r\nhell",
		coded + "5\r\nhello\r\n",
		coded + "5\r\nhello\r\n0\r\n",
		coded + "5\r\nhello\r\n0\r\nX: a\r\n",
	} {
		p := l.dial().say(request)
		_ = p.Conn.(*net.TCPConn).CloseWrite()
		p.ends()
		if o := l.outcome(); o.Err == nil || o.Status != 0 {
			t.Errorf("%q: %+v", request, o)
		}
	}
	l.stop()
	if n := k.whole.Load(); n != 0 {
		t.Errorf("%d requests were whole", n)
	}
}

func TestABodyBeyondItsRoutesLimitIsRefused(t *testing.T) {
	k := counting(t)
	l := serve(t, &wiretest.Door{Terms: wire.Terms{MaxBody: 8}}, k.addr)
	p := l.dial().say(coded + "5\r\nhello\r\n4\r\nmore\r\n0\r\n\r\n" + behind)
	p.expectProblem(http.StatusRequestEntityTooLarge)
	p.ends()
	_ = p.Close()
	l.dial().say(coded+"8\r\nhello...\r\n0\r\n\r\n").expect(200, "ok")
	l.stop()
	if n := k.whole.Load(); n != 1 {
		t.Errorf("%d requests were whole", n)
	}
}

// unusual are requests that are clear.
var unusual = map[string]string{
	"empty lines before":        "\r\n\r\n" + get + "\r\n",
	"an absolute target":        "GET http://a/ HTTP/1.1\r\n" + host + "\r\n",
	"an absolute target, large": "GET http://A HTTP/1.1\r\n" + host + "\r\n",
	"an absolute target of old": "GET http://a/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"old, without Host":         "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"an empty Host":             "GET / HTTP/1.1\r\nHost:\r\n\r\n",
	"a Host of IPv6":            "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
	"any method":                "M-SEARCH!#$%&'*+.^_`|~ / HTTP/1.1\r\n" + host + "\r\n",
	"a value that is not ASCII": get + "X: \u00e4\xff\r\n\r\n",
	"a hundred fields":          get + strings.Repeat("X: a\r\n", maxFields-1) + "\r\n",
	"chunked in capitals":       post + "transfer-encoding:\tCHUNKED \r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"extensions":                coded + "5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n",
	"zeros before a size":       coded + "0005\r\nhello\r\n000\r\n\r\n",
	"zeros before a length":     post + "Content-Length: 005\r\n\r\nhello",
	"a query alone":             "GET /? HTTP/1.1\r\n" + host + "\r\n",
	"OPTIONS *":                 "OPTIONS * HTTP/1.1\r\n" + host + "\r\n",
}

func TestWhatIsUnusualButClearPasses(t *testing.T) {
	l := serve(t, &wiretest.Door{}, says(t, ok))
	for name, request := range unusual {
		t.Run(name, func(t *testing.T) {
			l.t = t
			p := l.dial()
			for range 2 { // the second shows that the first ended where it should
				p.say(request).expect(200, "ok")
			}
		})
	}
}
