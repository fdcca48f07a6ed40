package stack

import (
	"cmp"
	"fmt"

	"gopkg.in/yaml.v3"
)

func (g *Gateway) tree() tree {
	t := newTree()
	t.text("listen", g.Listen)
	if g.TLS != nil {
		pair := newTree()
		pair.text("cert", g.TLS.Cert)
		pair.text("key", g.TLS.Key)
		t.add("tls", pair.Node)
	}
	t.text("admin", g.Admin)
	t.texts("trust", g.Trust)
	t.policies(g.Policies)
	t.routes("routes", g.Routes, false)
	return t
}

func (t tree) routes(key string, routes []Route, own bool) {
	if len(routes) == 0 {
		return
	}
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, r := range routes {
		m := newTree()
		m.text("host", r.Host)
		m.text("path", r.Path)
		m.flag("exact", r.Exact)
		m.text("regexp", r.Regexp)
		m.texts("methods", r.Methods)
		m.pairs("headers", r.Headers)
		m.pairs("query", r.Query)
		m.text("strip", cmp.Or(r.Strip, "false"))
		m.text("rewrite", r.Rewrite)
		if r.Redirect != nil {
			to := newTree()
			to.text("to", r.Redirect.To)
			to.whole("status", int64(r.Redirect.Status))
			m.add("redirect", to.Node)
		}
		m.policies(r.Policies)
		if !own {
			m.text("to", r.To)
		}
		list.Content = append(list.Content, m.Node)
	}
	t.add(key, list)
}

// policies writes those that are named; off where one is switched off.
func (t tree) policies(p Policies) {
	if p.Timeout < 0 {
		t.text("timeout", "off")
	} else if p.Timeout > 0 {
		t.duration("timeout", p.Timeout)
	}
	t.retries(p.Retries)
	t.rateLimit(p.RateLimit)
	t.cors(p.CORS)
	if p.Compress != nil {
		t.orOff("compress", len(p.Compress) == 0, func() { t.texts("compress", p.Compress) })
	}
	if p.MaxBody < 0 {
		t.text("max_body", "off")
	} else {
		t.whole("max_body", p.MaxBody)
	}
	if p.BasicAuth != nil {
		t.orOff("basic_auth", len(p.BasicAuth) == 0, func() { t.pairs("basic_auth", p.BasicAuth) })
	}
	t.jwt(p.JWT)
	t.headerRules("request_headers", p.RequestHeaders)
	t.headerRules("response_headers", p.ResponseHeaders)
}

func (t tree) orOff(key string, off bool, write func()) {
	if off {
		t.text(key, "off")
		return
	}
	write()
}

func (t tree) retries(r *Retries) {
	if r == nil {
		return
	}
	t.orOff("retries", r.Attempts == 0, func() {
		m := newTree()
		m.whole("attempts", int64(r.Attempts))
		m.texts("on", r.On)
		if r.PerTryTimeout != 0 {
			m.duration("per_try_timeout", r.PerTryTimeout)
		}
		t.add("retries", m.Node)
	})
}

func (t tree) rateLimit(r *RateLimit) {
	if r == nil {
		return
	}
	t.orOff("rate_limit", r.Requests == 0, func() {
		m := newTree()
		m.text("rate", fmt.Sprintf("%d/%s", r.Requests, r.Per))
		m.whole("burst", int64(r.Burst))
		m.text("by", r.By)
		t.add("rate_limit", m.Node)
	})
}

func (t tree) cors(c *CORS) {
	if c == nil {
		return
	}
	t.orOff("cors", len(c.Origins) == 0, func() {
		m := newTree()
		m.texts("origins", c.Origins)
		m.list("methods", c.Methods)
		m.list("headers", c.Headers)
		m.texts("expose", c.Expose)
		m.flag("credentials", c.Credentials)
		m.duration("max_age", c.MaxAge)
		t.add("cors", m.Node)
	})
}

func (t tree) jwt(j *JWT) {
	if j == nil {
		return
	}
	t.orOff("jwt", j.JWKS == "", func() {
		m := newTree()
		m.text("jwks", j.JWKS)
		m.text("issuer", j.Issuer)
		m.text("audience", j.Audience)
		m.pairs("claims", j.Claims)
		t.add("jwt", m.Node)
	})
}

func (t tree) headerRules(key string, h HeaderRules) {
	if !h.named() {
		return
	}
	t.orOff(key, h.IsZero(), func() {
		m := newTree()
		m.pairs("set", h.Set)
		m.pairs("add", h.Add)
		m.texts("remove", h.Remove)
		t.add(key, m.Node)
	})
}

// reach writes how the gateway reaches a service.
func (t tree) reach(s *Service) {
	b := newTree()
	b.text("policy", string(s.Balance.Policy))
	b.text("by", s.Balance.By)
	if s.Balance.SlowStart != 0 {
		b.duration("slow_start", s.Balance.SlowStart)
	}
	t.add("balance", b.Node)
	t.orOff("ejection", s.Ejection.Errors == 0, func() {
		e := newTree()
		e.whole("errors", int64(s.Ejection.Errors))
		e.duration("time", s.Ejection.Time)
		t.add("ejection", e.Node)
	})
	t.retries(s.Retries)
	t.whole("max_requests", int64(s.MaxRequests))
	t.duration("connect_timeout", s.ConnectTimeout)
}
