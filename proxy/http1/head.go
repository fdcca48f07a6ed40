package http1

import (
	"bytes"
	"iter"
	"net/http"
	"unsafe"

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
}

// reset forgets everything but the array of fields.
func (h *head) reset(b []byte) {
	h.bytes, h.n, h.view = b, 0, wire.Head{}
	h.method, h.target, h.host, h.path, h.query = nil, nil, nil, nil, nil
	h.status, h.length, h.upgrade = 0, 0, nil
	h.old, h.close, h.persist, h.nominated = false, false, false, false
	h.expects, h.trailers, h.html, h.requestID, h.switches, h.hosted = false, false, false, false, false, false
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

// A special field is one that this engine looks at itself.
type special uint8

const (
	ordinary special = iota
	hop              // for this connection only (RFC 9110 §7.6.1)
	tells            // who is behind a proxy
	isTE
	isHostField
	isAccept
	isExpect
	isUpgrade
	isConnection
	isTrace
	isTraceState
	isRequestID
	isLength
	isCoding
)

// known are the special fields by the length of their names. Those of requests
// are ordinary in a response.
var known = func() (t [20][]knownField) {
	add := func(s special, request bool, names ...string) {
		for _, n := range names {
			t[len(n)] = append(t[len(n)], knownField{n, s, request})
		}
	}
	add(isTE, false, "te")
	add(isHostField, true, "host")
	add(isAccept, true, "accept")
	add(isExpect, true, "expect")
	add(isUpgrade, false, "upgrade")
	add(isConnection, false, "connection")
	add(isTrace, true, "traceparent")
	add(isTraceState, true, "tracestate")
	add(isRequestID, true, "x-request-id")
	add(isLength, false, "content-length")
	add(isCoding, false, "transfer-encoding")
	add(hop, false, "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization")
	add(tells, true, "forwarded", "x-real-ip", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port",
		"x-forwarded-proto", "x-forwarded-prefix", "x-forwarded-server")
	return t
}()

type knownField struct {
	name    string // in lower case
	special special
	request bool
}

// whatIs is the meaning that a field has here.
func whatIs(name []byte, request bool) special {
	if len(name) < len(known) {
		for i := range known[len(name)] {
			if k := &known[len(name)][i]; equalFold(name, k.name) && (request || !k.request) {
				return k.special
			}
		}
	}
	return ordinary
}

// framing is what the fields have said of the body so far.
type framing struct{ sized, coded bool }

// parseFields parses the fields from i on, and what they say of the message.
func (h *head) parseFields(i int, request bool) *fault {
	var said framing
	for h.bytes[i] != '\r' {
		if h.n == maxFields {
			return tooManyFields
		}
		f := &h.fields[h.n]
		h.n++
		next, wrong := h.split(f, i)
		if wrong != nil {
			return wrong
		}
		i = next
		if s := whatIs(h.name(f), request); s != ordinary {
			if wrong := h.heed(f, s, &said); wrong != nil {
				return wrong
			}
		}
	}
	if i+2 != len(h.bytes) || h.bytes[i+1] != '\n' {
		return badEnd
	}
	if h.nominated {
		h.dropNominated()
	}
	switch {
	case said.coded && said.sized:
		return badFraming
	case said.coded:
		h.length = chunked
	case !said.sized && !request:
		h.length = untilClose
	}
	if request && h.host == nil && !h.old {
		return badHost
	}
	if request && h.old && !h.persist {
		h.close = true
	}
	return nil
}

// split finds the parts of the field that begins at i, and returns where the
// next one does.
func (h *head) split(f *field, i int) (int, *fault) {
	b := h.bytes
	f.start, f.fate = uint16(i), keep
	for class[b[i]]&isToken != 0 {
		i++
	}
	if b[i] != ':' || i == int(f.start) {
		if i == int(f.start) && (b[i] == ' ' || b[i] == '\t') {
			return 0, badFold
		}
		return 0, badName
	}
	f.colon = uint16(i)
	i++
	for b[i] == ' ' || b[i] == '\t' {
		i++
	}
	f.value = uint16(i)
	e := bytes.IndexByte(b[i:], '\r')
	if e < 0 || i+e+1 >= len(b) || b[i+e+1] != '\n' {
		return 0, badEnd
	}
	v := b[i : i+e]
	for _, c := range v {
		if class[c]&isValue == 0 {
			if c == '\n' {
				return 0, badEnd
			}
			return 0, badValue
		}
	}
	f.end = f.value + uint16(len(trim(v)))
	return i + e + 2, nil
}

// heed does what a special field asks for.
func (h *head) heed(f *field, s special, said *framing) *fault {
	v := h.valueOf(f)
	switch s {
	case hop:
		f.fate = drop
	case tells:
		f.fate = told
	case isTE:
		f.fate = drop
		h.trailers = h.trailers || lists(v, "trailers")
	case isHostField:
		if h.host != nil || !all(v, isHost) {
			return badHost
		}
		h.host, h.hosted = v, true
	case isAccept:
		h.html = bytes.Contains(v, []byte("text/html"))
	case isExpect:
		h.expects = true
	case isUpgrade:
		f.fate, h.upgrade = drop, v
	case isConnection:
		f.fate = drop
		h.connection(v)
	case isTrace:
		f.fate = traced
	case isTraceState:
		f.fate = stated
	case isRequestID:
		f.fate, h.requestID = ident, true
	case isLength:
		n, ok := decimal(v)
		if !ok || said.sized {
			return badLength
		}
		said.sized, h.length, f.fate = true, n, framed
	case isCoding:
		f.fate = framed
		again := said.coded
		said.coded = true
		return h.coding(v, again)
	}
	return nil
}

// connection reads the options of Connection.
func (h *head) connection(v []byte) {
	for o := range items(v) {
		switch {
		case equalFold(o, "close"):
			h.close = true
		case equalFold(o, "keep-alive"):
			h.persist = true
		case equalFold(o, "upgrade"):
			h.switches = true
		default:
			h.nominated = true
		}
	}
}

// dropNominated drops the fields that Connection names (RFC 9110 §7.6.1), but
// for those that frame or direct the message: no client may take them off it.
func (h *head) dropNominated() {
	for i := range h.n {
		c := &h.fields[i]
		if !equalFold(h.name(c), "connection") {
			continue
		}
		for o := range items(h.valueOf(c)) {
			for k := range h.n {
				f := &h.fields[k]
				if bytes.EqualFold(h.name(f), o) && !frames(o) {
					f.fate = drop
				}
			}
		}
	}
}

// frames reports whether a field says where a message ends, or goes.
func frames(name []byte) bool {
	return equalFold(name, "content-length") || equalFold(name, "transfer-encoding") || equalFold(name, "host")
}

// coding reads Transfer-Encoding (RFC 9112 §6.1).
func (h *head) coding(v []byte, again bool) *fault {
	switch {
	case again:
		return badCoding
	case h.old:
		return oldCoding
	case equalFold(v, "chunked"):
		return nil
	}
	for c := range items(v) {
		if !equalFold(c, "chunked") {
			if all(c, isToken) {
				return unknownCoding
			}
			return badCoding
		}
	}
	return badCoding
}

func (h *head) name(f *field) []byte    { return h.bytes[f.start:f.colon] }
func (h *head) valueOf(f *field) []byte { return h.bytes[f.value:f.end] }

// Get implements wire.Header.
func (h *head) Get(name string) string {
	for i := range h.n {
		if f := &h.fields[i]; int(f.colon-f.start) == len(name) && sameName(h.name(f), name) {
			return view(h.valueOf(f))
		}
	}
	return ""
}

// Has implements wire.Header.
func (h *head) Has(name, value string) bool {
	for i := range h.n {
		if f := &h.fields[i]; int(f.colon-f.start) == len(name) && sameName(h.name(f), name) && string(h.valueOf(f)) == value {
			return true
		}
	}
	return false
}

// Values implements wire.Header.
func (h *head) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range h.n {
			f := &h.fields[i]
			if int(f.colon-f.start) == len(name) && sameName(h.name(f), name) && !yield(view(h.valueOf(f))) {
				return
			}
		}
	}
}

// sameName compares names of one length in any case.
func sameName(a []byte, b string) bool {
	for i, c := range a {
		d := b[i]
		if c != d && (c|0x20 != d|0x20 || c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// view is b as a string, without a copy: it is valid as long as b is not
// written to.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
