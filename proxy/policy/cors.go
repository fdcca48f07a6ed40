package policy

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/stack"
)

// cors is the CORS protocol of the Fetch standard (§3.3), server side.
type cors struct {
	any         bool // origin
	origins     map[string]bool
	patterns    []pattern
	methods     string // "": any
	headers     string // "": any
	expose      string
	credentials bool
	maxAge      string
}

// pattern is an origin with a wildcard for the first labels of its host.
type pattern struct{ before, after string } // "https://" and ".example.com:8443"

func newCORS(c *stack.CORS) (*cors, error) {
	if c == nil || len(c.Origins) == 0 {
		return nil, nil // without origins nobody is let in
	}
	out := &cors{
		origins:     map[string]bool{},
		methods:     listed(c.Methods),
		headers:     listed(c.Headers),
		expose:      strings.Join(c.Expose, ", "),
		credentials: c.Credentials,
	}
	if c.MaxAge > 0 {
		out.maxAge = strconv.FormatInt(int64(c.MaxAge/time.Second), 10)
	}
	for _, o := range c.Origins {
		scheme, host, ok := strings.Cut(strings.ToLower(o), "://")
		switch {
		case o == "*":
			out.any = true
		case o == "null":
			out.origins[o] = true
		case !ok || host == "" || strings.ContainsAny(host, "/?#@ "):
			return nil, fmt.Errorf("origin %q is not scheme://host[:port]", o)
		default:
			host = withoutDefaultPort(scheme, host)
			if after, wild := strings.CutPrefix(host, "*."); wild {
				out.patterns = append(out.patterns, pattern{scheme + "://", "." + after})
			} else {
				out.origins[scheme+"://"+host] = true
			}
		}
	}
	if out.any && out.credentials {
		return nil, errors.New("any origin with credentials would let every page act as the user")
	}
	return out, nil
}

// listed is a list for a field, "" when it names everything or nothing.
func listed(names []string) string {
	if slices.Contains(names, "*") {
		return ""
	}
	return strings.Join(names, ", ")
}

// withoutDefaultPort is host as it stands in the Origin field.
func withoutDefaultPort(scheme, host string) string {
	switch scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

// allows reports whether pages of that origin may call.
func (c *cors) allows(origin string) bool {
	return c.any || c.origins[origin] || slices.ContainsFunc(c.patterns, func(p pattern) bool {
		labels, ok := strings.CutPrefix(origin, p.before)
		labels, end := strings.CutSuffix(labels, p.after)
		return ok && end && labels != "" && !strings.ContainsAny(labels, "/:@")
	})
}

// append adds the fields that let a page of that origin read a response. For
// any origin they are the same without one, so that a cache needs to keep but
// one response (Fetch §3.3.5).
func (c *cors) append(fields []wire.Field, origin string) []wire.Field {
	switch {
	case c.any:
		origin = "*"
	case origin == "" || !c.allows(origin):
		return fields
	default:
		origin = strings.Clone(origin)
	}
	fields = append(fields, wire.Field{Name: "Access-Control-Allow-Origin", Value: origin})
	if c.credentials {
		fields = append(fields, wire.Field{Name: "Access-Control-Allow-Credentials", Value: "true"})
	}
	if c.expose != "" {
		fields = append(fields, wire.Field{Name: "Access-Control-Expose-Headers", Value: c.expose})
	}
	return fields
}

// owned names the fields of a response that the service has no say in: two of
// Access-Control-Allow-Origin are as bad as none.
func (c *cors) owned() []string {
	if c == nil {
		return nil
	}
	return []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers"}
}

// always is what each response has, whatever its request's origin.
func (c *cors) always() []wire.Field {
	if c == nil || c.any {
		return nil
	}
	return []wire.Field{{Name: "Vary", Value: "Origin"}}
}

// preflight reports whether a browser asks first what it may send.
func preflight(h *wire.Head) bool {
	return h.Method == http.MethodOptions && h.Header.Get("Origin") != "" && h.Header.Get("Access-Control-Request-Method") != ""
}

// preflight answers one. An origin that may not call is told why in words,
// since its browser says only that a field is missing; a method or field that
// is not listed is answered with the lists, of which browsers tell in detail.
func (c *cors) preflight(h *wire.Head) *wire.Answer {
	origin := h.Header.Get("Origin")
	vary := wire.Field{Name: "Vary", Value: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
	if !c.allows(origin) {
		a := refuse(http.StatusForbidden, fmt.Sprintf("origin %q is not among those that this route lets in (cors.origins)", origin))
		a.Header = append(a.Header, vary)
		return a
	}
	a := &wire.Answer{Status: http.StatusNoContent, Header: append(make([]wire.Field, 0, 7), vary)}
	a.Header = c.append(a.Header, origin)
	tell := func(name, value string) {
		if value != "" {
			a.Header = append(a.Header, wire.Field{Name: name, Value: value})
		}
	}
	tell("Access-Control-Allow-Methods", orAsked(c.methods, h.Header.Get("Access-Control-Request-Method")))
	tell("Access-Control-Allow-Headers", orAsked(c.headers, h.Header.Get("Access-Control-Request-Headers")))
	tell("Access-Control-Max-Age", c.maxAge)
	return a
}

// orAsked is the list, or what was asked for, which outlives the request's buffer.
func orAsked(list, asked string) string {
	if list != "" {
		return list
	}
	return strings.Clone(asked)
}
