package proxy

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/msctl/msctl/proxy/observe"
	"github.com/msctl/msctl/proxy/wire"
)

// front is the door of requests from outside.
type front struct{ g *Gateway }

// Enter implements wire.Door.
func (f front) Enter(ctx context.Context, h *wire.Head) (wire.Pass, *wire.Terms, *wire.Answer) {
	t := f.g.table.Load()
	if t.tls && !h.TLS {
		return f.refuse(h, f.g.unrouted, secured(h))
	}
	trusted := t.trusts(h.Client)
	if trusted {
		h.Client = t.behind(h)
	}
	if h.Method == http.MethodOptions && h.Path == "*" { // of the gateway itself (RFC 9110 §9.3.7)
		return f.refuse(h, f.g.unrouted, &wire.Answer{Status: http.StatusOK})
	}
	if climbs(h.Path) { // clients resolve them; who does not has a reason
		return f.refuse(h, f.g.unrouted, answer(problem(http.StatusBadRequest, "the path has dot segments: ask for where they lead")))
	}
	r := t.matcher.find(h)
	switch {
	case r == nil:
		return f.refuse(h, f.g.unrouted, t.noRoute(h))
	case r.redirect != nil:
		return f.refuse(h, r.series, r.redirected(h))
	}
	how := r.pool.how()
	if how.h2c && !h.H2C { // it comes in again, and a limit would count it twice
		w := newPass(r.pool, f.g.recorder, r.series, h)
		w.terms.H2C = true
		return w, &w.terms, nil
	}
	if a := r.policy.Check(ctx, h); a != nil {
		return f.refuse(h, r.series, a)
	}
	w := newPass(r.pool, f.g.recorder, r.series, h)
	w.hash, w.hashed = how.hash(h)
	w.retry(cmp.Or(r.policies.Retries, how.retries))
	w.terms.Path, w.terms.Prefix = r.target(h)
	w.terms.Outside, w.terms.Trusted, w.terms.H2C = true, trusted, how.h2c
	r.policy.Terms(h, &w.terms)
	return w, &w.terms, nil
}

// refuse answers a request, and records that.
func (f front) refuse(h *wire.Head, s *observe.Series, a *wire.Answer) (wire.Pass, *wire.Terms, *wire.Answer) {
	w := newPass(nil, f.g.recorder, s, h)
	w.Done(&wire.Outcome{Status: a.Status, Began: time.Now(), Proto: h.Proto})
	return nil, nil, a
}

// secured sends a client that does not speak TLS to where it is spoken, which
// is the same port.
func secured(h *wire.Head) *wire.Answer {
	to := "https://" + h.Host + h.Path
	if h.Host == "" || !strings.HasPrefix(h.Path, "/") {
		return answer(problem(http.StatusBadRequest, "this gateway speaks TLS: ask for https://"))
	}
	if h.Query != "" {
		to += "?" + h.Query
	}
	return &wire.Answer{Status: http.StatusPermanentRedirect, Header: []wire.Field{{Name: "Location", Value: to}}}
}

func (t *table) trusts(a netip.Addr) bool {
	return len(t.trust) > 0 && slices.ContainsFunc(t.trust, func(p netip.Prefix) bool { return p.Contains(a) })
}

// behind is who is behind the proxies that are trusted: the last of those that
// X-Forwarded-For names who is not one of them. Fields of one name are one list
// (RFC 9110 §5.3): a proxy may add to the one that it got, or send another.
func (t *table) behind(h *wire.Head) netip.Addr {
	client := h.Client
	fields := slices.Collect(h.Header.Values("X-Forwarded-For"))
	for _, list := range slices.Backward(fields) {
		for more := true; more; {
			i := strings.LastIndexByte(list, ',')
			a, err := netip.ParseAddr(strings.TrimSpace(list[i+1:]))
			if err != nil {
				return client
			}
			if client = a.Unmap(); !t.trusts(client) {
				return client
			}
			list, more = list[:max(i, 0)], i >= 0
		}
	}
	return client
}

// edge is the door of one caller's requests to one callee.
type edge struct {
	g      *Gateway
	pool   *pool
	series *observe.Series
}

// Enter implements wire.Door.
func (e edge) Enter(_ context.Context, h *wire.Head) (wire.Pass, *wire.Terms, *wire.Answer) {
	how := e.pool.how()
	w := newPass(e.pool, e.g.recorder, e.series, h)
	w.hash, w.hashed = how.hash(h)
	w.retry(how.retries)
	w.terms.H2C = how.h2c
	return w, &w.terms, nil
}
