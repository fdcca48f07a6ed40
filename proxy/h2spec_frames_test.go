package proxy

import (
	"fmt"
	"math"

	"golang.org/x/net/http2"
)

// raw1 writes one frame as it is after the preface and a POST on stream 1
// whose body does not end.
func raw1(kind http2.FrameType, flags http2.Flags, stream uint32, payload []byte) func(*h2) {
	return func(h *h2) {
		h.preface()
		h.open(1)
		h.WriteRawFrame(kind, flags, stream, payload)
	}
}

// frames are h2spec's http2/6.1 to 6.4, 6.7 and 6.8.
func frames() []h2case {
	violated, tooShort := fails(http2.ErrCodeProtocol), fails(http2.ErrCodeFrameSize)
	return []h2case{
		{name: "http2/6.1/1 DATA on stream 0", want: violated, send: raw1(http2.FrameData, http2.FlagDataEndStream, 0, []byte("test"))},
		{name: "http2/6.1/2 DATA on a half-closed stream", want: resets(http2.ErrCodeStreamClosed), send: func(h *h2) {
			h.preface()
			h.hold(1, true)
			h.WriteData(1, true, []byte("test"))
		}},
		{name: "http2/6.1/3 DATA with more padding than it has", want: violated, send: raw1(http2.FrameData, http2.FlagDataPadded, 1, []byte("\x06test"))},
		{name: "http2/6.1/a DATA with padding of no length", want: fails(http2.ErrCodeProtocol, http2.ErrCodeFrameSize), send: raw1(http2.FrameData, http2.FlagDataPadded, 1, nil)},
		{name: "http2/6.2/1 PRIORITY after HEADERS that go on", silent: true, want: violated, send: func(h *h2) {
			h.unfinished()
			h.WritePriority(1, http2.PriorityParam{Weight: 255})
		}},
		{name: "http2/6.2/2 another stream's HEADERS after HEADERS that go on", silent: true, want: violated, send: func(h *h2) {
			h.unfinished()
			h.get(3)
		}},
		{name: "http2/6.2/3 HEADERS on stream 0", want: violated, send: func(h *h2) { h.preface(); h.get(0) }},
		{name: "http2/6.2/4 HEADERS with more padding than they have", want: violated, send: func(h *h2) {
			h.preface()
			b := h.encode(request("GET", "/")...)
			h.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream|http2.FlagHeadersPadded, 1, append([]byte{byte(len(b) + 1)}, b...))
		}},
		{name: "http2/6.2/a HEADERS with half a priority", want: fails(http2.ErrCodeFrameSize, http2.ErrCodeProtocol), send: func(h *h2) {
			h.preface()
			h.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream|http2.FlagHeadersPriority, 1, []byte{0, 0})
		}},
		{name: "http2/6.3/1 PRIORITY on stream 0", want: violated, send: raw1(http2.FramePriority, 0, 0, make([]byte, 5))},
		{name: "http2/6.3/2 PRIORITY of 4 bytes", want: resets(http2.ErrCodeFrameSize), send: raw1(http2.FramePriority, 0, 1, make([]byte, 4))},
		{name: "http2/6.4/1 RST_STREAM on stream 0", want: violated, send: raw1(http2.FrameRSTStream, 0, 0, word(8))},
		{name: "http2/6.4/2 RST_STREAM on an idle stream", want: violated, send: raw1(http2.FrameRSTStream, 0, 3, word(8))},
		{name: "http2/6.4/3 RST_STREAM of 3 bytes", want: tooShort, send: raw1(http2.FrameRSTStream, 0, 1, make([]byte, 3))},
		{name: "http2/6.7/1 PING", want: echoes("h2spec 1"), silent: true, send: func(h *h2) {
			h.preface()
			h.WritePing(false, [8]byte([]byte("h2spec 1")))
		}},
		{name: "http2/6.7/2 PING that acknowledges nothing", want: echoes("h2spec 2"), silent: true, send: func(h *h2) {
			h.preface()
			h.WritePing(true, [8]byte([]byte("h2spec 1")))
			h.WritePing(false, [8]byte([]byte("h2spec 2")))
		}},
		{name: "http2/6.7/3 PING on a stream", want: violated, send: raw1(http2.FramePing, 0, 1, make([]byte, 8))},
		{name: "http2/6.7/4 PING of 6 bytes", want: tooShort, send: raw1(http2.FramePing, 0, 0, make([]byte, 6))},
		{name: "http2/6.8/1 GOAWAY on a stream", want: violated, send: raw1(http2.FrameGoAway, 0, 1, make([]byte, 8))},
		{name: "http2/6.8/a GOAWAY of 4 bytes", want: tooShort, send: raw1(http2.FrameGoAway, 0, 0, make([]byte, 4))},
	}
}

