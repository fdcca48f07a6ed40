package admin

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// guard lets through what a browser or tool of this machine asks for on its
// user's behalf. A page from elsewhere can reach a loopback port in two ways:
// by a name of its own that it has resolve to 127.0.0.1 (DNS rebinding), which
// the Host field tells, and by a request across origins, which Origin or
// Sec-Fetch-Site tells.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		origin := r.Header.Get("Origin")
		switch {
		case !localHost(r.Host):
			refuse(w, http.StatusForbidden, "this is served to loopback addresses and localhost only, not to the host "+quote(r.Host))
		case origin != "" && !localOrigin(origin):
			refuse(w, http.StatusForbidden, "a page of "+quote(origin)+" may not ask for this")
		case r.Header.Get("Sec-Fetch-Site") == "cross-site":
			refuse(w, http.StatusForbidden, "a page of another site may not ask for this; open it by its address")
		case r.URL.Path == tryPath && r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			refuse(w, http.StatusMethodNotAllowed, tryPath+" takes POST only")
		case r.URL.Path != tryPath && r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed, "this can be read only")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// protect sets what every answer has. Pages loosen their policy themselves.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// localHost reports whether a Host field, with or without a port, names this
// machine's loopback.
func localHost(host string) bool {
	u, err := url.Parse("http://" + host)
	return err == nil && u.Host == host && local(u.Hostname(), strings.HasPrefix(host, "["))
}

// localOrigin is localHost for an Origin field.
func localOrigin(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && origin == u.Scheme+"://"+u.Host && localHost(u.Host)
}

// local takes addresses as netip reads them: 2130706433 and 0x7f.1 are names to
// it, and no name but localhost and what is below it is sure to be loopback
// (RFC 6761 §6.3).
func local(name string, brackets bool) bool {
	if addr, err := netip.ParseAddr(name); err == nil {
		return brackets && addr == netip.IPv6Loopback() || !brackets && addr.Is4() && addr.IsLoopback()
	}
	name = strings.ToLower(name)
	below, ok := strings.CutSuffix(name, ".localhost")
	return !brackets && (name == "localhost" || ok && below != "")
}

// quote shows a text of the request, cut.
func quote(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return `"` + strings.ToValidUTF8(s, "?") + `"`
}
