package proxy

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/http2"
)

// unfinished begins a block on stream 1 that does not end.
func (h *h2) unfinished() {
	h.preface()
	h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: h.encode(request("GET", "/")...), EndStream: true})
}

// continuation goes on with a field, to the end of the block.
func (h *h2) continuation(stream uint32) {
	h.WriteContinuation(stream, true, h.encode("x-spec-a", "1"))
}

// greeting sends other bytes than the preface.
func greeting(s string) func(*h2) {
	return func(h *h2) { _, _ = io.WriteString(h.conn, s) }
}

// connections are h2spec's http2/3.5 to 4.3, 5.4 and 5.5.
func connections() []h2case {
	violated := fails(http2.ErrCodeProtocol)
	return []h2case{
		{name: "http2/3.5/1 a preface", want: settled, send: func(h *h2) {
			_, _ = io.WriteString(h.conn, http2.ClientPreface)
			h.WriteSettings()
		}},
		{name: "http2/3.5/2 no preface", silent: true, want: endsAnyhow, send: greeting("INVALID CONNECTION PREFACE\r\n\r\n")},
		{name: "http2/3.5/a half a preface", silent: true, want: endsAnyhow, send: greeting("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")},
		{name: "http2/3.5/b a preface, and PING before SETTINGS", silent: true, want: violated, send: func(h *h2) {
			greeting(http2.ClientPreface)(h)
			h.WritePing(false, [8]byte{})
		}},
		{name: "http2/4.1/1 a frame of a type that nobody knows", want: goesOn, send: func(h *h2) {
			h.preface()
			h.WriteRawFrame(0x16, 0, 0, make([]byte, 8))
		}},
		{name: "http2/4.1/2 PING with flags that mean nothing", want: goesOn, silent: true, send: func(h *h2) {
			h.preface()
			h.WriteRawFrame(http2.FramePing, 0x16, 0, make([]byte, 8))
		}},
		{name: "http2/4.1/3 PING with the reserved bit", want: goesOn, silent: true, send: func(h *h2) {
			h.preface()
			_, _ = h.conn.Write([]byte("\x00\x00\x08\x06\x00\x80\x00\x00\x0012345678"))
		}},
		{name: "http2/4.2/1 DATA of 16384 bytes", want: tells(1, "POST / "+strings.Repeat("x", 1<<14)), send: func(h *h2) {
			h.preface()
			h.open(1)
			h.WriteData(1, true, []byte(strings.Repeat("x", 1<<14)))
		}},
		{name: "http2/4.2/2 DATA larger than the server's maximum", want: resets(http2.ErrCodeFrameSize), send: func(h *h2) {
			h.preface()
			h.open(1)
			h.WriteData(1, true, make([]byte, h.tooLarge()))
		}},
		{name: "http2/4.2/3 HEADERS larger than the server's maximum", want: fails(http2.ErrCodeFrameSize), send: func(h *h2) {
			h.preface()
			h.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, 1, make([]byte, h.tooLarge()))
		}},
		{name: "http2/4.2/a SETTINGS larger than the server's maximum", want: fails(http2.ErrCodeFrameSize), send: func(h *h2) {
			h.preface()
			h.WriteRawFrame(http2.FrameSettings, 0, 0, make([]byte, h.tooLarge()/6*6+6))
		}},
		{name: "http2/4.3/1 a block that cannot be decoded", want: fails(http2.ErrCodeCompression), send: func(h *h2) {
			h.preface()
			h.raw(1, []byte("\x40\x80\x80"+strings.Repeat("\xff", 8)))
		}},
		{name: "http2/4.3/2 PRIORITY within a block", silent: true, want: violated, send: func(h *h2) {
			h.unfinished()
			h.WritePriority(1, http2.PriorityParam{Weight: 255})
			h.continuation(1)
		}},
		{name: "http2/4.3/3 another stream's HEADERS within a block", silent: true, want: violated, send: func(h *h2) {
			h.unfinished()
			h.get(3)
		}},
		{name: "http2/5.4.1/1 a connection error closes the connection", silent: true, want: ends, send: func(h *h2) {
			h.preface()
			h.WriteRawFrame(http2.FramePing, 0, 3, make([]byte, 8))
		}},
		{name: "http2/5.4.1/2 a connection error says so", silent: true, want: violated, send: func(h *h2) {
			h.preface()
			h.WriteRawFrame(http2.FramePing, 0, 3, make([]byte, 8))
		}},
		{name: "http2/5.5/1 an extension's frame", want: goesOn, send: func(h *h2) {
			h.preface()
			h.WriteRawFrame(0xff, 0, 0, make([]byte, 8))
		}},
		{name: "http2/5.5/2 an extension's frame within a block", silent: true, want: violated, send: func(h *h2) {
			h.unfinished()
			h.WriteRawFrame(0xff, 0, 0, make([]byte, 8))
			h.continuation(1)
		}},
		{name: "http2/5.5/a an extension's frame on a stream", want: tells(1, "POST / test"), send: func(h *h2) {
			h.preface()
			h.open(1)
			h.WriteRawFrame(0xff, 0xff, 1, make([]byte, 8))
			h.WriteData(1, true, []byte("test"))
		}},
	}
}

