package logs

import (
	"bytes"
	"unicode/utf8"
)

// appendStripped appends a line without its escape sequences, if it is text:
// what is no UTF-8 has none.
func appendStripped(dst, line []byte) []byte {
	if bytes.IndexByte(line, esc) < 0 || !utf8.Valid(line) {
		return append(dst, line...)
	}
	return stripped(dst, line)
}

// restyle notes which colours a line leaves switched on, and switches them off
// for the prefix of the next; they come back with the instance's next line.
func (p *Printer) restyle(s *source, line []byte) {
	for {
		i := bytes.IndexByte(line, esc)
		if i < 0 {
			break
		}
		n, sgr := sequence(line[i:])
		if sgr {
			s.note(line[i : i+n])
		}
		line = line[i+n:]
	}
	if len(s.style) > 0 {
		p.out = append(p.out, reset...)
	}
}

// maxStyle bounds what is remembered of an instance's colours.
const maxStyle = 64

// note takes a colour sequence into account.
func (s *source) note(seq []byte) {
	params := seq[2 : len(seq)-1]
	if len(params) == 0 || params[0] == '0' && (len(params) == 1 || params[1] == ';') {
		s.style = s.style[:0]
		if len(params) <= 2 {
			return
		}
	}
	if len(s.style)+len(seq) > maxStyle {
		s.style = s.style[:0]
	}
	s.style = append(s.style, seq...)
}

// overwrite shows a piece of an unfinished line that overwrites what is there,
// a progress bar: the line is begun again.
func (p *Printer) overwrite(s *source, piece []byte) {
	if s.atStart || bytes.IndexByte(bytes.TrimSuffix(piece, []byte{'\r'}), '\r') >= 0 {
		p.out = append(p.out, "\r\x1b[K"...)
		p.begin(s)
	}
}

// onTerminal appends a line so that it changes nothing but its own text: of
// escape sequences only colours stay, control characters become pictures, and
// of what a carriage return overwrites the last is shown.
func (p *Printer) onTerminal(s *source, line []byte, unfinished bool) {
	s.atStart = unfinished && bytes.HasSuffix(line, []byte{'\r'})
	line = bytes.TrimRight(line, "\r")
	line = line[bytes.LastIndexByte(line, '\r')+1:]
	start := 0
	styled := len(s.style) > 0
	for i := 0; i < len(line); {
		c := line[i]
		if c >= ' ' && c < 0x7f || c == '\t' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(line[i:])
			if r != utf8.RuneError && r > 0x9f { // below are the C1 controls
				i += n
				continue
			}
			p.out = append(append(p.out, line[start:i]...), "\uFFFD"...)
			i += n
			start = i
			continue
		}
		p.out = append(p.out, line[start:i]...)
		n, sgr := 1, false
		if c == esc {
			n, sgr = sequence(line[i:])
		}
		switch {
		case sgr && !p.o.Strip:
			p.out = append(p.out, line[i:i+n]...)
			s.note(line[i : i+n])
			styled = true
		case n > 1: // a sequence: gone
		case c == 0x7f:
			p.out = append(p.out, "␡"...)
		default:
			p.out = utf8.AppendRune(p.out, 0x2400+rune(c))
		}
		i += n
		start = i
	}
	p.out = append(p.out, line[start:]...)
	if styled && len(s.style) > 0 {
		p.out = append(p.out, reset...)
	}
}
