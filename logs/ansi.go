package logs

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

const esc = 0x1b

// sequence returns the length of the escape sequence that b begins with, as
// ECMA-48 §5 has them, and whether it is a selection of graphic rendition:
// colours and the like, which change nothing but how text looks. An escape
// character that begins no complete sequence is one of length 1.
func sequence(b []byte) (n int, sgr bool) {
	if len(b) < 2 {
		return 1, false
	}
	switch c := b[1]; {
	case c == '[': // control sequence: parameters, intermediates, a final byte
		i := 2
		for i < len(b) && b[i] >= 0x30 && b[i] <= 0x3f {
			i++
		}
		plain := i == 2 || b[2] < '<' // else private
		for i < len(b) && b[i] >= 0x20 && b[i] <= 0x2f {
			i, plain = i+1, false
		}
		if i < len(b) && b[i] >= 0x40 && b[i] <= 0x7e {
			return i + 1, plain && b[i] == 'm'
		}
	case c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_': // a string up to ST, or BEL
		for i := 2; i < len(b) && i < maxString; i++ {
			switch {
			case b[i] == 0x07:
				return i + 1, false
			case b[i] == esc && i+1 < len(b) && b[i+1] == '\\':
				return i + 2, false
			case b[i] == esc || b[i] == '\n':
				return 1, false
			}
		}
	case c >= 0x20 && c <= 0x2f: // intermediates and a final byte: character sets
		i := 2
		for i < len(b) && b[i] >= 0x20 && b[i] <= 0x2f {
			i++
		}
		if i < len(b) && b[i] >= 0x30 && b[i] <= 0x7e {
			return i + 1, false
		}
	case c >= 0x30 && c <= 0x7e: // a single function
		return 2, false
	}
	return 1, false
}

// maxString bounds how far the end of a string in an escape sequence is looked for.
const maxString = 8 << 10

// stripped appends b to dst without its escape sequences.
func stripped(dst, b []byte) []byte {
	for {
		i := bytes.IndexByte(b, esc)
		if i < 0 {
			return append(dst, b...)
		}
		dst = append(dst, b[:i]...)
		n, _ := sequence(b[i:])
		b = b[i+n:]
	}
}

// maxHeld is the longest escape sequence that is kept whole at the end of a
// piece of a line.
const maxHeld = 256

// finished returns the length of b without the escape sequence or the
// character that it ends in the middle of.
func finished(b []byte) int {
	for i := max(0, len(b)-maxHeld); ; {
		n := bytes.IndexByte(b[i:], esc)
		if n < 0 {
			break
		}
		i += n
		if unfinished(b[i:]) {
			return i
		}
		n, _ = sequence(b[i:])
		i += n
	}
	for i := len(b) - 1; i >= max(0, len(b)-utf8.UTFMax); i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}

// unfinished reports whether b, which begins with an escape character, is the
// beginning of a sequence.
func unfinished(b []byte) bool {
	if len(b) == 1 {
		return true
	}
	var inside func(byte) bool
	switch c := b[1]; {
	case c == '[':
		inside = func(c byte) bool { return c >= 0x20 && c <= 0x3f }
	case c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_':
		b = bytes.TrimSuffix(b, []byte{esc})
		inside = func(c byte) bool { return c != 0x07 && c != esc && c != '\n' }
	case c >= 0x20 && c <= 0x2f:
		inside = func(c byte) bool { return c >= 0x20 && c <= 0x2f }
	default:
		return false
	}
	return !slices.ContainsFunc(b[2:], func(c byte) bool { return !inside(c) })
}
