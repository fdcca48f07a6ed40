package watch

import "strings"

// token is a step of a compiled pattern.
type token struct {
	kind tokenKind
	char byte
	set  *[256]bool
}

type tokenKind byte

const (
	tokenChar  tokenKind = iota // this byte
	tokenOne                    // ?: one byte, not a slash
	tokenSet                    // [a-z]: one byte of the set
	tokenStar                   // *: any bytes but slashes
	tokenAll                    // **: any bytes
	tokenMaybe                  // the next two, "**" and "/", may be left out
)

// compileGit compiles a pattern with wildcards as git's wildmatch.c reads it;
// literal is where the first is, and floating patterns know no slashes. ok is
// false when it cannot match anything.
func compileGit(text string, literal int, floating bool) (out []token, ok bool) {
	for i := 0; i < len(text); i++ {
		if text[i] != '*' {
			t, end := parseToken(text, i)
			if end < 0 {
				return nil, false
			}
			out, i = append(out, t), end
			continue
		}
		// "**" is more than "*" only as a whole part of a path. git compares
		// the literal beginning first, and takes what is left for a whole.
		from := i
		for i+1 < len(text) && text[i+1] == '*' {
			i++
		}
		rest := text[i+1:]
		part := from == literal || text[from-1] == '/'
		switch {
		case floating || i == from || !part:
			out = append(out, token{kind: tokenStar})
		case strings.HasPrefix(rest, "/"):
			out = append(out, token{kind: tokenMaybe}, token{kind: tokenAll}, token{char: '/'})
			i++
		case rest == "" || strings.HasPrefix(rest, `\/`):
			out = append(out, token{kind: tokenAll})
		default:
			out = append(out, token{kind: tokenStar})
		}
	}
	return out, true
}

// parseToken reads what begins at i, of a pattern of any kind, and returns where
// it ends, -1 when it does not. Stars are each kind's own.
func parseToken(text string, i int) (t token, end int) {
	switch text[i] {
	case '?':
		return token{kind: tokenOne}, i
	case '\\':
		if i+1 == len(text) {
			return token{}, -1
		}
		return token{char: lower(text[i+1])}, i + 1
	case '[':
		set, end := parseSet(text, i)
		return token{kind: tokenSet, set: set}, end
	}
	return token{char: lower(text[i])}, i
}

// parseSet reads the bracket expression that begins at i, and returns where it
// ends, or -1 when it does not.
func parseSet(text string, i int) (set *[256]bool, end int) {
	set = new([256]bool)
	i++
	negated := i < len(text) && (text[i] == '!' || text[i] == '^')
	if negated {
		i++
	}
	var prev byte // that a range may begin with
	for first := true; i >= 0 && i < len(text); first = false {
		if text[i] == ']' && !first {
			closeSet(set, negated)
			return set, i
		}
		i, prev = parseMember(set, text, i, prev)
	}
	return nil, -1
}

// parseMember adds what is at i to a set. It returns what comes next, which is
// -1 if that is not to be read, and what a range may begin with.
func parseMember(set *[256]bool, text string, i int, prev byte) (next int, last byte) {
	rest := text[i:]
	switch {
	case rest == `\`:
		return -1, 0
	case rest[0] == '\\':
		set[rest[1]] = true
		return i + 2, rest[1]
	case rest[0] == '-' && prev != 0 && len(rest) > 1 && rest[1] != ']':
		next = i + 2
		to := rest[1]
		if to == '\\' {
			if len(rest) == 2 {
				return -1, 0
			}
			to, next = rest[2], i+3
		}
		for b := int(prev); b <= int(to); b++ {
			set[b] = true
		}
		return next, 0
	case strings.HasPrefix(rest, "[:"):
		n := strings.IndexByte(rest[2:], ']')
		if n < 0 {
			return -1, 0
		}
		name, named := strings.CutSuffix(rest[2:2+n], ":")
		if !named {
			break
		}
		in := classes[name]
		if in == nil {
			return -1, 0
		}
		for b := range 256 {
			set[b] = set[b] || in(byte(b))
		}
		return i + 2 + n + 1, 0
	}
	set[rest[0]] = true
	return i + 1, rest[0]
}

// closeSet turns what was listed into what is matched: never a slash.
func closeSet(set *[256]bool, negated bool) {
	if foldCase {
		for b := byte('a'); b <= 'z'; b++ {
			set[b] = set[b] || set[b-'a'+'A']
		}
	}
	for b := range set {
		set[b] = set[b] != negated
	}
	set['/'] = false
}

var classes = map[string]func(byte) bool{
	"alnum":  func(b byte) bool { return isAlpha(b) || isDigit(b) },
	"alpha":  isAlpha,
	"blank":  func(b byte) bool { return b == ' ' || b == '\t' },
	"cntrl":  func(b byte) bool { return b < ' ' || b == 127 },
	"digit":  isDigit,
	"graph":  func(b byte) bool { return b > ' ' && b < 127 },
	"lower":  func(b byte) bool { return 'a' <= b && b <= 'z' },
	"print":  func(b byte) bool { return b >= ' ' && b < 127 },
	"punct":  func(b byte) bool { return b > ' ' && b < 127 && !isAlpha(b) && !isDigit(b) },
	"space":  func(b byte) bool { return b == ' ' || '\t' <= b && b <= '\r' },
	"upper":  func(b byte) bool { return 'A' <= b && b <= 'Z' },
	"xdigit": func(b byte) bool { return isDigit(b) || 'a' <= b|0x20 && b|0x20 <= 'f' },
}

func isAlpha(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }
func isDigit(b byte) bool { return '0' <= b && b <= '9' }

func lower(b byte) byte {
	if foldCase && 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

// run reports whether the tokens match s, or, with parents, s or a folder
// above it. It follows all ways at once, so that its time is bounded by
// len(tokens) × len(s).
func run(tokens []token, s string, parents bool) bool {
	at := start(tokens)
	for i := range len(s) {
		if parents && s[i] == '/' && at[len(tokens)] {
			return true
		}
		if !step(tokens, at, s[i]) {
			return false
		}
	}
	return at[len(tokens)]
}

// live reports whether the tokens may match something that begins with s.
func live(tokens []token, s string) bool {
	at := start(tokens)
	for i := range len(s) {
		if !step(tokens, at, s[i]) {
			return false
		}
	}
	return true
}

// start returns the set of tokens that may be next at the beginning; the last
// place means that all have matched.
func start(tokens []token) []bool {
	at := make([]bool, len(tokens)+1)
	at[0] = true
	spread(tokens, at)
	return at
}

// spread adds what may be next since a token may match nothing.
func spread(tokens []token, at []bool) {
	for i := range tokens {
		if !at[i] {
			continue
		}
		switch tokens[i].kind {
		case tokenStar, tokenAll:
			at[i+1] = true
		case tokenMaybe:
			at[i+1], at[i+3] = true, true
		}
	}
}

// step takes one byte in; it reports whether anything may be next.
func step(tokens []token, at []bool, b byte) bool {
	alive := false
	next := false // whether the token before has matched b
	for i := range at {
		was := at[i]
		at[i] = next
		next = false
		if i == len(tokens) || !was {
			alive = alive || at[i]
			continue
		}
		switch t := tokens[i]; t.kind {
		case tokenChar:
			next = t.char == b
		case tokenOne:
			next = b != '/'
		case tokenSet:
			next = t.set[b]
		case tokenStar:
			at[i] = at[i] || b != '/'
		case tokenAll:
			at[i] = true
		}
		alive = alive || at[i]
	}
	spread(tokens, at)
	return alive
}
