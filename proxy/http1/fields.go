package http1

import (
	"bytes"
	"iter"
	"unsafe"
)

// A special field is one that this engine looks at itself.
type special uint8

const (
	ordinary special = iota
	hop              // for this connection only (RFC 9110 §7.6.1)
	tells            // who is behind a proxy
	isTE
	isHostField
	isAccept
	isAuthorization
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
	add(isAuthorization, true, "authorization")
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
	case isAuthorization:
		if h.authorized {
			return twoCredentials
		}
		h.authorized = true
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
