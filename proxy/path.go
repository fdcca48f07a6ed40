package proxy

import "strings"

// Paths are compared as they are written, but for percent-encoding: %63 is c
// (RFC 3986 §6.2.2.2), while %2F is data and never a border of segments. So
// neither a match nor a strip has to decode a path, and what is forwarded
// stays as it was received.

// climbs reports whether a service that resolves the dot segments of a path
// (RFC 3986 §5.2.4) would take it for another path, one that another route or
// policy may be meant for. Encoded slashes and backslashes are borders of
// segments here: to some services they are.
func climbs(path string) bool {
	if strings.IndexByte(path, '.') < 0 && strings.IndexByte(path, '%') < 0 {
		return false
	}
	dots, others := 0, false
	for i := 0; ; {
		c, n := int('/'), 1
		if i < len(path) {
			c, n = unit(path[i:])
		}
		switch c {
		case '/', '\\', encodedSlash:
			if !others && (dots == 1 || dots == 2) {
				return true
			}
			dots, others = 0, false
		case '.':
			dots++
		default:
			others = true
		}
		if i >= len(path) {
			return false
		}
		i += n
	}
}

// cut takes prefix off the front of path.
func cut(path, prefix string) (rest string, ok bool) {
	for prefix != "" {
		if path == "" {
			return "", false
		}
		a, n, b, m := int(path[0]), 1, int(prefix[0]), 1
		if a == '%' || b == '%' {
			a, n = unit(path)
			b, m = unit(prefix)
		}
		if a != b {
			return "", false
		}
		path, prefix = path[n:], prefix[m:]
	}
	return path, true
}

// cutSegments takes prefix off path when it ends where a segment does.
func cutSegments(path, prefix string) (rest string, ok bool) {
	rest, ok = cut(path, prefix)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// samePath reports whether two paths are one.
func samePath(a, b string) bool {
	rest, ok := cut(a, b)
	return ok && rest == ""
}

// encodedSlash is the unit of %2F, which is no byte.
const encodedSlash = 256

// unit returns the first character of s, decoded, and how many bytes it takes.
// s is not empty.
func unit(s string) (char, size int) {
	if s[0] == '%' && len(s) >= 3 {
		hi, lo := unhex(s[1]), unhex(s[2])
		if hi >= 0 && lo >= 0 {
			if c := hi<<4 | lo; c != '/' {
				return c, 3
			}
			return encodedSlash, 3
		}
	}
	return int(s[0]), 1
}

// units counts the characters of s.
func units(s string) (n int) {
	for ; s != ""; n++ {
		_, size := unit(s)
		s = s[size:]
	}
	return n
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// normal is path with its percent-encoding in normal form (RFC 3986 §6.2.2):
// unreserved characters are decoded, and hexadecimal digits are capital. It is
// what regexps are matched with. It allocates only for a path that differs.
func normal(path string) string {
	if strings.IndexByte(path, '%') < 0 {
		return path
	}
	var out []byte // nil while nothing differs
	for n := 0; n < len(path); {
		c, size := unit(path[n:])
		is := path[n : n+size]
		to := is
		switch {
		case size == 1:
		case unreserved(c):
			to = string(rune(c))
		default:
			to = strings.ToUpper(is)
		}
		if to != is && out == nil {
			out = append(make([]byte, 0, len(path)), path[:n]...)
		}
		if out != nil {
			out = append(out, to...)
		}
		n += size
	}
	if out == nil {
		return path
	}
	return string(out)
}

// received is the place in path of the nth byte of normal(path).
func received(path string, n int) (place int) {
	for n > 0 {
		c, size := unit(path[place:])
		place += size
		if unreserved(c) {
			size = 1
		}
		n -= size
	}
	return place
}

// unreserved are the characters that mean the same encoded or not (RFC 3986
// §2.3).
func unreserved(c int) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// escape percent-encodes what no URI may have as it is, and what clients take
// for something else: controls, so that no field is ended early, and the
// backslash, which browsers read as a slash. Encoding that is there stays.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(s))
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			out = append(out, '%', hex[c>>4], hex[c&15])
		} else {
			out = append(out, c)
		}
	}
	return string(out)
}
