package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"golang.org/x/net/http2"
)

// finding looks at what comes back, up to what decides.
type finding func(*h2) error

// closed reports whether err is the end of the connection.
func closed(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op) && !op.Timeout()
}

// pinged answers a PING that was acknowledged with one more. After the third,
// whatever was before them has had its turn.
func (h *h2) pinged(f http2.Frame, n *int) error {
	if p, ok := f.(*http2.PingFrame); !ok || !p.IsAck() {
		return nil
	}
	if *n++; *n == 3 {
		return errors.New("the connection goes on")
	}
	h.WritePing(false, [8]byte{})
	return nil
}

// fails wants a connection error: GOAWAY with one of codes, or the end.
func fails(codes ...http2.ErrCode) finding { return refused(false, codes) }

// resets wants a stream error: RST_STREAM with one of codes, or what fails
// wants.
func resets(codes ...http2.ErrCode) finding { return refused(true, codes) }

func refused(stream bool, codes []http2.ErrCode) finding {
	return func(h *h2) error {
		var got []string
		over := false
		among := func(what string, code http2.ErrCode) error {
			if !slices.Contains(codes, code) {
				return fmt.Errorf("%s with %s, want %v", what, code, codes)
			}
			return nil
		}
		for pings := 0; ; {
			f, err := h.ReadFrame()
			if closed(err) {
				return nil
			} else if err != nil {
				return fmt.Errorf("got %v, %w; want %v", got, err, codes)
			}
			switch f := f.(type) {
			case *http2.GoAwayFrame:
				return among("GOAWAY", f.ErrCode)
			case *http2.RSTStreamFrame:
				if stream {
					return among("RST_STREAM", f.ErrCode)
				}
			case *http2.MetaHeadersFrame:
				got = append(got, f.PseudoValue("status"))
				over = over || f.StreamEnded()
			case *http2.DataFrame:
				got = append(got, string(f.Data()))
				over = over || f.StreamEnded()
			}
			if stream && over {
				return fmt.Errorf("got the response %q, want %v", got, codes)
			}
			if err := h.pinged(f, &pings); err != nil {
				return fmt.Errorf("got %v, and %w; want %v", got, err, codes)
			}
		}
	}
}

// ends wants the connection to be closed, after whatever.
func ends(h *h2) error {
	for {
		if _, err := h.ReadFrame(); closed(err) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// goesOn wants the connection to be as before.
func goesOn(h *h2) error {
	for {
		f, err := h.ReadFrame()
		if err != nil {
			return err
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			return fmt.Errorf("GOAWAY with %s", f.ErrCode)
		case *http2.PingFrame:
			if f.IsAck() {
				return nil
			}
		}
	}
}

// unblamed wants no error: the connection goes on, or ends in peace.
func unblamed(h *h2) error {
	for {
		f, err := h.ReadFrame()
		if closed(err) {
			return nil
		} else if err != nil {
			return err
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			if f.ErrCode != http2.ErrCodeNo {
				return fmt.Errorf("GOAWAY with %s", f.ErrCode)
			}
			return nil
		case *http2.PingFrame:
			return nil
		}
	}
}

// settled wants SETTINGS to be acknowledged.
func settled(h *h2) error {
	for {
		f, err := h.ReadFrame()
		if err != nil {
			return err
		}
		if s, ok := f.(*http2.SettingsFrame); ok && s.IsAck() {
			return nil
		}
	}
}

// tells wants the response on stream to be body.
func tells(stream uint32, body string) finding {
	return func(h *h2) error {
		a, err := h.answer(stream)
		if err != nil {
			return err
		}
		if a.status != "200" || string(a.body) != body {
			return fmt.Errorf("%s %.200q, want %.200q", a.status, a.body, body)
		}
		return nil
	}
}

// all wants each of vs, one after the other.
func all(vs ...finding) finding {
	return func(h *h2) error {
		for _, v := range vs {
			if err := v(h); err != nil {
				return err
			}
		}
		return nil
	}
}
