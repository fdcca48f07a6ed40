package http1

import (
	"bytes"
	"net/http"

	"github.com/msctl/msctl/proxy/wire"
)

// spare is the room that the fields of the gateway itself take in a head.
const spare = 512

// makeRequest makes the head of the request that is sent of the one that was
// received.
func (x *exchange) makeRequest() *fault {
	h, t := x.head, x.terms
	size := len(h.bytes) + len(t.Path) + len(t.Query) + len(t.Prefix) + 2*len(h.host) + len(x.told) + t.Request.Size() + sizeOf(t.LateRequest) + spare
	if size > bufferSize {
		return tooLarge
	}
	b := append(x.room(size+len(x.unread())-len(h.bytes)), h.method...)
	b = append(b, ' ')
	b = append(b, t.Path...)
	if t.Query != "" || h.query != nil { // a bare question mark stays
		b = append(b, '?')
		b = append(b, t.Query...)
	}
	b = append(b, " HTTP/1.1\r\n"...)
	if !h.hosted && !removes(t.Request, hostName) { // HTTP/1.0 need not have one, 1.1 must
		b = append(b, "Host: "...)
		if h.host == nil {
			b = append(b, "localhost"...)
		}
		b = append(b, h.host...)
		b = append(b, '\r', '\n')
	}
	b = x.copyFields(b, t.Request, t.LateRequest, asItIs)
	own := len(b)
	b = append(b, x.told...)
	b = append(b, h.host...)
	b = append(b, x.toldEnd...)
	if !t.Trusted || h.Get("X-Forwarded-Host") == "" {
		b = append(b, "X-Forwarded-Host: "...)
		b = append(b, h.host...)
		b = append(b, '\r', '\n')
	}
	if t.Prefix != "" {
		b = append(b, "X-Forwarded-Prefix: "...)
		b = append(b, t.Prefix...)
		b = append(b, '\r', '\n')
	}
	if t.Traceparent[0] != 0 {
		b = append(b, "Traceparent: "...)
		b = append(b, t.Traceparent[:]...)
		b = append(b, '\r', '\n')
		if t.Outside && (!h.requestID || !x.believed()) {
			b = append(b, "X-Request-Id: "...)
			b = append(b, t.Traceparent[3:35]...) // the trace's
			b = append(b, '\r', '\n')
		}
	}
	if t.Request != nil || t.Trusted {
		b = x.withhold(b, own)
	}
	b = appendRules(b, t.Request)
	b = appendFields(b, t.LateRequest)
	if h.trailers {
		b = append(b, "TE: trailers\r\n"...)
	}
	x.upgrade = ""
	if h.switches && len(h.upgrade) > 0 && h.length == 0 && !h.old && !equalFold(h.upgrade, "h2c") {
		// HTTP/2 by upgrade would end here, not at the instance, and is gone
		// from the standard (RFC 9113 §3.1).
		x.upgrade = string(h.upgrade)
		b = append(b, "Connection: Upgrade\r\nUpgrade: "...)
		b = append(b, h.upgrade...)
		b = append(b, '\r', '\n')
	}
	x.sent = append(b, '\r', '\n')
	return nil
}

var hostName = []byte("host")

// believed reports whether the request may name itself: a client outside may
// not, unless it is trusted.
func (x *exchange) believed() bool { return !x.terms.Outside || x.terms.Trusted }

// withhold takes back, of the gateway's own fields, which begin at from, those
// that the route's rules take off or set, and what a trusted proxy said before
// of the protocol that the client speaks.
func (x *exchange) withhold(b []byte, from int) []byte {
	said := x.terms.Trusted && x.head.Get("X-Forwarded-Proto") != ""
	out := b[:from]
	for rest := b[from:]; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n') + 1
		name := rest[:bytes.IndexByte(rest, ':')]
		if !removes(x.terms.Request, name) && !(said && equalFold(name, "x-forwarded-proto")) {
			out = append(out, rest[:end]...)
		}
		rest = rest[end:]
	}
	return out
}

func sizeOf(fields []wire.Field) (n int) {
	for i := range fields {
		n += len(fields[i].Name) + len(fields[i].Value) + len(": \r\n")
	}
	return n
}

