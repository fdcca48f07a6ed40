package stack

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// text is the scalar form of a value. What counts is how it is written, not
// which type YAML gives it: `version: 17` and `version: "17"` are the same, and
// so are `8080` and a variable that holds it.
type text struct {
	accepts  func(s string) (hint string, ok bool)
	verbatim bool           // variables stay as they are
	schema   map[string]any // JSON Schema of it, but for variables
	strings  bool           // schema covers text with variables already
}

// The scalar forms.
var (
	anyText     = &text{accepts: func(string) (string, bool) { return "", true }, schema: map[string]any{"type": []any{"string", "number", "boolean"}}, strings: true}
	commandText = &text{accepts: nonEmpty, verbatim: true, schema: map[string]any{"type": []any{"string", "number", "boolean"}}, strings: true}
	booleanText = &text{accepts: parses(parseBool), schema: map[string]any{"type": "boolean"}}
	cpusText    = &text{accepts: parses(parseCPUs), schema: map[string]any{"type": "number", "minimum": 0}}
	sizeText    = &text{accepts: parses(parseSize), schema: map[string]any{"anyOf": []any{
		map[string]any{"type": "integer", "minimum": 0},
		map[string]any{"type": "string", "pattern": sizePattern.String()},
	}}}
	durationText = &text{accepts: acceptsDuration, schema: map[string]any{"anyOf": []any{
		map[string]any{"const": 0},
		pattern(`^` + durationPattern + `$|^0$`),
	}}}
	listenText     = &text{accepts: parses(parseListen), schema: pattern(`^.*:[0-9]+$`)}
	endpointText   = &text{accepts: parses(parseEndpoint), schema: pattern(`^.+:[0-9]+$|^consul://[A-Za-z0-9]([A-Za-z0-9_.-]{0,126}[A-Za-z0-9])?$`)}
	pathText       = &text{accepts: parses(parsePath), schema: pattern(pathPattern)}
	probeText      = &text{accepts: parses(parseProbeURL), schema: pattern(`^/|^https?://`)}
	hostText       = loose(hostPattern)
	consulText     = &text{accepts: parses(parseConsul), schema: pattern(`^consul://.+`)}
	datacenterText = &text{accepts: matches(datacenterPattern), schema: pattern(datacenterPattern.String())}
	nodeText       = &text{accepts: matches(nodePattern), schema: pattern(nodePattern.String())}
	uuidText       = &text{accepts: matches(uuidPattern), schema: pattern(uuidPattern.String())}
	regexpText     = &text{accepts: acceptsRegexp, strings: true, schema: map[string]any{"type": []any{"string", "number", "boolean"}, "format": "regex"}}
	methodText     = loose(tokenPattern)
	signalText     = &text{accepts: acceptsSignal, schema: pattern(`^(SIG)?[A-Z][A-Z0-9]*$`)}
	restartText    = &text{accepts: parses(parseRestart), schema: map[string]any{"anyOf": []any{
		map[string]any{"const": false}, // YAML 1.1 reads `no` so
		map[string]any{"type": "string", "pattern": restartPattern.String()},
	}}}
	nameText = &text{accepts: matches(namePattern), schema: pattern(namePattern.String())}
)

func nonEmpty(s string) (string, bool) { return "", strings.TrimSpace(s) != "" }

func matches(p *regexp.Regexp) func(string) (string, bool) {
	return func(s string) (string, bool) { return "", p.MatchString(s) }
}

func parses[T any](f func(string) (T, bool)) func(string) (string, bool) {
	return func(s string) (string, bool) {
		_, ok := f(s)
		return "", ok
	}
}

func pattern(p string) map[string]any { return map[string]any{"type": "string", "pattern": p} }

// wholeText is a whole number within bounds.
func wholeText(low, high int) *text {
	s := map[string]any{"type": "integer", "minimum": low}
	if high < math.MaxInt {
		s["maximum"] = high
	}
	return &text{schema: s, accepts: func(v string) (string, bool) {
		n, ok := parseWhole(v)
		return "", ok && n >= low && n <= high
	}}
}

// oneOf is one word of several.
func oneOf(words ...string) *text {
	enum := make([]any, len(words))
	for i, w := range words {
		enum[i] = w
	}
	return &text{schema: map[string]any{"enum": enum}, accepts: func(v string) (string, bool) {
		if slices.Contains(words, v) {
			return "", true
		}
		if near, ok := nearest(v, words); ok {
			return "did you mean `" + near + "`?", false
		}
		return "", false
	}}
}

func parseWhole(s string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	return n, err == nil
}

func parseBool(s string) (value, ok bool) {
	switch s {
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	}
	return false, false
}

