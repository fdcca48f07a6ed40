package stack

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// isOff reports whether a value is switched off.
func (n *node) isOff() bool {
	_, off := offText.accepts(n.string())
	return off
}

// policies reads the policies among the keys of a route or of the gateway.
func (l *loader) policies(n *node, path, dir string) Policies {
	p := Policies{
		Retries:         l.retries(n.get("retries"), path+".retries"),
		RateLimit:       l.rateLimit(n.get("rate_limit"), path+".rate_limit"),
		CORS:            l.cors(n.get("cors"), path+".cors"),
		Compress:        compress(n.get("compress")),
		BasicAuth:       l.basicAuth(n.get("basic_auth"), path+".basic_auth"),
		JWT:             l.jwt(n.get("jwt"), path+".jwt", dir),
		RequestHeaders:  l.headerRules(n.get("request_headers"), path+".request_headers"),
		ResponseHeaders: l.headerRules(n.get("response_headers"), path+".response_headers"),
	}
	if t := n.get("timeout"); t != nil {
		p.Timeout = cmp.Or(t.duration(), Unlimited)
	}
	if b := n.get("max_body"); b != nil {
		size, _ := parseSize(b.string())
		p.MaxBody = cmp.Or(size, Unlimited)
	}
	return p
}

func (l *loader) retries(n *node, path string) *Retries {
	r := &Retries{Attempts: DefaultRetryAttempts, On: DefaultRetryOn()}
	switch {
	case n == nil:
		return nil
	case n.isScalar():
		r.Attempts = n.whole()
	default:
		if a := n.get("attempts"); a != nil {
			r.Attempts = a.whole()
		}
		if on := n.get("on"); on != nil {
			r.On = on.texts()
			if len(r.On) == 0 {
				l.add(on.pos(), path+".on", "`retries: off` switches them off", "want what is tried again, got nothing")
			}
		}
		r.PerTryTimeout = n.get("per_try_timeout").duration()
	}
	if r.Attempts == 0 {
		return &Retries{}
	}
	return r
}

func (l *loader) rateLimit(n *node, path string) *RateLimit {
	if n == nil || n.isOff() {
		return off(n, &RateLimit{})
	}
	rate := n
	if n.isMap() {
		if rate = n.get("rate"); rate == nil {
			l.add(n.pos(), path, "", "want rate, such as 10/s")
		}
	}
	r, ok := parseRate(rate.string())
	if !ok {
		return nil // reported
	}
	second := int64(r.Requests) * int64(DefaultRateLimitBursts*time.Second) / int64(r.Per)
	r.Burst = cmp.Or(n.get("burst").whole(), int(min(max(second, 1), math.MaxInt32)))
	r.By = n.get("by").string()
	return &r
}

// off is the empty value of a policy that is switched off, nil for one that
// was not named.
func off[T any](n *node, empty *T) *T {
	if n == nil {
		return nil
	}
	return empty
}

func (l *loader) cors(n *node, path string) *CORS {
	if n == nil || n.isOff() {
		return off(n, &CORS{})
	}
	c := &CORS{
		Origins: []string{"*"}, Methods: defaultCORSMethods(), Headers: []string{"*"}, MaxAge: DefaultCORSMaxAge,
		Expose: n.get("expose").texts(), Credentials: n.get("credentials").bool(),
	}
	origins := n
	if n.isMap() {
		origins = n.get("origins")
	}
	if origins != nil && !(n.isScalar() && n.bool()) {
		c.Origins = origins.texts()
		for i, o := range c.Origins {
			c.Origins[i] = strings.ToLower(o)
		}
	}
	if m := n.get("methods"); m != nil {
		c.Methods = m.texts()
		for i, name := range c.Methods {
			c.Methods[i] = strings.ToUpper(name)
		}
	}
	if h := n.get("headers"); h != nil {
		c.Headers = h.texts()
	}
	if a := n.get("max_age"); a != nil {
		c.MaxAge = a.duration()
	}
	if c.Credentials && slices.Contains(c.Origins, "*") {
		l.add(n.get("credentials").pos(), path+".credentials", "name the origins that may send them", "want origins by name with credentials, got \"*\"")
	}
	if len(c.Origins) == 0 {
		return &CORS{}
	}
	return c
}

