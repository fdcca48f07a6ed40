package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What this engine accepts, net/http has to read in the same way. Where that
// does not accept it, or accepts what this does not, the reason is here.

// laxer are the errors of net/http with what passes here.
func laxer(err error) bool {
	var u *url.Error
	switch {
	case errors.As(err, &u): // targets go on as they are; what an escape or a port means is the instance's to say
	case strings.Contains(err.Error(), "bad trailer key"): // Trailer says nothing of the framing; trailers themselves are looked at
	case strings.Contains(err.Error(), "too much non-data"): // a body of tiny chunks costs the client more than the gateway
	case strings.Contains(err.Error(), "suspiciously long trailer"): // what it says of trailers without an end, of any length
	default:
		return false
	}
	return true
}

// stricter are the faults of what net/http accepts.
var stricter = map[*fault]string{
	badMethod:      "net/http has empty lines of LF alone before a request",
	badStart:       "net/http has any whitespace at the end of the line",
	badStatus:      "net/http has spaces about the status, and takes 000 for one",
	badEnd:         "net/http has lines end with LF alone",
	badFold:        "net/http unfolds values",
	badValue:       "net/http has control characters in values",
	badName:        "net/http trims lines",
	badTarget:      "net/http has an asterisk for any method, and other schemes",
	badVersion:     "net/http reads any version; its server refuses them later",
	badLength:      "net/http has equal lengths be said twice, and lengths of 19 digits",
	badFraming:     "net/http takes the coding for what counts",
	oldCoding:      "net/http ignores codings in HTTP/1.0",
	badHost:        "net/http takes the first Host; its server refuses them later",
	twoCredentials: "net/http has a list of any field",
	foreignHost:    "net/http has the target's host count",
	tooManyFields:  "net/http bounds bytes alone",
	tooLarge:       "net/http has a larger bound",
	noTunnel:       "net/http leaves CONNECT to the handler",
	badChunk:       "net/http has spaces behind a size, and LF alone",
	badTrailer:     "net/http has any field as a trailer",
	unknownCoding:  "net/http does not look at codings of responses that have no body",
	badCoding:      "the same",
}

// reading is what was made of some bytes.
type reading struct {
	Method, Target, Host string
	Status               int
	Header               http.Header
	Length               int64
	Body                 string
	Whole                bool // the body's end is there
	Rest                 int  // bytes behind it
}

// ours reads data with this engine. method: the request's that it answers.
func ours(data []byte, request bool, method string) (reading, *fault) {
	for request && bytes.HasPrefix(data, headEnd[:2]) {
		data = data[2:]
	}
	n := bytes.Index(data, headEnd) + len(headEnd)
	if n < len(headEnd) {
		return reading{}, tooLarge
	}
	if n > bufferSize {
		return reading{}, tooLarge
	}
	h := new(head)
	var f *fault
	if request {
		f = h.parseRequest(data[:n])
	} else {
		f = h.parseResponse(data[:n], method == http.MethodHead)
	}
	if f != nil {
		return reading{}, f
	}
	r := reading{Method: string(h.method), Target: string(h.target), Host: string(h.host), Status: h.status, Header: http.Header{}, Length: max(h.length, chunked)}
	for i := range h.n {
		field := &h.fields[i]
		r.Header.Add(string(h.name(field)), string(h.valueOf(field)))
	}
	return r, r.body(data[n:], h.length)
}

// body reads the body of a length.
func (r *reading) body(data []byte, length int64) *fault {
	k := &conn{buf: bytes.Clone(data), w: len(data)}
	var b body
	b.begin(k, length, 0)
	b.plain = true
	for {
		p, f := b.there()
		if f != nil {
			return f
		}
		if len(p) == 0 {
			break
		}
		r.Body += string(p)
		k.used(len(p))
	}
	r.Whole, r.Rest = b.over || length == untilClose, len(k.unread())
	return nil
}

// theirs reads data with net/http.
func theirs(data []byte, request bool, method string) (r reading, err error) {
	for request && bytes.HasPrefix(data, headEnd[:2]) {
		data = data[2:]
	}
	under := bytes.NewReader(data)
	in := bufio.NewReaderSize(under, bufferSize)
	var from io.ReadCloser
	var coding []string
	if request {
		q, err := http.ReadRequest(in)
		if err != nil {
			return r, err
		}
		r = reading{Method: q.Method, Target: q.RequestURI, Host: q.Host, Header: q.Header, Length: q.ContentLength}
		from, coding = q.Body, q.TransferEncoding
	} else {
		a, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return r, err
		}
		r = reading{Status: a.StatusCode, Header: a.Header, Length: a.ContentLength}
		if from, coding = a.Body, a.TransferEncoding; from == http.NoBody {
			r.Length, coding = 0, nil
		}
	}
	b, err := io.ReadAll(from)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !strings.Contains(err.Error(), "unexpected EOF reading trailer") {
		return r, err
	}
	if len(coding) > 0 {
		r.Length = chunked
	}
	r.Body, r.Whole, r.Rest = string(b), err == nil, in.Buffered()+under.Len()
	return r, nil
}

