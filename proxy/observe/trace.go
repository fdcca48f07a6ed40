package observe

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// Flags of a trace. Others are cleared, since nobody has defined them (W3C
// Trace Context §3.2.2.5.2).
const (
	sampled = 1
	random  = 2 // the trace's id is random: level 2's, and to be kept (§3.2.2.5.2 there)
)

// The fields of a traceparent: version-trace-parent-flags.
const (
	traceAt  = 2 + 1
	parentAt = traceAt + 32 + 1
	flagsAt  = parentAt + 16 + 1
	length   = flagsAt + 2
)

// Continue writes the traceparent of a request to out (W3C Trace Context level
// 1, version 00), and returns its trace: the incoming one's with a new parent,
// or where that is not valid a new trace, sampled. It does not allocate.
func Continue(incoming string, out *[length]byte) (trace [16]byte) {
	trace, flags, ok := parse(incoming)
	if !ok {
		for trace = [16]byte{}; trace == [16]byte{}; {
			binary.BigEndian.PutUint64(trace[:8], rand.Uint64())
			binary.BigEndian.PutUint64(trace[8:], rand.Uint64())
		}
		flags = sampled
	}
	var parent [8]byte
	for parent == [8]byte{} {
		binary.BigEndian.PutUint64(parent[:], rand.Uint64())
	}
	copy(out[:], "00-")
	hex.Encode(out[traceAt:], trace[:])
	out[parentAt-1] = '-'
	hex.Encode(out[parentAt:], parent[:])
	out[flagsAt-1] = '-'
	hex.Encode(out[flagsAt:], []byte{flags})
	return trace
}

// parse takes a traceparent apart. One of a version to come is read as far as
// it is one of version 00, when a dash follows (§4.3).
func parse(s string) (trace [16]byte, flags byte, ok bool) {
	var version, flag [1]byte
	var parent [8]byte
	if len(s) < length || s[traceAt-1] != '-' || s[parentAt-1] != '-' || s[flagsAt-1] != '-' ||
		!unhex(version[:], s) || !unhex(trace[:], s[traceAt:]) || !unhex(parent[:], s[parentAt:]) || !unhex(flag[:], s[flagsAt:]) {
		return trace, 0, false
	}
	switch {
	case version[0] == 0xff, version[0] == 0 && len(s) > length, len(s) > length && s[length] != '-',
		trace == [16]byte{}, parent == [8]byte{}:
		return trace, 0, false
	}
	return trace, flag[0] & (sampled | random), true
}

// unhex fills out from the beginning of s: lower case alone is valid (§3.2.2).
func unhex(out []byte, s string) bool {
	for i := range out {
		high, low := nibble(s[2*i]), nibble(s[2*i+1])
		if high > 15 || low > 15 {
			return false
		}
		out[i] = high<<4 | low
	}
	return true
}

func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}