// copyFields copies the fields that go on, those that late sets anew excepted.
func (x *exchange) copyFields(to []byte, rules *wire.Rules, late []wire.Field, mode reframing) []byte {
	h := x.head
	if h.n == 0 {
		return to
	}
	from := h.fields[0].start
	for i := range h.n {
		if f := &h.fields[i]; x.goes(f, mode) && !removes(rules, h.name(f)) && !names(late, h.name(f)) {
			continue
		}
		f := &h.fields[i]
		to = append(to, h.bytes[from:f.start]...)
		from = h.after(i)
	}
	return append(to, h.bytes[from:h.after(h.n-1)]...)
}

// after is where what follows field i begins.
func (h *head) after(i int) uint16 {
	if i+1 < h.n {
		return h.fields[i+1].start
	}
	return uint16(len(h.bytes) - 2)
}

// goes reports whether the engine itself lets a field go on.
func (x *exchange) goes(f *field, mode reframing) bool {
	switch f.fate {
	case keep:
		return mode != compressed || !recoded(x.head.name(f))
	case told:
		return x.terms.Trusted
	case ident:
		return x.believed()
	case stated:
		return !x.terms.NewTrace
	case framed:
		return mode == asItIs
	}
	return false
}

func names(fields []wire.Field, name []byte) bool {
	for i := range fields {
		if n := fields[i].Name; len(n) == len(name) && sameName(name, n) {
			return true
		}
	}
	return false
}

func removes(r *wire.Rules, name []byte) bool {
	if r == nil {
		return false
	}
	for _, n := range r.Remove {
		if len(n) == len(name) && sameName(name, n) {
			return true
		}
	}
	return false
}

func appendRules(to []byte, r *wire.Rules) []byte {
	if r == nil {
		return to
	}
	return appendFields(to, r.Add)
}

func appendFields(to []byte, fields []wire.Field) []byte {
	for i := range fields {
		to = appendField(to, &fields[i])
	}
	return to
}

func appendField(to []byte, f *wire.Field) []byte {
	to = append(to, f.Name...)
	to = append(to, ':', ' ')
	to = append(to, f.Value...)
	return append(to, '\r', '\n')
}

// reframing is how a response's body is framed for the client.
type reframing uint8

const (
	asItIs     reframing = iota
	unchunked            // to a client of HTTP/1.0
	rechunked            // it ended with its connection
	compressed           // in another content coding, as chunks
)

// reframe decides that.
func (x *exchange) reframe() reframing {
	switch {
	case x.compresses():
		return compressed
	case x.head.length == chunked && x.old:
		x.last = true
		return unchunked
	case x.head.length == untilClose && x.old:
		x.last = true
	case x.head.length == untilClose:
		return rechunked
	}
	return asItIs
}

// makeResponse makes the head that the client gets of the instance's.
func (x *exchange) makeResponse(mode reframing) []byte {
	h, t := x.head, x.terms
	b := append(x.room(len(x.response.from.unread())+t.Response.Size()+sizeOf(t.Late)+spare), "HTTP/1.1"...)
	b = append(b, h.bytes[len("HTTP/1.1"):h.fieldsFrom()]...)
	b = x.copyFields(b, t.Response, t.Late, mode)
	b = appendRules(b, t.Response)
	b = appendFields(b, t.Late)
	if x.varies {
		b = append(b, "Vary: Accept-Encoding\r\n"...)
	}
	switch mode {
	case compressed:
		b = x.appendCoding(b)
		fallthrough
	case rechunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	return x.endHead(b)
}

// fieldsFrom is where the fields begin.
func (h *head) fieldsFrom() int {
	if h.n > 0 {
		return int(h.fields[0].start)
	}
	return len(h.bytes) - 2
}

// endHead writes what becomes of the connection, and the empty line.
func (x *exchange) endHead(b []byte) []byte {
	switch {
	case x.last || x.server.ending.Load() || !x.uploading && !x.request.over:
		x.last = true
		b = append(b, "Connection: close\r\n"...)
	case x.old:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	return append(b, '\r', '\n')
}

// problem is a fault as it is told.
func (f *fault) problem() *wire.Problem {
	return &wire.Problem{Status: f.status, Title: http.StatusText(f.status), Detail: f.detail}
}

func (f *fault) answer() *wire.Answer { return &wire.Answer{Status: f.status, Problem: f.problem()} }
