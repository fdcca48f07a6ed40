package http1

import "encoding/binary"

// tracker follows the frames of a WebSocket (RFC 6455 §5.2) without changing
// them: it knows where one ends. The zero value stands before the first.
type tracker struct {
	left   uint64 // of the payload
	n      int    // of head
	head   [14]byte
	closed bool // a close frame has begun, after which nothing comes
	lost   bool // this is no WebSocket
}

// pass follows p.
func (f *tracker) pass(p []byte) {
	for len(p) > 0 {
		p = p[f.step(p):]
	}
}

// finish follows p as far as the frame goes that was begun, and returns how far
// that is.
func (f *tracker) finish(p []byte) (n int) {
	for n < len(p) && !f.between() {
		n += f.step(p[n:])
	}
	return n
}

// step follows some of p, within one frame.
func (f *tracker) step(p []byte) int {
	switch {
	case f.lost:
		return len(p)
	case f.left > 0:
		n := min(f.left, uint64(len(p)))
		f.left -= n
		return int(n)
	}
	n := copy(f.head[f.n:f.size()], p)
	f.n += n
	if f.n == f.size() {
		f.begin()
	}
	return n
}

// size is how long the frame's head is, as far as that is known.
func (f *tracker) size() int {
	if f.n < 2 {
		return 2
	}
	n := 2
	switch f.head[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if f.head[1]&0x80 != 0 { // masked
		n += 4
	}
	return n
}

// begin begins the payload of the frame whose head is there.
func (f *tracker) begin() {
	switch n := f.head[1] & 0x7f; n {
	case 126:
		f.left = uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		f.left = binary.BigEndian.Uint64(f.head[2:])
		f.lost = f.left>>63 != 0
	default:
		f.left = uint64(n)
	}
	f.closed = f.closed || f.head[0]&0xf == opClose
	f.n = 0
}

// between reports whether a frame may follow.
func (f *tracker) between() bool { return f.left == 0 && f.n == 0 && !f.lost }

// over reports whether all of a close frame has passed.
func (f *tracker) over() bool { return f.closed && f.between() }

const opClose = 8

// Codes of a close frame (RFC 6455 §7.4.1 and its IANA registry).
const (
	goingAway      = 1001 // what a client says that leaves
	serviceRestart = 1012 // of a server: connect again
)

// appendClose writes a close frame, masked as clients have to.
func appendClose(to []byte, code uint16, reason string, masked bool, mask uint32) []byte {
	n := byte(2 + len(reason)) // at most 125
	if masked {
		to = binary.BigEndian.AppendUint32(append(to, 0x80|opClose, 0x80|n), mask)
	} else {
		to = append(to, 0x80|opClose, n)
	}
	from := len(to)
	to = append(binary.BigEndian.AppendUint16(to, code), reason...)
	if masked {
		for i := range to[from:] {
			to[from+i] ^= byte(mask >> (24 - 8*(i%4)))
		}
	}
	return to
}
