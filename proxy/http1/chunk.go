package http1

// maxChunkLine bounds the line of a chunk's size with its extensions, which
// nobody is known to use.
const maxChunkLine = 256

// chunks follows a chunked body (RFC 9112 §7.1) without changing it: it says
// which bytes are framing, which are data, and where the body ends. Sizes are
// hexadecimal digits alone, with no space behind them (which some read as part
// of an extension and some as an error), lines end with CR LF, extensions are
// visible.
// The zero value stands before the first chunk.
type chunks struct {
	state uint8
	digit uint8 // of the size's line
	line  uint16
	left  int64 // of the chunk's data
}

const (
	inSize      = iota
	inExtension // up to CR
	inSizeEnd   // LF
	inData
	inDataEnd     // CR
	inDataEndFeed // LF
	inTrailers    // what comes is a section of fields, which ends with an empty line
)

// next takes bytes off p: n of framing, or n of data. It takes none only of an
// empty p, or when the trailers begin.
func (c *chunks) next(p []byte) (n int, data bool, err *fault) {
	if c.state == inData {
		n = len(p)
		if int64(n) >= c.left {
			n = int(c.left)
			c.state = inDataEnd
		}
		c.left -= int64(n)
		return n, true, nil
	}
	for n < len(p) && c.state != inData && c.state != inTrailers {
		if !c.step(p[n]) {
			return n, false, badChunk
		}
		n++
	}
	return n, false, nil
}

// step takes one byte of framing, and reports whether it may stand there.
func (c *chunks) step(b byte) bool {
	switch c.state {
	case inSize:
		if class[b]&isHex != 0 {
			c.digit++
			c.left = c.left<<4 | int64(unhex(b))
			return c.digit <= 15
		}
		switch b {
		case '\r':
			c.state = inSizeEnd
		case ';':
			c.state = inExtension
		default:
			return false
		}
		return c.digit > 0
	case inExtension:
		if b == '\r' {
			c.state = inSizeEnd
			return true
		}
		c.line++
		return c.line <= maxChunkLine && (class[b]&isTarget != 0 || b == ' ' || b == '\t')
	case inSizeEnd:
		c.digit, c.line = 0, 0
		c.state = inData
		if c.left == 0 {
			c.state = inTrailers
		}
		return b == '\n'
	case inDataEnd:
		c.state = inDataEndFeed
		return b == '\r'
	default:
		c.state = inSize
		return b == '\n'
	}
}

func unhex(b byte) byte {
	if b <= '9' {
		return b - '0'
	}
	return b&^0x20 - 'A' + 10
}

// parseTrailers parses the fields after the last chunk, with the empty line
// at their end. Those that frame, route or authenticate a message have no
// place there (RFC 9110 §6.5.1).
func (h *head) parseTrailers(b []byte) *fault {
	h.reset(b)
	if f := h.parseFields(0, false); f != nil {
		return f
	}
	for i := range h.n {
		switch n := h.name(&h.fields[i]); {
		case frames(n), equalFold(n, "connection"), equalFold(n, "trailer"), equalFold(n, "authorization"), equalFold(n, "set-cookie"),
			whatIs(n, true) == tells: // a client does not say who it is in front of a proxy
			return badTrailer
		}
	}
	return nil
}

// appendChunk writes the line that opens a chunk of n bytes.
func appendChunk(to []byte, n int) []byte {
	const digits = "0123456789abcdef"
	shift := 0
	for n>>shift >= 16 {
		shift += 4
	}
	for ; shift >= 0; shift -= 4 {
		to = append(to, digits[n>>shift&15])
	}
	return append(to, '\r', '\n')
}
