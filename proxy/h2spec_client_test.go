package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2 is a client that writes frames as they are wanted, against the rules too.
// What fails to be written shows in what can be read.
type h2 struct {
	*http2.Framer
	t        *testing.T
	conn     net.Conn
	block    bytes.Buffer
	enc      *hpack.Encoder
	settings map[http2.SettingID]uint32 // the server's
	got      map[uint32]*response
}

// dialH2 connects, and writes nothing yet.
func dialH2(t *testing.T, addr string) *h2 {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	h := &h2{Framer: http2.NewFramer(conn, conn), t: t, conn: conn, settings: map[http2.SettingID]uint32{}, got: map[uint32]*response{}}
	h.AllowIllegalWrites = true
	h.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	h.enc = hpack.NewEncoder(&h.block)
	return h
}

// preface begins the connection: the settings of both sides are in force.
func (h *h2) preface(settings ...http2.Setting) {
	h.t.Helper()
	_, _ = io.WriteString(h.conn, http2.ClientPreface)
	h.WriteSettings(settings...)
	for acknowledged := false; !acknowledged || len(h.settings) == 0; {
		f, err := h.ReadFrame()
		if err != nil {
			h.t.Fatalf("begin: %v", err)
		}
		s, ok := f.(*http2.SettingsFrame)
		switch {
		case !ok:
		case s.IsAck():
			acknowledged = true
		default:
			_ = s.ForeachSetting(func(s http2.Setting) error { h.settings[s.ID] = s.Val; return nil })
			h.WriteSettingsAck()
		}
	}
}

// request is the fields of a request, and others in pairs of name and value.
func request(method, path string, more ...string) []string {
	return append([]string{":method", method, ":scheme", "http", ":path", path, ":authority", "api.localhost"}, more...)
}

// without is the fields less one.
func without(fields []string, name string) []string {
	i := slices.Index(fields, name)
	return slices.Delete(fields, i, i+2)
}

// encode is the block of fields, in pairs of name and value.
func (h *h2) encode(fields ...string) []byte {
	h.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = h.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(h.block.Bytes())
}

// headers are a whole HEADERS frame.
func (h *h2) headers(stream uint32, end bool, fields ...string) {
	h.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: h.encode(fields...), EndStream: end, EndHeaders: true})
}

// get asks for / on stream.
func (h *h2) get(stream uint32) { h.headers(stream, true, request("GET", "/")...) }

// open begins a request on stream that is answered only once its body ends.
func (h *h2) open(stream uint32) { h.headers(stream, false, request("POST", "/")...) }

// hold makes a request on stream that is not answered, for a service that does
// not become ready. Nobody reads its body.
func (h *h2) hold(stream uint32, end bool) {
	h.headers(stream, end, append(without(request("GET", "/"), ":authority"), ":authority", "held.localhost")...)
}

// pieces are a block on stream 1 in n frames, which ends the stream.
func (h *h2) pieces(n int, fields ...string) {
	block := h.encode(fields...)
	size := len(block)/n + 1
	h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:size], EndStream: true})
	for block = block[size:]; len(block) > size; block = block[size:] {
		h.WriteContinuation(1, false, block[:size])
	}
	h.WriteContinuation(1, true, block)
}

// response is one as far as it came.
type response struct {
	status string
	body   []byte
	ended  bool
}

// answer reads until the response on stream has come whole.
func (h *h2) answer(stream uint32) (*response, error) {
	of := func(stream uint32) *response {
		if h.got[stream] == nil {
			h.got[stream] = &response{}
		}
		return h.got[stream]
	}
	for !of(stream).ended {
		f, err := h.ReadFrame()
		if err != nil {
			return nil, fmt.Errorf("stream %d: %w", stream, err)
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			if f.ErrCode != http2.ErrCodeNo || f.LastStreamID < stream {
				return nil, fmt.Errorf("GOAWAY with %s", f.ErrCode)
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == stream {
				return nil, fmt.Errorf("RST_STREAM with %s", f.ErrCode)
			}
		case *http2.MetaHeadersFrame:
			r := of(f.StreamID)
			r.status, r.ended = r.status+f.PseudoValue("status"), f.StreamEnded()
		case *http2.DataFrame:
			r := of(f.StreamID)
			r.body, r.ended = append(r.body, f.Data()...), f.StreamEnded()
		}
	}
	return h.got[stream], nil
}

// done is when the response on stream has come.
func (h *h2) done(stream uint32) {
	h.t.Helper()
	if _, err := h.answer(stream); err != nil {
		h.t.Fatal(err)
	}
}