// same reports a difference between two readings.
func same(t *testing.T, data []byte, a, b reading) {
	t.Helper()
	a.Header, b.Header = plain(a.Header), plain(b.Header)
	a.Host, b.Host = strings.ToLower(a.Host), strings.ToLower(b.Host) // of the target, or of Host
	if !a.Whole || !b.Whole {                                         // how much was read by then is of no meaning
		a.Rest, b.Rest = 0, 0
		a.Body, b.Body = "", ""
	}
	if diff := cmp.Diff(b, a); diff != "" {
		t.Errorf("%q is not what net/http reads (-):\n%s", data, diff)
	}
}

// plain is h without what net/http keeps elsewhere, or makes up.
func plain(h http.Header) http.Header {
	h = h.Clone()
	for _, n := range []string{"Host", "Content-Length", "Transfer-Encoding", "Trailer", "Cache-Control"} {
		h.Del(n)
	}
	return h
}

// compare has both read data.
func compare(t *testing.T, data []byte, request bool, method string) (reading, bool) {
	t.Helper()
	a, f := ours(data, request, method)
	b, err := theirs(data, request, method)
	switch {
	case f != nil && err != nil:
	case f != nil && stricter[f] == "":
		t.Errorf("%q is refused, as net/http does not: %v", data, f)
	case f != nil:
	case err != nil && !laxer(err):
		t.Errorf("%q passes, but net/http says: %v", data, err)
	case err != nil:
	default:
		same(t, data, a, b)
		return a, true
	}
	return a, false
}

func FuzzRequest(f *testing.F) {
	for _, c := range refused {
		f.Add([]byte(c.request + behind))
	}
	for _, body := range badChunks {
		f.Add([]byte(coded + body + behind))
	}
	for _, s := range unusual {
		f.Add([]byte(s + behind))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, both := compare(t, data, true, ""); both {
			goesOn(t, data, r.Header)
		}
	})
}

func FuzzResponse(f *testing.F) {
	for _, s := range malformed {
		f.Add([]byte(s+ok), false)
	}
	for _, s := range []string{
		ok, "HTTP/1.0 200 OK\r\n\r\nhello", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: a\r\n\r\n",
	} {
		f.Add([]byte(s+ok), false)
		f.Add([]byte(s+ok), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, head bool) {
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		compare(t, data, false, method)
	})
}

// FuzzChunks has a body come in pieces as well: where they begin and end makes
// no difference.
func FuzzChunks(f *testing.F) {
	for _, body := range badChunks {
		f.Add([]byte(body+behind), 1)
	}
	f.Add([]byte("3;a=b\r\nabc\r\n002\r\nde\r\n0\r\nX-Sum: 5\r\nX-More: a\r\n\r\n"+behind), 3)
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		if len(data) > bufferSize/2 {
			return
		}
		compare(t, slices.Concat([]byte(coded), data), true, "")
		var whole reading
		wrong := whole.body(data, chunked)
		for _, takenApart := range []bool{false, true} {
			framed, fault := pieces(data, max(piece, 1), takenApart)
			switch {
			case (fault == nil) != (wrong == nil):
				t.Errorf("%q is %v, in pieces of %d %v", data, wrong, piece, fault)
			case fault != nil:
			case takenApart && framed != whole.Body:
				t.Errorf("%q is %q, in pieces of %d %q", data, whole.Body, piece, framed)
			case !takenApart && whole.Whole && framed != string(data[:len(data)-whole.Rest]):
				t.Errorf("%q in pieces of %d is passed on as %q", data, piece, framed)
			}
		}
	})
}

// pieces is what is passed on of a chunked body that comes in pieces.
func pieces(data []byte, size int, takenApart bool) (out string, f *fault) {
	k := &conn{buf: make([]byte, len(data))}
	var b body
	b.begin(k, chunked, 0)
	b.plain = takenApart
	for ; !b.over && len(data) > 0; data = data[min(size, len(data)):] {
		if k.buf == nil {
			k.buf = make([]byte, len(data))
		}
		k.w += copy(k.buf[k.w:], data[:min(size, len(data))])
		for {
			p, f := b.there()
			if f != nil {
				return "", f
			}
			if len(p) == 0 {
				break
			}
			out += string(p)
			k.used(len(p))
		}
	}
	return out, nil
}

// canonical is a field's name as net/http has it.
func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }
