package nethttp

import (
	"crypto/rand"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// told are the fields in which proxies tell who is behind them. What comes
// from outside in them is not to be trusted.
var told = []string{
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix",
	"X-Forwarded-Proto", "X-Forwarded-Server", "X-Real-Ip",
}

// rewrite makes the request that is sent of the one that was received.
func (x *exchange) rewrite(p *httputil.ProxyRequest) {
	in, out := p.In, p.Out
	out.URL.Scheme = "http"
	setPath(out.URL, x.terms.Path)
	out.URL.RawQuery = in.URL.RawQuery // ReverseProxy drops what it cannot parse
	out.Trailer = in.Trailer           // filled while the body is read; a copy would stay empty
	for _, name := range told {
		delete(out.Header, name)
	}
	out.Header.Set("X-Forwarded-Host", in.Host)
	out.Header.Set("X-Forwarded-Proto", "http")
	if ip, _, err := net.SplitHostPort(in.RemoteAddr); err == nil {
		out.Header.Set("X-Forwarded-For", ip)
		out.Header.Set("Forwarded", forwarded(ip, in.Host))
	}
	if x.terms.Prefix != "" {
		out.Header.Set("X-Forwarded-Prefix", x.terms.Prefix)
	}
	if x.terms.Outside && out.Header.Get("X-Request-Id") == "" {
		out.Header.Set("X-Request-Id", rand.Text())
	}
}

// forwarded is the field of RFC 7239.
func forwarded(ip, host string) string {
	if strings.Contains(ip, ":") {
		ip = `"[` + ip + `]"`
	}
	return "for=" + ip + `;host="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(host) + `";proto=http`
}

// path is the path of the request as it was received.
func path(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		p, _, _ := strings.Cut(r.RequestURI, "?")
		return p
	}
	if r.URL.Path == "" {
		return "/" // of http://host, the absolute form (RFC 9112 §3.2.2)
	}
	return r.URL.EscapedPath()
}

// setPath makes u ask for path exactly as it is written.
func setPath(u *url.URL, path string) {
	u.Path, u.RawPath, u.Opaque = path, "", ""
	if decoded, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = decoded, path
	}
	// Opaque is written as it is, but with the scheme in front of two slashes.
	if !strings.HasPrefix(path, "//") {
		u.Opaque = path
	}
}

// refuseH2CUpgrade drops an upgrade to HTTP/2 (deprecated by RFC 9113 §3.1),
// which would end between the client and the gateway, not at the instance.
func refuseH2CUpgrade(h http.Header) {
	if strings.EqualFold(h.Get("Upgrade"), "h2c") {
		delete(h, "Upgrade")
	}
}

// isGRPC reports whether the request has to go on as HTTP/2.
func isGRPC(r *http.Request) bool {
	t := r.Header.Get("Content-Type")
	rest, ok := strings.CutPrefix(t, "application/grpc")
	return r.ProtoMajor == 2 && ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}
