// Package policy is what the gateway does with the requests of a route beyond
// routing them: it lets other origins in, asks who calls, limits how much and
// how often, and changes fields. It knows no wire format; the compression that
// it decides on and makes is for the engines to apply.
package policy

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/stack"
)

// Options are what policies stand on. The zero value is ready for use.
type Options struct {
	Client *http.Client     // fetches the keys of tokens; nil is http.DefaultClient
	Now    func() time.Time // nil is time.Now
}

// Policy is the policies of a route, compiled. Its methods may be called
// concurrently, and on nil, which does nothing.
type Policy struct {
	cors     *cors
	basic    *basic
	jwt      *bearer
	limit    *limiter
	maxBody  int64
	timeout  time.Duration
	compress []string
	request  *wire.Rules
	response *wire.Rules
}

// Compile prepares p, without its Retries, which are the gateway's. It is nil
// when nothing is left to do. No key is fetched yet. A pointer to a zero value
// in p is as nil.
func Compile(p stack.Policies, o Options) (*Policy, error) {
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Policy{maxBody: max(p.MaxBody, 0), timeout: max(p.Timeout, 0), compress: p.Compress}
	var err error
	if c.cors, err = newCORS(p.CORS); err != nil {
		return nil, fmt.Errorf("compile cors: %w", err)
	}
	if c.basic, err = newBasic(p.BasicAuth); err != nil {
		return nil, fmt.Errorf("compile basic_auth: %w", err)
	}
	if c.limit, err = newLimiter(p.RateLimit, o.Now); err != nil {
		return nil, fmt.Errorf("compile rate_limit: %w", err)
	}
	if c.jwt, err = newBearer(p.JWT, o); err != nil {
		return nil, fmt.Errorf("compile jwt: %w", err)
	}
	if c.basic != nil && c.jwt != nil {
		return nil, fmt.Errorf("compile jwt: a request has one Authorization field, and basic_auth wants it as well")
	}
	c.request = rules(p.RequestHeaders, c.jwt.headers(), nil)
	c.response = rules(p.ResponseHeaders, c.cors.owned(), c.cors.always())
	if c.idle() {
		return nil, nil // a nil Policy is one that does nothing
	}
	return c, nil
}

func (p *Policy) idle() bool {
	return p.cors == nil && p.basic == nil && p.jwt == nil && p.limit == nil &&
		p.maxBody == 0 && p.timeout == 0 && len(p.compress) == 0 && p.request == nil && p.response == nil
}

// Check lets a request pass with nil, or says how it is answered instead. It
// waits for ctx while keys are fetched.
func (p *Policy) Check(ctx context.Context, h *wire.Head) *wire.Answer {
	if p == nil {
		return nil
	}
	asks := preflight(h)
	if p.cors != nil && asks {
		return p.cors.preflight(h)
	}
	var a *wire.Answer
	if !asks { // a browser sends no credentials with a preflight that is the service's to answer
		a = p.basic.check(h)
		if a == nil {
			a = p.jwt.check(ctx, h)
		}
	}
	if a == nil && p.maxBody > 0 && h.Length > p.maxBody {
		a = refuse(http.StatusRequestEntityTooLarge,
			fmt.Sprintf("the body has %d bytes, and this route takes %d (max_body)", h.Length, p.maxBody))
	}
	if a == nil {
		a = p.limit.check(h)
	}
	if a != nil && p.cors != nil { // a page may read why
		a.Header = p.cors.append(append(a.Header, p.cors.always()...), h.Header.Get("Origin"))
	}
	return a
}

// Terms adds what the policies want to the terms of a request that Check let
// pass. What it appends to Late and LateRequest replaces the fields of these
// names; Request, Response and Compress are shared by all requests.
func (p *Policy) Terms(h *wire.Head, t *wire.Terms) {
	if p == nil {
		return
	}
	t.Request, t.Response, t.Compress = p.request, p.response, p.compress
	t.MaxBody, t.Timeout = p.maxBody, p.timeout
	if p.cors != nil {
		t.Late = p.cors.append(t.Late, h.Header.Get("Origin"))
	}
	if p.jwt != nil && !preflight(h) { // whose token was not looked at
		t.LateRequest = p.jwt.append(t.LateRequest, h.Header.Get("Authorization"))
	}
}

// refuse answers with a problem, and fields in pairs of name and value.
func refuse(status int, detail string, fields ...string) *wire.Answer {
	a := &wire.Answer{
		Status:  status,
		Problem: &wire.Problem{Status: status, Title: http.StatusText(status), Detail: detail},
	}
	for n := 0; n+1 < len(fields); n += 2 {
		a.Header = append(a.Header, wire.Field{Name: fields[n], Value: fields[n+1]})
	}
	return a
}
