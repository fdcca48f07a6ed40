package http1

import (
	"bytes"
	"net/http"

	"github.com/msctl/msctl/proxy/wire"
)

// maxFields is Envoy's max_headers_count.
const maxFields = 100

// Lengths of a body that are no length.
const (
	chunked    = -1
	untilClose = -2
)

// fault is what is wrong with a message, and the status that says so.
type fault struct {
	status int
	detail string
}

func (f *fault) Error() string { return f.detail }

// The faults of heads. RFC 9112 §3, §5 and §6 have the rules.
var (
	badStart       = &fault{http.StatusBadRequest, "the request line is not METHOD SP target SP HTTP/1.1"}
	badMethod      = &fault{http.StatusBadRequest, "the method is no token"}
	badTarget      = &fault{http.StatusBadRequest, "the request target is no path, no http URL and no asterisk"}
	badVersion     = &fault{http.StatusHTTPVersionNotSupported, "this connection speaks HTTP/1.1 and HTTP/1.0"}
	badStatus      = &fault{http.StatusBadGateway, "the status line is not HTTP/1.1 SP three digits"}
	badName        = &fault{http.StatusBadRequest, "a field's name is no token followed by a colon"}
	badValue       = &fault{http.StatusBadRequest, "a field's value has a control character"}
	badFold        = &fault{http.StatusBadRequest, "a field's value goes on in the next line"}
	badEnd         = &fault{http.StatusBadRequest, "a line does not end with CR LF"}
	badLength      = &fault{http.StatusBadRequest, "Content-Length is not one whole number"}
	badCoding      = &fault{http.StatusBadRequest, "Transfer-Encoding is not chunked, once"}
	unknownCoding  = &fault{http.StatusNotImplemented, "the only transfer coding known here is chunked"}
	oldCoding      = &fault{http.StatusBadRequest, "Transfer-Encoding in HTTP/1.0"}
	badFraming     = &fault{http.StatusBadRequest, "both Content-Length and Transfer-Encoding"}
	badHost        = &fault{http.StatusBadRequest, "there is not one valid Host"}
	twoCredentials = &fault{http.StatusBadRequest, "there is more than one Authorization"}
	foreignHost    = &fault{http.StatusBadRequest, "the request target names another host than Host does"}
	tooManyFields  = &fault{http.StatusRequestHeaderFieldsTooLarge, "more than 100 fields"}
	tooLarge       = &fault{http.StatusRequestHeaderFieldsTooLarge, "the head is larger than 32 KiB"}
	noTunnel       = &fault{http.StatusNotImplemented, "this is a gateway to the services of a stack, not a proxy to elsewhere"}
	tooSlow        = &fault{http.StatusRequestTimeout, "the request did not come in time"}
	badChunk       = &fault{http.StatusBadRequest, "the body's chunks are malformed"}
	badTrailer     = &fault{http.StatusBadRequest, "a trailer may not have this field"}
	bodyTooLarge   = &fault{http.StatusRequestEntityTooLarge, "the body is larger than the route allows"}
	unknownUpgrade = &fault{http.StatusBadGateway, "it switched to a protocol that nobody asked for"}
)

// What becomes of a field on its way.
const (
	keep   = iota
	drop   // it is for this connection only (RFC 9110 §7.6.1), or the gateway says it anew
	told   // it tells who is behind a proxy
	ident  // the request's id
	traced // the trace, which the gateway says anew
	stated // what others keep in it
	framed // Content-Length or Transfer-Encoding
)

// field is where one field is in its head.
type field struct {
	start, colon, value, end uint16 // end is that of the value; CR LF follow, or spaces before them
	fate                     uint8
}

// head is a parsed head. It is a view of the bytes it was parsed from.
type head struct {
	bytes  []byte // the whole of it, with the empty line
	fields [maxFields]field
	n      int
	view   wire.Head // of a request, for the door

	method, target, host    []byte // of a request
	path, query             []byte
	status                  int   // of a response
	old                     bool  // HTTP/1.0
	length                  int64 // of the body: bytes, chunked or untilClose
	close                   bool  // the connection ends with this message
	persist                 bool  // keep-alive was asked for
	nominated               bool  // Connection names fields
	upgrade                 []byte
	switches                bool // Connection names Upgrade, which counts for nothing without (RFC 9110 §7.8)
	expects, trailers, html bool
	requestID               bool // has X-Request-Id
	hosted                  bool // has Host
	authorized              bool // has Authorization
}

