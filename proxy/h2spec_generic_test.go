package proxy

import (
	"strings"

	"golang.org/x/net/http2"
)

// padded are whole HEADERS of a request with padding, priority or both.
func padded(end bool, pad uint8, p http2.PriorityParam, fields ...string) func(*h2) {
	return func(h *h2) {
		h.preface()
		h.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 1, BlockFragment: h.encode(fields...), EndStream: end, EndHeaders: true, PadLength: pad, Priority: p,
		})
	}
}

// generic is what every server has to take: h2spec's generic/1 to 4.
func generic() []h2case {
	root := request("GET", "/")
	asked := tells(1, "GET /")
	priority := func(p http2.PriorityParam) func(*h2) {
		return func(h *h2) { h.preface(); h.WritePriority(1, p); h.get(1) }
	}
	return []h2case{
		{name: "generic/1/1 a connection preface", send: func(h *h2) { h.preface() }, want: goesOn},
		{name: "generic/2/1 PRIORITY on an idle stream", want: goesOn, send: func(h *h2) {
			h.preface()
			h.WritePriority(1, http2.PriorityParam{Weight: 255})
		}},
		{name: "generic/2/2 WINDOW_UPDATE on a half-closed stream", want: goesOn, send: func(h *h2) {
			h.preface()
			h.hold(1, true)
			h.WriteWindowUpdate(1, 100)
		}},
		{name: "generic/2/3 PRIORITY on a half-closed stream", want: asked, send: func(h *h2) {
			h.preface()
			h.get(1)
			h.WritePriority(1, http2.PriorityParam{Weight: 255})
		}},
		{name: "generic/2/4 RST_STREAM on a half-closed stream", want: goesOn, send: func(h *h2) {
			h.preface()
			h.hold(1, true)
			h.WriteRSTStream(1, http2.ErrCodeCancel)
		}},
		{name: "generic/2/5 PRIORITY on a closed stream", want: goesOn, send: func(h *h2) {
			h.preface()
			h.get(1)
			h.done(1)
			h.WritePriority(1, http2.PriorityParam{Weight: 255})
		}},
		{name: "generic/2/a WINDOW_UPDATE on a closed stream", want: goesOn, send: func(h *h2) {
			h.preface()
			h.get(1)
			h.done(1)
			h.WriteWindowUpdate(1, 100)
		}},
		{name: "generic/2/b RST_STREAM on a closed stream", want: goesOn, send: func(h *h2) {
			h.preface()
			h.get(1)
			h.done(1)
			h.WriteRSTStream(1, http2.ErrCodeCancel)
		}},
		{name: "generic/3.1/1 DATA", want: tells(1, "POST / test"), send: func(h *h2) {
			h.preface()
			h.open(1)
			h.WriteData(1, true, []byte("test"))
		}},
		{name: "generic/3.1/2 DATA twice", want: tells(1, "POST / test"), send: func(h *h2) {
			h.preface()
			h.open(1)
			h.WriteData(1, false, []byte("te"))
			h.WriteData(1, true, []byte("st"))
		}},
		{name: "generic/3.1/3 DATA with padding", want: tells(1, "POST / test"), send: func(h *h2) {
			h.preface()
			h.open(1)
			h.WriteDataPadded(1, true, []byte("test"), make([]byte, 6))
		}},
		{name: "generic/3.1/a DATA of padding alone", want: tells(1, "POST / test"), send: func(h *h2) {
			h.preface()
			h.open(1)
			h.WriteDataPadded(1, false, nil, make([]byte, 255))
			h.WriteData(1, false, nil)
			h.WriteData(1, true, []byte("test"))
		}},
		{name: "generic/3.2/1 HEADERS", want: asked, send: padded(true, 0, http2.PriorityParam{}, root...)},
		{name: "generic/3.2/2 HEADERS with padding", want: asked, send: padded(true, 6, http2.PriorityParam{}, root...)},
		{name: "generic/3.2/3 HEADERS with priority", want: asked, send: padded(true, 0, http2.PriorityParam{StreamDep: 3, Weight: 14}, root...)},
		{name: "generic/3.3/1 PRIORITY of 1", want: asked, send: priority(http2.PriorityParam{Weight: 0})},
		{name: "generic/3.3/2 PRIORITY of 256", want: asked, send: priority(http2.PriorityParam{Weight: 255})},
		{name: "generic/3.3/3 PRIORITY with a dependency", want: asked, send: priority(http2.PriorityParam{StreamDep: 5, Weight: 255})},
		{name: "generic/3.3/4 PRIORITY, exclusive", want: asked, send: priority(http2.PriorityParam{StreamDep: 5, Exclusive: true, Weight: 255})},
		{name: "generic/3.3/5 PRIORITY of a later stream", want: asked, send: func(h *h2) {
			h.preface()
			h.WritePriority(3, http2.PriorityParam{Weight: 255})
			h.get(1)
		}},
		{name: "generic/3.4/1 RST_STREAM", want: goesOn, send: func(h *h2) {
			h.preface()
			h.open(1)
			h.WriteRSTStream(1, http2.ErrCodeCancel)
		}},
		{name: "generic/3.5/1 SETTINGS", want: settled, send: func(h *h2) {
			h.preface()
			h.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 100})
		}},
		{name: "generic/3.7/1 PING", want: goesOn, send: func(h *h2) { h.preface() }},
		{name: "generic/3.8/1 GOAWAY", want: unblamed, send: func(h *h2) {
			h.preface()
			h.WriteGoAway(0, http2.ErrCodeNo, nil)
		}},
		{name: "generic/3.8/a GOAWAY lets what is in flight finish", want: tells(1, "POST / test"), silent: true, send: func(h *h2) {
			h.preface()
			h.open(1)
			h.WriteGoAway(0, http2.ErrCodeNo, nil)
			h.WriteData(1, true, []byte("test"))
		}},
		{name: "generic/3.9/1 WINDOW_UPDATE of the connection", want: asked, send: func(h *h2) {
			h.preface()
			h.WriteWindowUpdate(0, 1)
			h.get(1)
		}},
		{name: "generic/3.9/2 WINDOW_UPDATE of a stream", want: tells(1, "POST / test"), send: func(h *h2) {
			h.preface()
			h.open(1)
			h.WriteWindowUpdate(1, 1)
			h.WriteData(1, true, []byte("test"))
		}},
		{name: "generic/3.10/1 CONTINUATION", want: asked, send: func(h *h2) { h.preface(); h.pieces(2, root...) }},
		{name: "generic/3.10/2 CONTINUATION many times", want: asked, send: func(h *h2) { h.preface(); h.pieces(5, root...) }},
		{name: "generic/4/1 GET", want: asked, send: func(h *h2) { h.preface(); h.get(1) }},
		{name: "generic/4/2 HEAD", want: tells(1, ""), send: func(h *h2) { h.preface(); h.headers(1, true, request("HEAD", "/")...) }},
		{name: "generic/4/3 POST", want: tells(1, "POST /a test"), send: func(h *h2) {
			h.preface()
			h.headers(1, false, request("POST", "/a", "content-length", "4")...)
			h.WriteData(1, true, []byte("test"))
		}},
		{name: "generic/4/4 POST with trailers", want: tells(1, "POST / test x-spec-t=end"), send: func(h *h2) {
			h.preface()
			h.headers(1, false, request("POST", "/", "trailer", "x-spec-t")...)
			h.WriteData(1, false, []byte("test"))
			h.headers(1, true, "x-spec-t", "end")
		}},
		{name: "generic/4/a POST with padding, priority and trailers in pieces", want: tells(1, "POST / test x-spec-t=end"), send: func(h *h2) {
			padded(false, 255, http2.PriorityParam{StreamDep: 5, Weight: 9}, request("POST", "/", "trailer", "x-spec-t")...)(h)
			h.WriteDataPadded(1, false, []byte("test"), make([]byte, 100))
			h.pieces(3, "x-spec-t", "end")
		}},
		{name: "generic/4/b one stream after the other", want: all(tells(1, "GET /"), tells(3, "GET /"), tells(9, "GET /")), send: func(h *h2) {
			h.preface()
			h.get(1)
			h.get(3)
			h.get(9)
		}},
		{name: "generic/4/c OPTIONS of the server", want: tells(1, ""), send: func(h *h2) {
			h.preface()
			h.headers(1, true, request("OPTIONS", "*")...)
		}},
		{name: "generic/4/d a cookie in crumbs", want: tells(1, "GET / x-spec-a=1"), send: func(h *h2) {
			h.preface()
			h.headers(1, true, request("GET", "/", "cookie", "a=1", "cookie", "b=2", "x-spec-a", "1")...)
		}},
		{name: "generic/4/e 10 KiB of fields", want: tells(1, "GET / x-spec-a="+strings.Repeat("a", 10<<10)), send: func(h *h2) {
			h.preface()
			h.pieces(4, request("GET", "/", "x-spec-a", strings.Repeat("a", 10<<10))...)
		}},
	}
}