// echoes wants data of a PING back before that of any other.
func echoes(data string) finding {
	return func(h *h2) error {
		for {
			f, err := h.ReadFrame()
			if err != nil {
				return err
			}
			if p, ok := f.(*http2.PingFrame); ok {
				if !p.IsAck() || string(p.Data[:]) != data {
					return fmt.Errorf("PING with %q, acknowledging %t; want %q", p.Data, p.IsAck(), data)
				}
				return nil
			}
		}
	}
}

// set sends one setting.
func set(id http2.SettingID, value uint32) func(*h2) {
	return func(h *h2) {
		h.preface()
		h.WriteSettings(http2.Setting{ID: id, Val: value})
	}
}

// settingsFrames are h2spec's http2/6.5.
func settingsFrames() []h2case {
	violated, tooShort, overflow := fails(http2.ErrCodeProtocol), fails(http2.ErrCodeFrameSize), fails(http2.ErrCodeFlowControl)
	return []h2case{
		{name: "http2/6.5/1 SETTINGS that acknowledge and set", want: tooShort, send: raw1(http2.FrameSettings, http2.FlagSettingsAck, 0, make([]byte, 6))},
		{name: "http2/6.5/2 SETTINGS on a stream", want: violated, send: raw1(http2.FrameSettings, 0, 1, []byte{0, 3, 0, 0, 0, 100})},
		{name: "http2/6.5/3 SETTINGS of 3 bytes", want: tooShort, send: raw1(http2.FrameSettings, 0, 0, make([]byte, 3))},
		{name: "http2/6.5.2/1 ENABLE_PUSH of 2", want: violated, send: set(http2.SettingEnablePush, 2)},
		{name: "http2/6.5.2/2 INITIAL_WINDOW_SIZE of 2 GiB", want: overflow, send: set(http2.SettingInitialWindowSize, 1<<31)},
		{name: "http2/6.5.2/3 MAX_FRAME_SIZE below 16384", want: violated, send: set(http2.SettingMaxFrameSize, 1<<14-1)},
		{name: "http2/6.5.2/4 MAX_FRAME_SIZE above 16777215", want: violated, send: set(http2.SettingMaxFrameSize, 1<<24)},
		{name: "http2/6.5.2/5 a setting that nobody knows", want: goesOn, send: set(0xff, 1)},
		{name: "http2/6.5.2/a HEADER_TABLE_SIZE of nothing", want: tells(1, "GET /"), send: func(h *h2) {
			set(http2.SettingHeaderTableSize, 0)(h)
			h.get(1)
		}},
		{name: "http2/6.5.3/1 the last of several values holds", want: pays(1), send: func(h *h2) {
			h.preface()
			h.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
			h.get(1)
		}},
		{name: "http2/6.5.3/2 SETTINGS are acknowledged", want: settled, send: set(http2.SettingEnablePush, 0)},
	}
}

