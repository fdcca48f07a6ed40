package logs

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"
)

// json prints a line as an object. Text that is not UTF-8 is there twice: as
// "text" with replacement characters, and exactly, in base64, as "bytes".
func (p *Printer) json(s *source, line []byte) {
	if len(p.out)+len(s.stamp)+len(line) > flushSize {
		p.flush()
	}
	line, ended := bytes.CutSuffix(line, []byte{'\n'})
	text := line
	if bytes.IndexByte(line, esc) >= 0 {
		p.line = stripped(p.line[:0], line)
		text = p.line
	}
	b := append(p.out, s.stamp...)
	if l := DetectLevel(text); l != Unknown && !s.split {
		b = append(append(append(b, `,"level":"`...), l.String()...), '"')
	}
	if !p.o.Strip {
		text = line
	}
	b = appendJSON(append(b, `,"text":`...), text)
	if !utf8.Valid(text) {
		b = append(b, `,"bytes":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, text), '"')
	}
	if !ended || s.split {
		b = append(b, `,"partial":true`...)
	}
	p.out = append(b, "}\n"...)
}

const hexDigits = "0123456789abcdef"

// appendJSON appends b as a string (RFC 8259 §7).
func appendJSON(dst, b []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(b); {
		c := b[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, b[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += n
			continue
		}
		dst = append(dst, b[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, b[start:]...), '"')
}
