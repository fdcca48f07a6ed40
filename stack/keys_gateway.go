package stack

import (
	"math"
	"slices"
)

// The shapes of the gateway: its routes, their policies, and how services are
// reached.
var (
	aboveZero   = &shape{want: "a duration above 0 such as 10s", text: aboveZeroText}
	fromOne     = &shape{want: "a whole number of at least 1", text: wholeText(1, math.MaxInt32)}
	headerName  = &names{"a header name", tokenPattern}
	headerNames = &shape{want: "a header name, or a list of those", text: headerNameText, list: &shape{want: "a header name", text: headerNameText}}
	headers     = &shape{
		want: "a mapping of headers to values", name: headerName,
		free: &shape{want: "a value without control characters", text: headerValueText, secret: true},
	}
	methods = &shape{want: "a method such as GET, or a list of those", text: methodText, list: &shape{want: "a method such as GET", text: methodText}}

	matchKeys = []key{
		{"path", "a prefix that ends at segment borders, such as /api", &shape{want: "a path that starts with /", text: pathText}},
		{"exact", "the path must be equal, not only begin so", boolean},
		{"regexp", "in place of path: what the whole path matches (RE2)", &shape{want: "a regular expression", text: regexpText}},
		{"host", "a host name, or *.name", &shape{want: "a host name, or *.name", text: hostText}},
		{"methods", "HTTP methods; all when left out", methods},
		{"headers", "headers that a request must have; \"*\" is any value", headers},
		{"query", "query parameters that a request must have; \"*\" is any value", &shape{want: "a mapping of parameters to values", free: str}},
		{"rewrite", "takes the place of the prefix, or of the whole path with exact or regexp, whose groups are $1 and on", &shape{want: "a path that starts with /, without query", text: rewriteText}},
	}
	route = &shape{
		want: "a path that starts with /, a mapping, or a list of those", text: pathText, keys: serviceRouteKeys,
		list: &shape{want: "a path that starts with /, or a mapping", text: pathText, keys: serviceRouteKeys},
	}
	serviceRouteKeys = slices.Concat(matchKeys, []key{
		{"strip", "whether the path is taken off before the service sees it (default true), or which part of it", str},
	}, policyKeys)
	gatewayRoute = &shape{want: "a mapping with to or redirect", keys: slices.Concat(matchKeys, []key{
		{"to", "the service", str},
		{"strip", "a part of the path that is taken off before the service sees it", str},
		{"redirect", "in place of to: where the client is sent, with groups of regexp as $1 and on (status 308)", redirect},
	}, policyKeys)}
	redirect = &shape{want: "a path, a URL, or a mapping with to", text: redirectText, keys: []key{
		{"to", "a path or URL", &shape{want: "a path or URL", text: redirectText}},
		{"status", "301, 302, 303, 307 or 308 (default 308)", &shape{want: "301, 302, 303, 307 or 308", text: redirectStatus}},
	}}

	// policyKeys are what a route, and the gateway for all routes, may do.
	policyKeys = []key{
		{"timeout", "how long a request may take until its response is complete; 0 is without end", &shape{want: "a duration such as 10s or 1m30s, or off", text: either(durationText, offText)}},
		{"retries", "attempts after the first of requests that are safe to repeat; 0 or off for none", retries},
		{"rate_limit", "how many requests may come, such as 10/s; what is above gets 429", rateLimit},
		{"cors", "origins whose pages may call; true for any", cors},
		{"compress", "codings of responses by preference: zstd, gzip; true for both", &shape{
			want: "true, off, zstd, gzip, or a list of those", text: either(onText, offText, codingText),
			list: &shape{want: "zstd or gzip", text: codingText},
		}},
		{"max_body", "the size of a request's body at most; 0 is without limit", &shape{want: "a size in bytes such as 10m, or off", text: either(sizeText, offText)}},
		{"basic_auth", "users and their passwords (RFC 7617)", &shape{
			want: "a mapping of users to passwords, or off", text: offText, name: &names{"a user without colons and control characters", userPattern},
			free: &shape{want: "a password", text: passwordText, secret: true}, secret: true,
		}},
		{"jwt", "which bearer tokens are let through (RFC 7519)", jwt},
		{"request_headers", "how a request's headers are changed: remove, then set, then add", headerRules},
		{"response_headers", "how a response's headers are changed: remove, then set, then add", headerRules},
	}
	retries = &shape{want: "a whole number, off, or a mapping with attempts", text: either(wholeText(0, math.MaxInt32), offText), keys: []key{
		{"attempts", "how often it is sent again (default 1)", count},
		{"on", "connect-failure, reset, 5xx, gateway-error (502, 503, 504); all but 5xx when left out", &shape{
			want: "connect-failure, reset, 5xx or gateway-error", text: retryOnText,
			list: &shape{want: "connect-failure, reset, 5xx or gateway-error", text: retryOnText},
		}},
		{"per_try_timeout", "how long one attempt may take", aboveZero},
	}}
	rateLimit = &shape{want: "a rate such as 10/s, off, or a mapping with rate", text: either(rateText, offText), keys: []key{
		{"rate", "requests in a time: 10/s, 600/m, 5/h, 10/10s", &shape{want: "a rate such as 10/s or 600/m", text: rateText}},
		{"burst", "how many may come at once (default: those of one second, at least 1)", fromOne},
		{"by", "who has a rate of its own: client, header:Name; all share one when left out", &shape{want: "client or header:Name", text: limitByText}},
	}}
	cors = &shape{want: "true, off, an origin such as https://example.com, a list of origins, or a mapping", text: either(onText, offText, originText), list: origin, keys: []key{
		{"origins", "scheme://host:port, with *. before a host for all below it; \"*\" for any (default)", &shape{want: "an origin, or a list of origins", text: originText, list: origin}},
		{"methods", "which methods other origins may use (default GET, HEAD, POST, PUT, PATCH, DELETE)", methods},
		{"headers", "which headers their requests may have (default any)", headerNames},
		{"expose", "which headers of a response their pages may read", headerNames},
		{"credentials", "whether they may send cookies and the like", boolean},
		{"max_age", "how long browsers remember the answer (default 5s)", duration},
	}}
	origin = &shape{want: "an origin such as https://example.com", text: originText}
	jwt    = &shape{want: "a mapping with jwks, or off", text: offText, secret: true, keys: []key{
		{"jwks", "the keys (RFC 7517): a URL, or a file relative to the stack file", str},
		{"issuer", "who must have issued a token", str},
		{"audience", "whom a token must be for", str},
		{"claims", "claims, and the header in which the service gets each", &shape{want: "a mapping of claims to headers", free: &shape{want: "a header name", text: headerNameText}}},
	}}
	headerRules = &shape{want: "a mapping with set, add and remove, or off", text: offText, secret: true, keys: []key{
		{"set", "headers that take the place of those of their name", headers},
		{"add", "headers that are added", headers},
		{"remove", "names of headers that are taken off", headerNames},
	}}

	gateway = &shape{want: "a mapping with listen and routes, or off", text: offText, keys: slices.Concat([]key{
		{"listen", "where it listens (default 127.0.0.1:8080; port 0 takes a free one)", listen},
		{"tls", "true for a certificate of the local authority, or a pair of files", &shape{
			want: "true, false, or a mapping with cert and key", text: booleanText, keys: []key{
				{"cert", "the certificate and its chain (PEM), relative to the stack file", str},
				{"key", "its private key (PEM), relative to the stack file", str},
			},
		}},
		{"admin", "where /_msctl/ is served (default: a port of its own that stays the same); off for nowhere", &shape{want: "an address such as 127.0.0.1:9901, or off", text: either(listenText, offText)}},
		{"trust", "networks whose Forwarded and X-Forwarded-* headers are believed (default: none)", &shape{
			want: "a network such as 10.0.0.0/8, or a list of those", text: networkText,
			list: &shape{want: "a network such as 10.0.0.0/8", text: networkText},
		}},
		{"routes", "routes in their long form", &shape{want: "a list of routes", list: gatewayRoute}},
	}, policyKeys)}

	balancePolicies = []string{string(LeastRequest), string(RoundRobin), string(Random), string(RingHash), string(Maglev)}
	balance         = &shape{want: "least_request, round_robin, random, ring_hash or maglev, or a mapping with policy", text: oneOf(balancePolicies...), keys: []key{
		{"policy", "least_request (default), round_robin, random, ring_hash or maglev", &shape{want: "least_request, round_robin, random, ring_hash or maglev", text: oneOf(balancePolicies...)}},
		{"by", "what ring_hash and maglev keep on one instance: client (default), header:Name or cookie:name", &shape{want: "client, header:Name or cookie:name", text: balanceByText}},
		{"slow_start", "how long the share of an instance grows once it is ready", duration},
	}}
	ejection = &shape{want: "a mapping with errors and time, or off", text: offText, keys: []key{
		{"errors", "5xx and connection errors in a row that take an instance out (default 5)", fromOne},
		{"time", "for how long at first; each time in a row adds as much (default 30s)", aboveZero},
	}}

	// reachKeys are of a service: how the gateway reaches it.
	reachKeys = []key{
		{"balance", "how requests are spread over its instances (default least_request)", balance},
		{"ejection", "when an instance that answers with errors is left out for a while; off for never", ejection},
		{"retries", "attempts after the first, for its callers and for routes that name none", retries},
		{"max_requests", "requests in flight at once; more wait (default 1024)", fromOne},
		{"connect_timeout", "how long connecting to an instance may take (default 5s)", aboveZero},
	}
)
