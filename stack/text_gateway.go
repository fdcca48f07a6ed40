package stack

import (
	"math"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The scalar forms of the gateway's keys.
var (
	onText  = &text{accepts: func(s string) (string, bool) { on, _ := parseBool(s); return "", on }, schema: map[string]any{"const": true}}
	offText = &text{accepts: acceptsOff, schema: map[string]any{"enum": []any{"off", "false", false}}}

	headerNameText  = loose(tokenPattern)
	headerValueText = loose(regexp.MustCompile(`^[^\x00-\x08\x0a-\x1f\x7f]*$`)) // RFC 9110 §5.5
	// RFC 7617 §2.
	userPattern  = regexp.MustCompile(`^[^:\x00-\x1f\x7f]+$`)
	passwordText = loose(regexp.MustCompile(`^[^\x00-\x1f\x7f]+$`))

	networkText    = &text{accepts: parses(parseNetwork), schema: pattern(`^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)(/[0-9]{1,3})?$`)}
	rewriteText    = &text{accepts: acceptsRewrite, schema: pattern(pathPattern)}
	redirectText   = &text{accepts: parses(parseRedirect), schema: pattern(`^/($|[^/\\])|^https?://[^/]`)}
	rateText       = &text{accepts: parses(parseRate), schema: except(ratePattern.String(), `/0[^1-9]*$`)}
	originText     = &text{accepts: acceptsOrigin, schema: pattern(originPattern.String())}
	limitByText    = byText("header")
	balanceByText  = byText("header|cookie")
	codingText     = oneOf(codings()...)
	retryOnText    = oneOf("connect-failure", "reset", "5xx", "gateway-error")
	aboveZeroText  = &text{accepts: acceptsAboveZero, schema: except(`^`+durationPattern+`$`, `^[^1-9]*$`)}
	redirectStatus = statusText(301, 302, 303, 307, 308)
)

// either is a scalar of one of several forms.
func either(forms ...*text) *text {
	var schemas []any
	for _, f := range forms {
		schemas = append(schemas, scalarSchemas(f)...)
	}
	return &text{strings: true, schema: map[string]any{"anyOf": schemas}, accepts: func(s string) (hint string, ok bool) {
		for _, f := range forms {
			h, ok := f.accepts(s)
			if ok {
				return "", true
			}
			if hint == "" {
				hint = h
			}
		}
		return hint, false
	}}
}

func acceptsOff(s string) (string, bool) {
	value, isBool := parseBool(s)
	return "", s == "off" || isBool && !value
}

// loose is text that p matches, as do numbers and true and false, which YAML
// makes of it without quotes.
func loose(p *regexp.Regexp) *text {
	return &text{accepts: matches(p), strings: true, schema: map[string]any{"anyOf": []any{
		map[string]any{"type": []any{"number", "boolean"}}, pattern(p.String()), pattern(`\$`),
	}}}
}

// byText names what of a request tells clients apart: client, or a kind and a
// token (RFC 9110 §5.1; RFC 6265 §4.1.1).
func byText(kinds string) *text {
	p := regexp.MustCompile(`^(client|(` + kinds + `):` + token + `)$`)
	return &text{accepts: matches(p), schema: pattern(p.String())}
}

// statusText is one of some statuses, with or without quotes.
func statusText(statuses ...int) *text {
	var enum []any
	for _, s := range statuses {
		enum = append(enum, s, strconv.Itoa(s))
	}
	return &text{schema: map[string]any{"enum": enum}, accepts: func(s string) (string, bool) {
		n, ok := parseWhole(s)
		return "", ok && slices.Contains(statuses, n)
	}}
}

func codings() []string { return []string{"zstd", "gzip"} }

func acceptsAboveZero(s string) (string, bool) {
	hint, ok := acceptsDuration(s)
	d, _ := parseDuration(s)
	return hint, ok && d > 0
}

// except is the schema of text that p matches and not does not.
func except(p, not string) map[string]any {
	s := pattern(p)
	s["not"] = map[string]any{"pattern": not}
	return s
}

// parseNetwork takes a CIDR, or an address, which is a network of its own.
func parseNetwork(s string) (netip.Prefix, bool) {
	if addr, err := netip.ParseAddr(s); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), addr.Zone() == ""
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err == nil
}

// acceptsRewrite takes a path alone.
func acceptsRewrite(s string) (string, bool) {
	_, ok := parsePath(s)
	if !ok && strings.HasPrefix(s, "/") && strings.ContainsAny(s, "?#") {
		return "a request keeps its own query; write %3F or %23 for the character in a path", false
	}
	return "", ok
}

// parseRedirect takes a path or a URL. What browsers take for another host in
// the guise of a path, //host and /\host, is neither.
func parseRedirect(s string) (string, bool) {
	if strings.ContainsFunc(s, blank) {
		return "", false
	}
	if strings.HasPrefix(s, "/") {
		return s, !strings.HasPrefix(s, "//") && !strings.HasPrefix(s, `/\`)
	}
	return s, isURL(s)
}

var ratePattern = regexp.MustCompile(`^([1-9][0-9]*)/(s|m|h|` + durationPattern + `)$`)

// parseRate reads 10/s, 600/m, 5/h and 10/10s.
func parseRate(s string) (RateLimit, bool) {
	m := ratePattern.FindStringSubmatch(s)
	if m == nil {
		return RateLimit{}, false
	}
	n, ok := parseWhole(m[1])
	per, known := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[m[2]]
	if !known {
		per, _ = parseDuration(m[2])
	}
	return RateLimit{Requests: n, Per: per}, ok && n <= math.MaxInt32 && per > 0
}

var originPattern = regexp.MustCompile(`^(\*|[A-Za-z][A-Za-z0-9+.-]*://((\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?)$`)

func acceptsOrigin(s string) (string, bool) {
	if m := originPattern.FindStringSubmatch(s); m != nil {
		port, _ := strconv.Atoi(strings.TrimPrefix(m[len(m)-1], ":"))
		return "", port <= math.MaxUint16
	}
	if u, err := url.Parse(s); err == nil && u.Host != "" && originPattern.MatchString(u.Scheme+"://"+u.Host) {
		return "an origin has no path: `" + u.Scheme + "://" + u.Host + "`", false
	}
	if hostPattern.MatchString(s) && s != "" {
		return "add the scheme: `http://" + s + "`", false
	}
	return "", false
}

// group is what a rewrite or redirect names of a regular expression.
var group = regexp.MustCompile(`\$([0-9]+)`)

// placeholder is what only looks like a group: ${1}, $host.
var placeholder = regexp.MustCompile(`\$(\{[^}]*\}?|[A-Za-z_][A-Za-z0-9_]*)`)

// hostOf is the host of a URL as it is written, with the port and the user;
// "" of a path.
func hostOf(target string) string {
	if strings.HasPrefix(target, "/") {
		return ""
	}
	_, rest, _ := strings.Cut(target, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		return rest[:end]
	}
	return rest
}

// groupsIn counts the groups of an expression, 0 where it is none.
func groupsIn(expr string) int {
	p, err := regexp.Compile(expr)
	if err != nil {
		return 0
	}
	return p.NumSubexp()
}