// tooLarge is one more byte than the server takes in a frame.
func (h *h2) tooLarge() int {
	return int(max(h.settings[http2.SettingMaxFrameSize], 1<<14)) + 1
}

// endsAnyhow wants the connection to be closed. What comes before may be an
// answer in another protocol.
func endsAnyhow(h *h2) error {
	if _, err := io.Copy(io.Discard, h.conn); err != nil && !closed(err) {
		return err
	}
	return nil
}

// streams are h2spec's http2/5.1 and 5.3.
func streams() []h2case {
	violated := fails(http2.ErrCodeProtocol)
	var out []h2case
	for i, is := range []struct {
		name  string
		reach func(*h2)
		late  func(...http2.ErrCode) finding
	}{
		{"half-closed", func(h *h2) { h.hold(1, true) }, resets},
		{"reset", func(h *h2) { h.hold(1, false); h.WriteRSTStream(1, http2.ErrCodeCancel) }, resets},
		{"closed", func(h *h2) { h.get(1); h.done(1) }, fails},
	} {
		sends := func(n int, frame string, write func(*h2), codes ...http2.ErrCode) {
			out = append(out, h2case{
				name: fmt.Sprintf("http2/5.1/%d %s on a stream that is %s", n+3*i, frame, is.name),
				want: is.late(codes...),
				send: func(h *h2) { h.preface(); is.reach(h); write(h) },
			})
		}
		sends(5, "DATA", func(h *h2) { h.WriteData(1, true, []byte("test")) }, http2.ErrCodeStreamClosed)
		sends(6, "HEADERS", func(h *h2) { h.get(1) }, http2.ErrCodeStreamClosed)
		sends(7, "CONTINUATION", func(h *h2) { h.continuation(1) }, http2.ErrCodeStreamClosed, http2.ErrCodeProtocol)
	}
	return append(out, []h2case{
		{name: "http2/5.1/1 DATA on an idle stream", want: violated, send: func(h *h2) {
			h.preface()
			h.WriteData(1, true, []byte("test"))
		}},
		{name: "http2/5.1/2 RST_STREAM on an idle stream", want: violated, send: func(h *h2) {
			h.preface()
			h.WriteRSTStream(1, http2.ErrCodeCancel)
		}},
		{name: "http2/5.1/3 WINDOW_UPDATE on an idle stream", want: violated, send: func(h *h2) {
			h.preface()
			h.WriteWindowUpdate(1, 100)
		}},
		{name: "http2/5.1/4 CONTINUATION on an idle stream", want: violated, send: func(h *h2) {
			h.preface()
			h.continuation(1)
		}},
		{name: "http2/5.1.1/1 an even number", want: violated, send: func(h *h2) { h.preface(); h.get(2) }},
		{name: "http2/5.1.1/2 a number below the last", want: fails(http2.ErrCodeProtocol, http2.ErrCodeStreamClosed), send: func(h *h2) {
			h.preface()
			h.get(5)
			h.get(3)
		}},
		{name: "http2/5.1.2/1 more streams than the server takes", want: resets(http2.ErrCodeProtocol, http2.ErrCodeRefusedStream), send: func(h *h2) {
			h.preface()
			most, ok := h.settings[http2.SettingMaxConcurrentStreams]
			if !ok {
				h.t.Fatal("the server takes streams without bound")
			}
			for n := range most + 1 {
				h.hold(2*n+1, true)
			}
		}},
		{name: "http2/5.3.1/1 HEADERS that depend on themselves", want: resets(http2.ErrCodeProtocol), send: padded(true, 0, http2.PriorityParam{StreamDep: 1, Weight: 255}, request("GET", "/")...)},
		{name: "http2/5.3.1/2 PRIORITY that depends on itself", want: resets(http2.ErrCodeProtocol), send: func(h *h2) {
			h.preface()
			h.WritePriority(2, http2.PriorityParam{StreamDep: 2, Weight: 255})
		}},
	}...)
}

// word is n as four bytes.
func word(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
