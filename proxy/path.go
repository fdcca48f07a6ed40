package proxy

// Paths are compared as they are written, but for percent-encoding: %63 is c
// (RFC 3986 §6.2.2.2), while %2F is data and never a border of segments. So
// neither a match nor a strip has to decode a path, and what is forwarded
// stays as it was received.

// cut takes prefix off the front of path.
func cut(path, prefix string) (rest string, ok bool) {
	for prefix != "" {
		if path == "" {
			return "", false
		}
		a, n := unit(path)
		b, m := unit(prefix)
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
