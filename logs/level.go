package logs

import (
	"bytes"
	"fmt"
	"strings"
)

// Level is how grave a line is.
type Level int

// The levels, ascending.
const (
	Unknown Level = iota
	Trace
	Debug
	Info
	Warn
	Error
	Fatal
)

var levelNames = [...]string{"", "trace", "debug", "info", "warn", "error", "fatal"}

func (l Level) String() string { return levelNames[l] }

// MarshalText makes the level a word in JSON and on the command line.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText is ParseLevel; nothing is Unknown.
func (l *Level) UnmarshalText(b []byte) (err error) {
	*l = Unknown
	if len(b) > 0 {
		*l, err = ParseLevel(string(b))
	}
	return err
}

// ParseLevel returns the level that has a name; the names are those of
// String and what loggers write for them, in any case.
func ParseLevel(s string) (Level, error) {
	if l := levelWord([]byte(s)); l != Unknown {
		return l, nil
	}
	return Unknown, fmt.Errorf("level %q: want %s", s, strings.Join(levelNames[1:], ", "))
}

// levelWord returns the level that a word stands for.
func levelWord(w []byte) Level {
	if len(w) < 3 || len(w) > len("informational") {
		return Unknown
	}
	var lower [len("informational")]byte
	for i, c := range w {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	switch string(lower[:len(w)]) {
	case "trace", "verbose", "silly", "finest", "finer", "trc":
		return Trace
	case "debug", "dbg", "fine", "debu":
		return Debug
	case "info", "information", "informational", "notice", "inf", "log":
		return Info
	case "warn", "warning", "wrn":
		return Warn
	case "error", "err", "eror", "erro", "severe":
		return Error
	case "fatal", "critical", "crit", "panic", "emerg", "emergency", "alert", "ftl", "dpanic", "fata":
		return Fatal
	}
	return Unknown
}

// DetectLevel returns the level that a line of a log names, Unknown when it
// names none. It knows, in this order:
//
//	{"level":"warn"}  {"severity":"ERROR"}  {"lvl":…}  {"levelname":…}  {"log.level":…}   JSON, keys of the object itself
//	{"level":50}      10 trace … 60 fatal (pino, bunyan); 0–7 are syslog's severities (RFC 5424 §6.2.1)
//	level=warn  lvl=eror  severity="error"                       logfmt
//	E0102 15:04:05.000000                                        glog and klog: I, W, E, F
//	ERROR  [WARN]  INFO:  WARNING:root:  npm ERR!                a word in capitals, near the beginning
//	[error]  <warn>  |info|  (debug)                             any case in brackets
//	error: …  Warning: …                                         any case, first on the line
//	ValueError: …  java.io.IOException: …  Traceback (…  panic: …   what ends programs: error; panic: fatal
//
// Escape sequences must have been taken out.
func DetectLevel(line []byte) Level {
	line = bytes.TrimLeft(line, " \t")
	if len(line) < 3 {
		return Unknown
	}
	if line[0] == '{' {
		if l := jsonLevel(line); l != Unknown {
			return l
		}
	}
	if l := logfmtLevel(line); l != Unknown {
		return l
	}
	if l := glogLevel(line); l != Unknown {
		return l
	}
	return textLevel(line)
}

// levelOf is DetectLevel for a line that follows one of a level: what is
// indented belongs to it, as the lines of a traceback do. Others count as Info.
func levelOf(line []byte, before Level) Level {
	if l := DetectLevel(line); l != Unknown {
		return l
	}
	if len(line) == 0 || bytes.IndexByte([]byte(" \t\r\n})]"), line[0]) >= 0 {
		return before
	}
	return Info
}

// jsonLevel looks at the members of the object that b begins with. It does not
// validate: what it cannot follow has no level.
func jsonLevel(b []byte) Level {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				return Unknown
			}
		case '"':
			s, n := jsonString(b[i:])
			i += n - 1
			if depth != 1 || !levelKey(s) {
				continue
			}
			rest := bytes.TrimLeft(b[i+1:], " \t")
			if len(rest) == 0 || rest[0] != ':' {
				continue // a value
			}
			rest = bytes.TrimLeft(rest[1:], " \t")
			if len(rest) > 0 && rest[0] == '"' {
				s, _ := jsonString(rest)
				return levelWord(s)
			}
			return numericLevel(rest)
		}
	}
	return Unknown
}