// pays wants so many bytes on stream 1, and then no more.
func pays(want int) finding {
	return func(h *h2) error {
		got := 0
		for pings := 0; ; {
			f, err := h.ReadFrame()
			if err != nil {
				return err
			}
			switch f := f.(type) {
			case *http2.DataFrame:
				if got += len(f.Data()); got > want || f.StreamEnded() {
					return fmt.Errorf("DATA of %d bytes, want %d", got, want)
				}
				pings = 0
			case *http2.GoAwayFrame:
				return fmt.Errorf("GOAWAY with %s", f.ErrCode)
			case *http2.RSTStreamFrame:
				return fmt.Errorf("RST_STREAM with %s", f.ErrCode)
			}
			if got < want {
				if p, ok := f.(*http2.PingFrame); ok && p.IsAck() {
					h.WritePing(false, [8]byte{}) // it is on its way
				}
			} else if h.pinged(f, &pings) != nil {
				return nil
			}
		}
	}
}

// windows are h2spec's http2/6.9.
func windows() []h2case {
	const most = math.MaxInt32
	window := func(n uint32) http2.Setting { return http2.Setting{ID: http2.SettingInitialWindowSize, Val: n} }
	return []h2case{
		{name: "http2/6.9/1 WINDOW_UPDATE of 0", want: fails(http2.ErrCodeProtocol), send: raw1(http2.FrameWindowUpdate, 0, 0, word(0))},
		{name: "http2/6.9/2 WINDOW_UPDATE of 0 on a stream", want: resets(http2.ErrCodeProtocol), send: raw1(http2.FrameWindowUpdate, 0, 1, word(0))},
		{name: "http2/6.9/3 WINDOW_UPDATE of 3 bytes", want: fails(http2.ErrCodeFrameSize), send: raw1(http2.FrameWindowUpdate, 0, 0, make([]byte, 3))},
		{name: "http2/6.9.1/1 no more DATA than the window has", want: pays(1), send: func(h *h2) {
			h.preface(window(1))
			h.get(1)
		}},
		{name: "http2/6.9.1/2 a window of more than 2 GiB", want: fails(http2.ErrCodeFlowControl), send: func(h *h2) {
			h.preface()
			h.WriteWindowUpdate(0, most)
			h.WriteWindowUpdate(0, most)
		}},
		{name: "http2/6.9.1/3 a stream's window of more than 2 GiB", want: resets(http2.ErrCodeFlowControl), send: func(h *h2) {
			h.preface()
			h.open(1)
			h.WriteWindowUpdate(1, most)
			h.WriteWindowUpdate(1, most)
		}},
		{name: "http2/6.9.1/a DATA beyond the server's window", want: resets(http2.ErrCodeFlowControl), send: func(h *h2) {
			h.preface()
			h.hold(1, false)
			for range 1 << 7 { // 2 MiB, which nobody reads: more than any window that the server gives
				h.WriteData(1, false, make([]byte, 1<<14))
			}
		}},
		{name: "http2/6.9.2/1 the window after HEADERS", want: pays(1), send: func(h *h2) {
			h.preface(window(0))
			h.get(1)
			h.WriteSettings(window(1))
		}},
		{name: "http2/6.9.2/2 a window below 0", want: all(pays(3), shrunk, pays(1)), send: func(h *h2) {
			h.preface(window(3))
			h.get(1)
		}},
		{name: "http2/6.9.2/3 a window of more than 2 GiB for all streams", want: fails(http2.ErrCodeFlowControl), send: func(h *h2) {
			h.preface()
			h.WriteSettings(window(1 << 31))
		}},
		{name: "http2/6.9.2/a SETTINGS that make a stream's window more than 2 GiB", want: fails(http2.ErrCodeFlowControl), send: func(h *h2) {
			h.preface()
			h.open(1)
			h.WriteWindowUpdate(1, most-(1<<16-1))
			h.WriteSettings(window(1 << 16))
		}},
	}
}

// shrunk takes away what a stream has spent, so that 2 bytes more are 1.
func shrunk(h *h2) error {
	h.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 2})
	h.WriteWindowUpdate(1, 2)
	h.WritePing(false, [8]byte{})
	return nil
}
