package http2

import (
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/msctl/msctl/proxy/wire"
)

// maxFields is Envoy's max_headers_count.
const maxFields = 100

// look reads what the request asks for. What HTTP/1.1 could not say, or two
// servers could read in two ways, is refused.
func (x *exchange) look() *wire.Problem {
	r := x.r
	target := r.RequestURI
	if r.ProtoMajor == 1 && !strings.HasPrefix(target, "/") && r.URL.Host != "" { // the absolute form
		target = r.URL.RequestURI()
	}
	path, query, asks := strings.Cut(target, "?")
	x.asks = asks
	x.grpc = r.ProtoMajor == 2 && isGRPC(r.Header.Get("Content-Type"))
	x.head = wire.Head{
		Method: r.Method, Host: r.Host, Path: path, Query: query, Header: fields(r.Header),
		Client: x.peer.addr, Proto: r.Proto, TLS: x.peer.tls, Length: r.ContentLength, H2C: true,
	}
	switch {
	case r.Method == http.MethodConnect:
		return refusal(http.StatusNotImplemented, "this is a gateway to the services of a stack, not a proxy to elsewhere")
	case !all(r.Method, isToken):
		return refusal(http.StatusBadRequest, "the method is no token")
	case !strings.HasPrefix(path, "/") && (path != "*" || r.Method != http.MethodOptions), !all(target, isVisible):
		return refusal(http.StatusBadRequest, "the path is none, or has characters that have to be encoded")
	case r.Host == "" && r.ProtoAtLeast(1, 1), !all(r.Host, isHost):
		return refusal(http.StatusBadRequest, "there is not one valid host")
	case len(r.Header["Authorization"]) > 1:
		return refusal(http.StatusBadRequest, "there is more than one Authorization")
	case len(r.Header) > maxFields:
		return refusal(http.StatusRequestHeaderFieldsTooLarge, "more than 100 fields")
	}
	if l, ok := r.Header["Content-Length"]; ok && (len(l) > 1 || l[0] != strconv.FormatInt(r.ContentLength, 10)) {
		return refusal(http.StatusBadRequest, "Content-Length is not one whole number, or not that of the body")
	}
	return nil
}

// isGRPC reports whether the request has to go on as HTTP/2.
func isGRPC(contentType string) bool {
	rest, ok := strings.CutPrefix(contentType, "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// The characters of RFC 9110 §5.6.2 and RFC 3986 §3.2.2.
func isVisible(c byte) bool { return c > 0x20 && c < 0x7f }

func isWord(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' }

func isToken(c byte) bool { return isWord(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 }

func isHost(c byte) bool { return isWord(c) || strings.IndexByte("-._~%!$&'()*+,;=:[]", c) >= 0 }

func all(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

// fields implements wire.Header.
type fields http.Header

func (f fields) Get(name string) string { return http.Header(f).Get(name) }

func (f fields) Has(name, value string) bool {
	return slices.Contains(http.Header(f).Values(name), value)
}

func (f fields) Values(name string) iter.Seq[string] {
	return slices.Values(http.Header(f).Values(name))
}

// goes reports whether a field of the request goes on as it is.
func (x *exchange) goes(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Transfer-Encoding", "Upgrade":
		return false // of the client's connection (RFC 9110 §7.6.1)
	case "Host", "Content-Length", "Trailer", "Traceparent", "Http2-Settings", "Expect":
		return false // said anew; 100 is what reading the body sends
	case "Tracestate":
		return !x.terms.NewTrace
	case "Forwarded", "X-Real-Ip", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port",
		"X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Forwarded-Server":
		return x.terms.Trusted
	case "X-Request-Id":
		return x.believed()
	}
	return x.nominated == "" || !slices.ContainsFunc(strings.Split(x.nominated, ","), func(n string) bool {
		return strings.EqualFold(strings.TrimSpace(n), name)
	})
}

// believed reports whether the request may name itself: a client outside may
// not, unless it is trusted.
func (x *exchange) believed() bool { return !x.terms.Outside || x.terms.Trusted }

// host is what the instance is asked for: the client's, or the rules'.
func (x *exchange) host() string {
	if r := x.terms.Request; r != nil {
		for i := range r.Add {
			if strings.EqualFold(r.Add[i].Name, "Host") {
				return r.Add[i].Value
			}
		}
	}
	return x.r.Host
}

// each yields the fields of the request that is sent, of that which was
// received. The rules take off, or set, the gateway's own as well.
func (x *exchange) each(yield func(name, value string)) {
	r, t := x.r, x.terms
	own := func(name, value string) {
		if !removes(t.Request, name) {
			yield(name, value)
		}
	}
	for name, values := range r.Header {
		if !x.goes(name) || removes(t.Request, name) || names(t.LateRequest, name) {
			continue
		}
		for _, v := range values {
			yield(name, v)
		}
	}
	own("X-Forwarded-For", x.peer.ip)
	if !t.Trusted || r.Header.Get("X-Forwarded-Proto") == "" {
		own("X-Forwarded-Proto", x.peer.proto)
	}
	own("Forwarded", x.peer.before+r.Host+x.peer.after)
	if !t.Trusted || r.Header.Get("X-Forwarded-Host") == "" {
		own("X-Forwarded-Host", r.Host)
	}
	if t.Prefix != "" {
		own("X-Forwarded-Prefix", t.Prefix)
	}
	if t.Traceparent[0] != 0 {
		trace := string(t.Traceparent[:])
		own("Traceparent", trace)
		if t.Outside && (r.Header.Get("X-Request-Id") == "" || !x.believed()) {
			own("X-Request-Id", trace[3:35]) // the trace's
		}
	}
	if t.Request != nil {
		for i := range t.Request.Add {
			if name := t.Request.Add[i].Name; !strings.EqualFold(name, "Host") {
				yield(name, t.Request.Add[i].Value)
			}
		}
	}
	for i := range t.LateRequest {
		yield(t.LateRequest[i].Name, t.LateRequest[i].Value)
	}
	for _, v := range r.Header["Te"] {
		if strings.Contains(v, "trailers") {
			yield("Te", "trailers")
			break
		}
	}
}

func removes(r *wire.Rules, name string) bool {
	return r != nil && slices.ContainsFunc(r.Remove, func(n string) bool { return strings.EqualFold(n, name) })
}

func names(f []wire.Field, name string) bool {
	return slices.ContainsFunc(f, func(f wire.Field) bool { return strings.EqualFold(f.Name, name) })
}