func parseCPUs(s string) (float64, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return f, err == nil && f >= 0 && !math.IsInf(f, 0) && !math.IsNaN(f)
}

var sizePattern = regexp.MustCompile(`^([0-9]+)\s*([bkmgBKMG]?)[bB]?$`)

// parseSize reads compose's byte values: 1024, 512k, 300m, 1gb; powers of 1024.
func parseSize(s string) (int64, bool) {
	m := sizePattern.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	shift := map[string]uint{"": 0, "b": 0, "k": 10, "m": 20, "g": 30}[strings.ToLower(m[2])]
	if err != nil || n > math.MaxInt64>>shift {
		return 0, false
	}
	return n << shift, true
}

const durationPattern = `([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+`

func parseDuration(s string) (time.Duration, bool) {
	d, err := time.ParseDuration(strings.TrimSpace(s))
	return d, err == nil && d >= 0
}

func acceptsDuration(s string) (string, bool) {
	if _, ok := parseDuration(s); ok {
		return "", true
	}
	if n, ok := parseWhole(s); ok && n > 0 {
		return fmt.Sprintf("add a unit: `%ds`", n), false
	}
	return "", false
}

// parseListen reads host:port, :port; port 0 takes a free one.
func parseListen(s string) (string, bool) {
	host, port, err := net.SplitHostPort(s)
	n, ok := parseWhole(port)
	if err != nil || !ok || n < 0 || n > math.MaxUint16 {
		return "", false
	}
	return net.JoinHostPort(host, strconv.Itoa(n)), true
}

func parseEndpoint(s string) (string, bool) {
	if name, ok := strings.CutPrefix(s, consulScheme); ok {
		return s, nodePattern.MatchString(name)
	}
	addr, ok := parseListen(s)
	return addr, ok && !strings.HasPrefix(addr, ":") && !strings.HasSuffix(addr, ":0")
}

// pathPattern is what parsePath takes.
const pathPattern = `^/[^?#\x00-\x20\x7f]*$`

func parsePath(s string) (string, bool) {
	return s, strings.HasPrefix(s, "/") && !strings.ContainsAny(s, "?#") && !strings.ContainsFunc(s, blank)
}

// blank reports whether r ends a word: a blank or a control character.
func blank(r rune) bool { return r <= ' ' || r == 0x7f }

func parseProbeURL(s string) (string, bool) {
	if strings.HasPrefix(s, "/") {
		return s, !strings.ContainsAny(s, " \t\r\n")
	}
	return s, isURL(s)
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

var hostPattern = regexp.MustCompile(`^(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

func parseConsul(s string) (string, bool) {
	u, err := url.Parse(s)
	return s, err == nil && u.Scheme == "consul" && u.Host != ""
}

func acceptsRegexp(s string) (string, bool) {
	_, err := regexp.Compile(s)
	if err != nil {
		return strings.TrimPrefix(err.Error(), "error parsing regexp: "), false
	}
	return "", true
}

// token is one of RFC 9110 §5.6.2.
const token = "[A-Za-z0-9!#$%&'*+.^_`|~-]+"

var tokenPattern = regexp.MustCompile("^" + token + "$")

// Signals are the names that stop_signal and reload take.
var signals = []string{
	"SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGWINCH", "SIGCONT", "SIGABRT", "SIGALRM", "SIGPIPE",
}

// parseSignal takes TERM and SIGTERM.
func parseSignal(s string) (string, bool) {
	s = "SIG" + strings.TrimPrefix(s, "SIG")
	return s, slices.Contains(signals, s)
}

func acceptsSignal(s string) (string, bool) {
	if _, ok := parseSignal(s); ok {
		return "", true
	}
	full := "SIG" + strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if slices.Contains(signals, full) {
		return "did you mean `" + full + "`?", false
	}
	return "", false
}

var restartPattern = regexp.MustCompile(`^(no|always|unless-stopped|on-failure(:[0-9]+)?)$`)

func parseRestart(s string) (Restart, bool) {
	if s == "false" {
		s = string(RestartNo)
	}
	if !restartPattern.MatchString(s) {
		return Restart{}, false
	}
	mode, most, _ := strings.Cut(s, ":")
	n, ok := parseWhole(most)
	return Restart{Mode: RestartMode(mode), Max: n}, ok || most == ""
}

// The names and IDs of the registry, as Consul takes them; nodes' are found by DNS.
var (
	datacenterPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	nodePattern       = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,126}[A-Za-z0-9])?$`)
	uuidPattern       = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

// namePattern is what services are called: a DNS label that a variable's name
// can be made of. Instances add "-N" to it.
var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]{0,58}[a-z0-9])?$`)
