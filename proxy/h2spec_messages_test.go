package proxy

import (
	"slices"

	"golang.org/x/net/http2"
)

// continuations are h2spec's http2/6.10.
func continuations() []h2case {
	violated := fails(http2.ErrCodeProtocol)
	return []h2case{
		{name: "http2/6.10/1 CONTINUATION after CONTINUATION", want: tells(1, "GET / x-spec-a=1"), send: func(h *h2) {
			h.unfinished()
			h.WriteContinuation(1, false, h.encode("x-b", "2"))
			h.WriteContinuation(1, false, nil)
			h.continuation(1)
		}},
		{name: "http2/6.10/2 DATA within a block", silent: true, want: violated, send: func(h *h2) {
			h.unfinished()
			h.WriteContinuation(1, false, h.encode("x-b", "2"))
			h.WriteData(1, true, []byte("test"))
		}},
		{name: "http2/6.10/3 CONTINUATION on stream 0", silent: true, want: violated, send: func(h *h2) {
			h.unfinished()
			h.continuation(0)
		}},
		{name: "http2/6.10/4 CONTINUATION after the end of HEADERS", want: violated, send: func(h *h2) {
			h.preface()
			h.open(1)
			h.continuation(1)
		}},
		{name: "http2/6.10/5 CONTINUATION after the end of CONTINUATION", want: violated, send: func(h *h2) {
			h.unfinished()
			h.continuation(1)
			h.continuation(1)
		}},
		{name: "http2/6.10/6 CONTINUATION after DATA", want: violated, send: func(h *h2) {
			h.preface()
			h.open(1)
			h.WriteData(1, false, []byte("test"))
			h.continuation(1)
		}},
		{name: "http2/6.10/a another stream's CONTINUATION", silent: true, want: violated, send: func(h *h2) {
			h.unfinished()
			h.continuation(3)
		}},
		// Without a bound a server would decode for ever (CVE-2023-45288).
		{name: "http2/6.10/b CONTINUATION without end", silent: true, want: ends, send: func(h *h2) {
			h.unfinished()
			piece := h.encode("x-b", string(slices.Repeat([]byte("b"), 1<<13)))
			for range 1 << 10 {
				if h.WriteContinuation(1, false, piece) != nil {
					return
				}
			}
		}},
	}
}

// sends writes fields, and what follows them.
func sends(end bool, fields []string, then ...func(*h2)) func(*h2) {
	return func(h *h2) {
		h.preface()
		h.headers(1, end, fields...)
		for _, f := range then {
			f(h)
		}
	}
}