func compress(n *node) []string {
	switch {
	case n == nil:
		return nil
	case n.isOff():
		return []string{}
	case n.isScalar() && n.bool():
		return codings()
	}
	return append([]string{}, n.texts()...)
}

// basicAuth wants a password for each user: one without, as where a variable
// is not set, must not open the door.
func (l *loader) basicAuth(n *node, path string) map[string]string {
	if n == nil {
		return nil
	}
	out := map[string]string{}
	for i, user := range n.keys {
		if n.items[i].isNull() {
			l.add(user.pos(), join(path, user.Value), "", "want a password, got nothing")
		}
		out[user.Value] = n.items[i].Value
	}
	if n.isMap() && len(out) == 0 {
		l.add(n.pos(), path, "`basic_auth: off` lets everybody in", "want at least one user, got none")
	}
	return out
}

func (l *loader) jwt(n *node, path, dir string) *JWT {
	if n == nil || n.isOff() {
		return off(n, &JWT{})
	}
	j := &JWT{
		Issuer: n.get("issuer").string(), Audience: n.get("audience").string(),
		Claims: n.get("claims").pairs(noVariable),
	}
	n.get("claims").each(func(claim, header *node) { l.framed(header, join(path+".claims", claim.Value)) })
	switch keys := n.get("jwks"); {
	case !n.isMap(): // reported
	case keys.string() == "":
		l.add(n.pos(), path, "`jwt: off` lets everybody in", "want jwks, the URL or file of the keys")
	case !strings.Contains(keys.string(), "://"):
		j.JWKS = l.file(keys, path+".jwks", dir)
	case !isURL(keys.string()):
		l.add(keys.pos(), path+".jwks", "", "want an http or https URL, or a file, got %s", keys.asWritten())
	default:
		j.JWKS = keys.string()
	}
	return j
}

func (l *loader) headerRules(n *node, path string) HeaderRules {
	if n == nil {
		return HeaderRules{}
	}
	h := HeaderRules{
		Set: l.fields(n.get("set"), path+".set"), Add: l.fields(n.get("add"), path+".add"), Remove: n.get("remove").texts(),
	}
	for _, key := range []string{"set", "add"} {
		n.get(key).each(func(name, _ *node) { l.framed(name, join(path+"."+key, name.Value)) })
	}
	for _, name := range n.get("remove").all() {
		l.framed(name, path+".remove")
		if strings.EqualFold(name.string(), "Host") {
			l.add(name.pos(), path+".remove", "`set: {Host: …}` changes it", "want a header that a request can do without, got %s", quote(name.string()))
		}
	}
	if h.IsZero() {
		h.Set = map[string]string{} // named, and empty
	}
	return h
}

// fields reads header fields, whose names are equal in any case (RFC 9110
// §5.1).
func (l *loader) fields(n *node, path string) map[string]string {
	first := map[string]*node{}
	n.each(func(k, _ *node) {
		name := strings.ToLower(k.Value)
		if other, ok := first[name]; ok {
			l.add(k.pos(), join(path, k.Value), "remove one of them", "the header is here twice; first on line %d", other.Line)
		}
		first[name] = k
	})
	return n.pairs(noVariable)
}

// framing are the fields that say where a message ends and what its
// connection does (RFC 9110 §7.6.1, RFC 9112 §6): the gateway's alone.
func framing() []string {
	return []string{"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
}

func (l *loader) framed(name *node, path string) {
	if slices.Contains(framing(), strings.ToLower(name.string())) {
		l.add(name.pos(), path, "remove it: the gateway writes it", "want a header that does not frame the message, got %s", quote(name.string()))
	}
}