// jsonString returns what is between the quotes of the string that b begins
// with, escapes as they are, and the length with the quotes.
func jsonString(b []byte) (s []byte, n int) {
	for i := 1; i < len(b); {
		q := bytes.IndexByte(b[i:], '"')
		if q < 0 {
			break
		}
		i += q
		slashes := 0
		for b[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return b[1:i], i + 1
		}
		i++
	}
	return b[1:], len(b)
}

func levelKey(k []byte) bool {
	switch string(k) {
	case "level", "severity", "lvl", "levelname", "log.level", "loglevel", "@l", "Level", "Severity":
		return true
	}
	return false
}

func numericLevel(b []byte) Level {
	n, digits := 0, 0
	for digits < len(b) && digits < 4 && '0' <= b[digits] && b[digits] <= '9' {
		n = n*10 + int(b[digits]-'0')
		digits++
	}
	switch {
	case digits == 0:
		return Unknown
	case n >= 60 || n <= 2:
		return Fatal
	case n >= 50 || n == 3:
		return Error
	case n >= 40 || n == 4:
		return Warn
	case n >= 30 || n <= 6:
		return Info
	case n >= 20 || n == 7:
		return Debug
	case n >= 10:
		return Trace
	}
	return Unknown
}

func logfmtLevel(line []byte) Level {
	for from := 0; ; {
		i := bytes.IndexByte(line[from:], '=')
		if i < 0 {
			return Unknown
		}
		i += from
		from = i + 1
		k := i
		for k > 0 && (line[k-1] >= 'a' && line[k-1] <= 'z' || line[k-1] == '.') {
			k--
		}
		if !levelKey(line[k:i]) || k > 0 && line[k-1] != ' ' && line[k-1] != '\t' {
			continue
		}
		v := bytes.TrimPrefix(line[i+1:], []byte{'"'})
		if l := levelWord(v[:letters(v)]); l != Unknown {
			return l
		}
	}
}

// glogLevel knows the prefix of glog: a letter, month and day, a space.
func glogLevel(line []byte) Level {
	if len(line) < 6 || line[5] != ' ' {
		return Unknown
	}
	for _, c := range line[1:5] {
		if c < '0' || c > '9' {
			return Unknown
		}
	}
	switch line[0] {
	case 'I':
		return Info
	case 'W':
		return Warn
	case 'E':
		return Error
	case 'F':
		return Fatal
	}
	return Unknown
}

// textWindow is how far into a line its level is looked for: behind a time, a
// host, a thread and a logger's name, but not in the message.
const textWindow = 128

func textLevel(line []byte) Level {
	if bytes.HasPrefix(line, []byte("Traceback (most recent call last)")) {
		return Error
	}
	window := line[:min(len(line), textWindow)]
	for i := 0; i < len(window); {
		n := letters(window[i:])
		if n == 0 {
			i++
			continue
		}
		w := window[i : i+n]
		var before, after byte = ' ', ' '
		if i > 0 {
			before = window[i-1]
		}
		if i+n < len(line) {
			after = line[i+n]
		}
		if l := levelWord(w); l != Unknown && stands(w, before, after, i == 0) {
			return l
		}
		i += n
	}
	// The name of what was thrown: letters, digits, dots, then a colon.
	name := window
	for i, c := range name {
		if c == ':' {
			name = name[:i]
			break
		}
		if c == ' ' || c == '/' || c == '=' {
			return Unknown
		}
	}
	if len(name) < len(line) && (bytes.HasSuffix(name, []byte("Error")) || bytes.HasSuffix(name, []byte("Exception"))) {
		return Error
	}
	return Unknown
}

// stands reports whether a level's word between two bytes is meant as one.
func stands(w []byte, before, after byte, first bool) bool {
	switch {
	case before == '[' && after == ']', before == '<' && after == '>', before == '|' && after == '|', before == '(' && after == ')':
		return true
	case first && after == ':':
		return true
	}
	for _, c := range w {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return strings.IndexByte(" \t[(<|:\"'-", before) >= 0 && strings.IndexByte(" \t\r\n])>|:\"',-!", after) >= 0
}

// letters returns how many letters b begins with.
func letters(b []byte) int {
	n := 0
	for n < len(b) && (b[n]|0x20) >= 'a' && (b[n]|0x20) <= 'z' {
		n++
	}
	return n
}
