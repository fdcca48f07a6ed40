package stack

import (
	"cmp"
	"time"
)

// Defaults of the gateway. Each is Envoy's unless said.
const (
	DefaultConnectTimeout  = 5 * time.Second  // cluster.connect_timeout
	DefaultMaxRequests     = 1024             // circuit_breakers.max_requests
	DefaultEjectionErrors  = 5                // outlier_detection.consecutive_5xx
	DefaultEjectionTime    = 30 * time.Second // outlier_detection.base_ejection_time
	DefaultRetryAttempts   = 1                // retry_policy.num_retries
	DefaultRedirectStatus  = 308              // Caddy's for a redirect that keeps the method
	DefaultCORSMaxAge      = 5 * time.Second  // Fetch's own default
	DefaultRateLimitBursts = 1                // seconds of the rate that may come at once
)

// DefaultRetryOn is what is tried again where nothing is said of it.
func DefaultRetryOn() []string { return []string{"connect-failure", "reset", "gateway-error"} }

// defaultCORSMethods are those of APIs; the gateway does not know a service's.
func defaultCORSMethods() []string {
	return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
}

// Unlimited is a Timeout or MaxBody that was named as none, so that the
// gateway's does not apply.
const Unlimited = -1

// Gateway is the front door.
type Gateway struct {
	Listen string // host:port; port 0 takes a free one; "" when the gateway is off
	TLS    *TLS   // nil: plain HTTP
	// Admin is where /_msctl/ is served, host:port; "" takes a port that stays
	// the same; "off" serves none.
	Admin string
	// Trust lists networks (CIDR) whose Forwarded and X-Forwarded-* fields are
	// believed; by default nobody's are.
	Trust  []string
	Routes []Route
	// Policies apply to every route that does not name its own.
	Policies Policies
	Pos      Pos
}

// TLS says how the front door speaks TLS. It does on the port of Listen; plain
// HTTP on the same port is redirected.
type TLS struct {
	Cert, Key string // absolute paths of PEM files; "" takes the local authority's
	Pos       Pos
}

// Route sends requests of the gateway to a service.
type Route struct {
	Host    string // exact, or *.example.localhost; "" is any
	Path    string // prefix on segment borders; "/" is all; "" with Regexp
	Exact   bool   // the path must be equal
	Regexp  string // in place of Path: matches the whole path (RE2)
	Methods []string
	Headers map[string]string // name to value; "*" is any value
	Query   map[string]string // parameter to value; "*" is any value

	To       string
	Strip    string    // prefix taken off before forwarding; "" none
	Rewrite  string    // takes the place of the matched prefix, or of the whole path for Exact and Regexp ($1 is the first group); "" none
	Redirect *Redirect // in place of To

	Policies Policies
	Pos      Pos
}

// Redirect answers in place of a service.
type Redirect struct {
	To     string // a path or URL; "$1" are the groups of Regexp; the query is kept when it has none
	Status int    // 301, 302, 303, 307 or 308
}

// Policies are what the gateway does with the requests of a route. The zero
// value does nothing. As loaded, nil and zero were not named, and take the
// gateway's; what is not nil and empty, or Unlimited, was switched off. Over
// leaves what applies.
type Policies struct {
	Timeout         time.Duration // until the response is complete; 0 none
	Retries         *Retries
	RateLimit       *RateLimit
	CORS            *CORS
	Compress        []string // codings in order of preference: zstd, gzip
	MaxBody         int64    // bytes of a request's body; 0 no limit
	BasicAuth       map[string]string
	JWT             *JWT
	RequestHeaders  HeaderRules
	ResponseHeaders HeaderRules
}

