package http1

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// frame is a frame of a WebSocket.
func frame(first byte, n int, masked bool) []byte {
	b := []byte{first, 0}
	switch {
	case n < 126:
		b[1] = byte(n)
	case n < 1<<16:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if masked {
		b[1] |= 0x80
		b = append(b, 1, 2, 3, 4)
	}
	return append(b, bytes.Repeat([]byte{0x88}, n)...)
}

func TestFramesEndWhereTheyEnd(t *testing.T) {
	for _, n := range []int{0, 1, 2, 125, 126, 127, 65535, 65536, 70000} {
		for _, masked := range []bool{false, true} {
			one := frame(0x82, n, masked)
			all := append(append(bytes.Clone(one), frame(0x01, 3, masked)...), frame(0x89, 0, masked)...)
			ends := map[int]bool{0: true, len(one): true, len(all): true, len(all) - len(frame(0x89, 0, masked)): true}
			for _, step := range []int{1, 2, 3, 7, len(all)} {
				var f tracker
				for at := 0; at < len(all); {
					to := min(at+step, len(all))
					f.pass(all[at:to])
					at = to
					if f.between() != ends[at] || f.closed || f.lost {
						t.Fatalf("%d bytes, masked %t, in steps of %d: between is %t at %d, %+v", n, masked, step, f.between(), at, f)
					}
				}
			}
		}
	}
}

func TestACloseFrameIsSeen(t *testing.T) {
	var f tracker
	b := append(frame(0x81, 5, false), frame(0x88, 12, false)...)
	f.pass(b[:len(b)-1])
	if !f.closed || f.over() {
		t.Errorf("%+v", f)
	}
	f.pass(b[len(b)-1:])
	if !f.over() {
		t.Errorf("%+v", f)
	}
}

func TestWhatIsNoFrameIsLost(t *testing.T) {
	var f tracker
	f.pass([]byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 'x'})
	if !f.lost || f.between() {
		t.Errorf("%+v", f)
	}
}

func TestFollowingFramesAllocatesNothing(t *testing.T) {
	b := append(frame(0x82, 70000, true), frame(0x81, 5, true)...)
	var f tracker
	if n := testing.AllocsPerRun(100, func() { f.pass(b) }); n != 0 {
		t.Errorf("%f allocations", n)
	}
}

// However bytes are cut, the same frames end.
func FuzzFrames(f *testing.F) {
	f.Add(append(frame(0x81, 126, true), frame(0x88, 2, false)...), uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		var whole, parts tracker
		whole.pass(b)
		for rest := b; len(rest) > 0; {
			n := min(int(step)+1, len(rest))
			parts.pass(rest[:n])
			rest = rest[n:]
		}
		if whole != parts {
			t.Errorf("%+v in one, %+v in parts", whole, parts)
		}
		var frame tracker
		for rest := b; len(rest) > 0; {
			n := frame.step(rest)
			n += frame.finish(rest[n:])
			rest = rest[n:]
			if len(rest) > 0 && !frame.between() {
				t.Fatalf("%+v before %d bytes", frame, len(rest))
			}
		}
		if whole != frame {
			t.Errorf("%+v in one, %+v by frame", whole, frame)
		}
	})
}

func BenchmarkFrames(b *testing.B) {
	p := bytes.Repeat(frame(0x81, 60, true), 500)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	var f tracker
	for b.Loop() {
		f.pass(p)
	}
}