// reset forgets everything but the array of fields.
func (h *head) reset(b []byte) {
	h.bytes, h.n, h.view = b, 0, wire.Head{}
	h.method, h.target, h.host, h.path, h.query = nil, nil, nil, nil, nil
	h.status, h.length, h.upgrade = 0, 0, nil
	h.old, h.close, h.persist, h.nominated = false, false, false, false
	h.expects, h.trailers, h.html, h.requestID, h.switches, h.hosted, h.authorized = false, false, false, false, false, false, false
}

// parseRequest parses the head of a request, up to and with its empty line.
func (h *head) parseRequest(b []byte) *fault {
	h.reset(b)
	i := 0
	for i < len(b) && class[b[i]]&isToken != 0 {
		i++
	}
	if i == 0 || b[i] != ' ' {
		if i == 0 {
			return badMethod
		}
		return badStart
	}
	h.method = b[:i]
	i++
	from := i
	for i < len(b) && class[b[i]]&isTarget != 0 {
		i++
	}
	h.target = b[from:i]
	if len(h.target) == 0 || len(b)-i < len(" HTTP/1.1\r\n") || b[i] != ' ' {
		return badStart
	}
	v := b[i+1 : i+11]
	switch string(v) {
	case "HTTP/1.1\r\n":
	case "HTTP/1.0\r\n":
		h.old = true
	default:
		if string(v[:5]) == "HTTP/" && v[5] >= '0' && v[5] <= '9' && v[6] == '.' && v[7] >= '0' && v[7] <= '9' && v[8] == '\r' && v[9] == '\n' {
			return badVersion
		}
		return badStart
	}
	if f := h.parseFields(i+11, true); f != nil {
		return f
	}
	return h.parseTarget()
}

// parseTarget splits the target in its forms (RFC 9112 §3.2).
func (h *head) parseTarget() *fault {
	t := h.target
	switch {
	case string(h.method) == http.MethodConnect:
		return noTunnel
	case t[0] == '/':
	case string(t) == "*":
		if string(h.method) != http.MethodOptions {
			return badTarget
		}
		h.path = t
		return nil
	default:
		// The absolute form. Its authority takes the place of Host, which has
		// to be the same (RFC 9112 §3.2.2 lets a server choose).
		rest, ok := bytes.CutPrefix(t, []byte("http://"))
		if !ok {
			if rest, ok = bytes.CutPrefix(t, []byte("https://")); !ok {
				return badTarget
			}
		}
		i := bytes.IndexAny(rest, "/?")
		if i < 0 {
			i = len(rest)
		}
		if h.host != nil && !bytes.EqualFold(h.host, rest[:i]) || i == 0 || !all(rest[:i], isHost) {
			return foreignHost
		}
		if h.host == nil {
			h.host = rest[:i]
		}
		if t = rest[i:]; len(t) == 0 || t[0] == '?' {
			h.path = []byte("/")
			if len(t) > 0 {
				h.query = t[1:]
			}
			return nil
		}
	}
	if i := bytes.IndexByte(t, '?'); i >= 0 {
		h.path, h.query = t[:i], t[i+1:]
	} else {
		h.path = t
	}
	return nil
}

// parseResponse parses the head of a response. bodiless: it answers HEAD.
func (h *head) parseResponse(b []byte, bodiless bool) *fault {
	h.reset(b)
	if len(b) < len("HTTP/1.1 200\r\n") || string(b[:7]) != "HTTP/1." || b[8] != ' ' || b[7] != '1' && b[7] != '0' {
		return badStatus
	}
	h.old = b[7] == '0'
	for _, c := range b[9:12] {
		if c < '0' || c > '9' {
			return badStatus
		}
		h.status = h.status*10 + int(c-'0')
	}
	e := bytes.IndexByte(b, '\n')
	if b[e-1] != '\r' || h.status < 100 || b[12] != ' ' && b[12] != '\r' || !all(b[12:e-1], isValue) {
		return badStatus
	}
	if f := h.parseFields(e+1, false); f != nil {
		return f
	}
	if h.status < 200 || h.status == http.StatusNoContent {
		h.unframe()
	}
	if bodiless || h.status < 200 || h.status == http.StatusNoContent || h.status == http.StatusNotModified {
		h.length = 0
	} else if h.length == untilClose {
		h.close = true
	}
	if h.old && !h.persist {
		h.close = true
	}
	return nil
}

// unframe drops the fields that say how long a body is: this message may not
// have them (RFC 9110 §8.6, RFC 9112 §6.1), and some would wait for the body.
func (h *head) unframe() {
	for i := range h.n {
		if f := &h.fields[i]; f.fate == framed {
			f.fate = drop
		}
	}
}