// Over returns what applies to a route with the policies p: each that it does
// not name is the gateway's, as a whole. One that is switched off is the zero
// value then, but for Retries, which stays with no attempts: nil takes the
// service's.
func (p Policies) Over(gateway Policies) Policies {
	p = p.inherit(gateway)
	p.Timeout, p.MaxBody = max(p.Timeout, 0), max(p.MaxBody, 0)
	if p.RateLimit != nil && p.RateLimit.Requests == 0 {
		p.RateLimit = nil
	}
	if p.CORS != nil && len(p.CORS.Origins) == 0 {
		p.CORS = nil
	}
	if len(p.Compress) == 0 {
		p.Compress = nil
	}
	if len(p.BasicAuth) == 0 {
		p.BasicAuth = nil
	}
	if p.JWT != nil && p.JWT.JWKS == "" {
		p.JWT = nil
	}
	for _, h := range []*HeaderRules{&p.RequestHeaders, &p.ResponseHeaders} {
		if h.IsZero() {
			*h = HeaderRules{}
		}
	}
	return p
}

// inherit takes from what p does not name; what is switched off stays so.
func (p Policies) inherit(from Policies) Policies {
	p.Timeout = cmp.Or(p.Timeout, from.Timeout)
	p.Retries = cmp.Or(p.Retries, from.Retries)
	p.RateLimit = cmp.Or(p.RateLimit, from.RateLimit)
	p.CORS = cmp.Or(p.CORS, from.CORS)
	p.MaxBody = cmp.Or(p.MaxBody, from.MaxBody)
	p.JWT = cmp.Or(p.JWT, from.JWT)
	if p.Compress == nil {
		p.Compress = from.Compress
	}
	if p.BasicAuth == nil {
		p.BasicAuth = from.BasicAuth
	}
	if !p.RequestHeaders.named() {
		p.RequestHeaders = from.RequestHeaders
	}
	if !p.ResponseHeaders.named() {
		p.ResponseHeaders = from.ResponseHeaders
	}
	return p
}

// Retries says when a request is sent again. Only what is safe to repeat is:
// idempotent methods (RFC 9110 §9.2.2) whose body was kept.
type Retries struct {
	Attempts      int           // after the first; 0 is never
	On            []string      // connect-failure, reset, 5xx, gateway-error (502, 503, 504)
	PerTryTimeout time.Duration // 0 none
}

// RateLimit is how many requests may come.
type RateLimit struct {
	Requests int           // in each
	Per      time.Duration // of this
	Burst    int           // at once; at least 1
	By       string        // "client", "header:Name", or "" for all together
}

// CORS is what other origins may do (the Fetch standard).
type CORS struct {
	Origins     []string // "*", or scheme://host[:port], with "*." before a host
	Methods     []string
	Headers     []string // that requests may have; "*" any
	Expose      []string // that pages may read of responses
	Credentials bool
	MaxAge      time.Duration
}

// JWT says which bearer tokens are let through (RFC 7519).
type JWT struct {
	JWKS     string            // URL, or absolute path, of the keys (RFC 7517)
	Issuer   string            // "" any
	Audience string            // "" any
	Claims   map[string]string // claim to the header in which the service gets it
}

// HeaderRules change the fields of a message: first Remove, then Set, then Add.
type HeaderRules struct {
	Set    map[string]string
	Add    map[string]string
	Remove []string
}

// IsZero reports whether nothing is changed.
func (h HeaderRules) IsZero() bool { return len(h.Set)+len(h.Add)+len(h.Remove) == 0 }

// named reports whether the rules were written, if only as none.
func (h HeaderRules) named() bool { return h.Set != nil || h.Add != nil || h.Remove != nil }

// Policy is how an instance is chosen for a request.
type Policy string

// The balancing policies.
const (
	LeastRequest Policy = "least_request" // of two random ones the less busy; the default, as Envoy's
	RoundRobin   Policy = "round_robin"   // smooth and weighted, as nginx's
	Random       Policy = "random"
	RingHash     Policy = "ring_hash"
	Maglev       Policy = "maglev"
)

// Balance says how the requests of a service are spread over its instances.
type Balance struct {
	Policy    Policy
	By        string        // of ring_hash and maglev: "client", "header:Name" or "cookie:name"
	SlowStart time.Duration // an instance's share grows for as long once it is ready; 0 none
}

// Ejection takes an instance out for a while that answers with errors, unless
// it is the last.
type Ejection struct {
	Errors int           // 5xx or connection errors in a row; 0: never
	Time   time.Duration // for the first time; n times as long for the nth in a row
}