// messages are h2spec's http2/7 and 8. All that is malformed resets its stream
// (RFC 9113 §8.1.1).
func messages() []h2case {
	malformed := resets(http2.ErrCodeProtocol)
	get := func(more ...string) []string { return request("GET", "/", more...) }
	post := func(more ...string) []string { return request("POST", "/", more...) }
	data := func(end bool, s string) func(*h2) { return func(h *h2) { h.WriteData(1, end, []byte(s)) } }
	trailers := func(end bool, fields ...string) func(*h2) { return func(h *h2) { h.headers(1, end, fields...) } }
	bad := func(name string, fields ...string) h2case {
		return h2case{name: "http2/" + name, send: sends(true, fields), want: malformed, silent: true}
	}
	return []h2case{
		{name: "http2/7/1 GOAWAY with a code that nobody knows", want: unblamed, send: func(h *h2) { h.preface(); h.WriteGoAway(0, 0xff, nil) }},
		{name: "http2/7/2 RST_STREAM with a code that nobody knows", want: goesOn, send: sends(false, post(), func(h *h2) { h.WriteRSTStream(1, 0xff) })},

		{name: "http2/8.1/1 HEADERS twice, and the stream goes on", want: malformed, silent: true, send: sends(false, post(), trailers(false, "x-spec-t", "1"))},
		bad("8.1.2/1 a name in upper case", get("X-TEST", "ok")...),
		bad("8.1.2/a a name with a space", get("x test", "ok")...),
		bad("8.1.2/b a name with a colon", get("x:test", "ok")...),
		bad("8.1.2/c an empty name", get("", "ok")...),
		bad("8.1.2/d a line feed in a value", get("x-test", "ok\nx: y")...),
		bad("8.1.2/e a carriage return in a value", get("x-test", "ok\r")...),
		bad("8.1.2/f NUL in a value", get("x-test", "ok\x00")...),
		bad("8.1.2/g space before a value", get("x-test", " ok")...),
		bad("8.1.2/h space after a value", get("x-test", "ok ")...),
		bad("8.1.2.1/1 a pseudo-header that nobody knows", append([]string{":test", "ok"}, get()...)...),
		bad("8.1.2.1/2 a pseudo-header of responses", append([]string{":status", "200"}, get()...)...),
		{name: "http2/8.1.2.1/3 a pseudo-header in trailers", want: malformed, silent: true, send: sends(false, post(), data(false, "test"), trailers(true, ":method", "GET"))},
		bad("8.1.2.1/4 a pseudo-header after others", append([]string{"x-test", "ok"}, get()...)...),
		bad("8.1.2.2/1 connection", get("connection", "keep-alive")...),
		bad("8.1.2.2/2 te other than trailers", get("te", "trailers, deflate")...),
		bad("8.1.2.2/a transfer-encoding", get("transfer-encoding", "chunked")...),
		bad("8.1.2.2/b upgrade", get("upgrade", "websocket")...),
		bad("8.1.2.2/c keep-alive", get("keep-alive", "timeout=5")...),
		bad("8.1.2.2/d proxy-connection", get("proxy-connection", "keep-alive")...),
		{name: "http2/8.1.2.2/e te of trailers", want: tells(1, "GET /"), send: sends(true, get("te", "trailers"))},
		bad("8.1.2.3/1 an empty :path", request("GET", "")...),
		bad("8.1.2.3/2 no :method", without(get(), ":method")...),
		bad("8.1.2.3/3 no :scheme", without(get(), ":scheme")...),
		bad("8.1.2.3/4 no :path", without(get(), ":path")...),
		bad("8.1.2.3/5 :method twice", append([]string{":method", "GET"}, get()...)...),
		bad("8.1.2.3/6 :scheme twice", append([]string{":scheme", "http"}, get()...)...),
		bad("8.1.2.3/7 :path twice", append([]string{":path", "/"}, get()...)...),
		bad("8.1.2.3/a :authority twice", append([]string{":authority", "api.localhost"}, get()...)...),
		bad("8.1.2.3/b an empty :method", request("", "/")...),
		bad("8.1.2.3/c a :method that is no token", request("GET /x", "/")...),
		bad("8.1.2.3/d a :path that does not begin with /", request("GET", "x")...),
		bad("8.1.2.3/e a :path with a space", request("GET", "/ HTTP/1.1")...),
		bad("8.1.2.3/f an :authority with a user", append([]string{":authority", "me@api.localhost"}, without(get(), ":authority")...)...),
		bad("8.1.2.3/g host other than :authority", get("host", "web.localhost")...),
		{name: "http2/8.1.2.3/h host in the place of :authority", want: tells(1, "GET /"), send: sends(true, append(without(get(), ":authority"), "host", "api.localhost"))},
		bad("8.1.2.6/a content-length of a request without body", get("content-length", "4")...),
		bad("8.1.2.6/b content-length that is no number", get("content-length", "+0")...),
		bad("8.1.2.6/c content-length twice", get("content-length", "0", "content-length", "1")...),
		{name: "http2/8.1.2.6/1 content-length of another size", want: malformed, silent: true, send: sends(false, post("content-length", "1"), data(true, "test"))},
		{name: "http2/8.1.2.6/2 content-length of another size, in two frames", want: malformed, silent: true, send: sends(false, post("content-length", "1"), data(false, "test"), data(true, "test"))},
		{name: "http2/8.1.2.6/d content-length of more than there is", want: malformed, silent: true, send: sends(false, post("content-length", "8"), data(true, "test"))},
		{name: "http2/8.1.2.6/e content-length of more than there is, with trailers", want: malformed, silent: true, send: sends(false, post("content-length", "8"), data(false, "test"), trailers(true, "x-spec-t", "1"))},
		{name: "http2/8.2/1 PUSH_PROMISE from a client", want: fails(http2.ErrCodeProtocol), send: func(h *h2) {
			h.preface()
			h.open(1)
			h.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 3, BlockFragment: h.encode(request("GET", "/")...), EndHeaders: true})
		}},
	}
}
