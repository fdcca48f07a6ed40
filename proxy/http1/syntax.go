package http1

// The character classes of RFC 9110 §5.5, §5.6.2 and RFC 9112 §3.2.
const (
	isToken  = 1 << iota // of a method or a field's name
	isValue              // of a field's value: visible, space, tab, obs-text
	isTarget             // of a request target: visible ASCII
	isHost               // of an authority: what RFC 3986 §3.2.2 allows, and a port
	isHex
)

var class = func() (t [256]uint8) {
	for c := range 256 {
		b := byte(c)
		letter := b|0x20 >= 'a' && b|0x20 <= 'z'
		digit := b >= '0' && b <= '9'
		if letter || digit || within(b, "!#$%&'*+-.^_`|~") {
			t[c] |= isToken
		}
		if b == '\t' || b >= 0x20 && b != 0x7f {
			t[c] |= isValue
		}
		if b > 0x20 && b < 0x7f {
			t[c] |= isTarget
		}
		if letter || digit || within(b, "-._~%!$&'()*+,;=:[]") {
			t[c] |= isHost
		}
		if digit || b|0x20 >= 'a' && b|0x20 <= 'f' {
			t[c] |= isHex
		}
	}
	return t
}()

func within(b byte, set string) bool {
	for i := range len(set) {
		if set[i] == b {
			return true
		}
	}
	return false
}

// all reports whether each byte of b is of a class.
func all(b []byte, of uint8) bool {
	for _, c := range b {
		if class[c]&of == 0 {
			return false
		}
	}
	return true
}

// equalFold reports whether b is the lower-case ASCII text s, in any case.
func equalFold[T string | []byte](b T, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range len(s) {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != s[i] {
			return false
		}
	}
	return true
}

// trim takes spaces and tabs off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// items yields the elements of a comma-separated list (RFC 9110 §5.6.1).
func items(list []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		from := 0
		for i := 0; i <= len(list); i++ {
			if i < len(list) && list[i] != ',' {
				continue
			}
			if item := trim(list[from:i]); len(item) > 0 && !yield(item) {
				return
			}
			from = i + 1
		}
	}
}

// lists reports whether a comma-separated list has an element, in any case.
func lists(list []byte, item string) bool {
	for i := range items(list) {
		if equalFold(i, item) {
			return true
		}
	}
	return false
}

// decimal reads 1*DIGIT; no sign, no more than fits.
func decimal(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
