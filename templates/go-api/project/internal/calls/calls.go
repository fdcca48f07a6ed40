// Package calls makes calls to other services: it says how long they take, what is tried again, and what they carry.
package calls

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"example.com/acme-widgets/internal/telemetry"
)

const (
	callTimeout    = 10 * time.Second
	attemptTimeout = 5 * time.Second
	maxAttempts    = 3
	maxAnswer      = 16 << 20
	firstPause     = 50 * time.Millisecond
	longestPause   = time.Second

	// As gRPC throttles (its proposal A6): nothing is tried again while half of the tokens are gone.
	maxTokens = 10
	earned    = 0.1
)

// Error is a call that was refused, or that got no answer.
type Error struct {
	Call   string
	Status int // 0 without an answer
	Detail string
	Body   []byte // of a refusal: a problem of RFC 9457, mostly

	err error
}

func (e *Error) Error() string { return e.Call + ": " + e.Detail }

// Unwrap is what went wrong, if it was not the other service that said so.
func (e *Error) Unwrap() error { return e.err }

// Request is a call. Its path has a {name} for each of its keys. Of what is nil, nothing is sent.
type Request struct {
	Method, Path string
	Keys, Query  Values
	Body         any
}

// Calls makes the calls to one service, and keeps connections to it. It may be used by many goroutines.
type Calls struct {
	service string
	address string
	client  *http.Client

	mu     sync.Mutex
	tokens float64
}

// New makes calls to the service at the address, which is that of the variable NAME_URL unless one is given.
func New(service, address string) (*Calls, error) {
	variable := strings.ToUpper(strings.ReplaceAll(service, "-", "_")) + "_URL"
	address = cmp.Or(address, os.Getenv(variable))
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s has to be http://HOST:PORT, not %q", variable, address)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConnsPerHost = 100
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	return &Calls{service: service, address: strings.TrimRight(address, "/"), client: client, tokens: maxTokens}, nil
}

// Close closes connections that are not in use.
func (c *Calls) Close() { c.client.CloseIdleConnections() }

// Do makes a call, and decodes what is answered into answer, unless that is nil. A call may take 10 seconds, or as long as
// ctx lets it; an attempt of it may take 5. What nothing was sent of is tried again, and what is idempotent. Errors of the
// call are an *Error.
func (c *Calls) Do(ctx context.Context, r Request, answer any) error {
	call := fmt.Sprintf("%s: %s %s", c.service, r.Method, r.Path)
	target, err := target(r)
	if err != nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	var body []byte
	if r.Body != nil {
		if body, err = json.Marshal(r.Body); err != nil {
			return fmt.Errorf("%s: %w", call, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ctx, span := otel.Tracer("example.com/acme-widgets").Start(ctx, r.Method+" "+r.Path, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", r.Method),
		attribute.String("peer.service", c.service),
	))
	defer span.End()
	if err := c.try(ctx, call, r.Method, c.address+target, body, answer); err != nil {
		span.SetStatus(codes.Error, err.Error())
		return err
	}
	return nil
}

// try makes attempts until one is the last.
func (c *Calls) try(ctx context.Context, call, method, target string, body []byte, answer any) error {
	for attempt := 1; ; attempt++ {
		failed := c.attempt(ctx, call, method, target, body, answer)
		mayRetry := c.note(failed == nil || failed.Status > 0 && failed.Status < 500)
		if failed == nil {
			return nil
		}
		pause := max(failed.pause, rand.N(min(longestPause, firstPause<<attempt)))
		deadline, _ := ctx.Deadline()
		if !failed.again || !mayRetry || attempt == maxAttempts || ctx.Err() != nil || time.Until(deadline) <= pause {
			return &failed.Error
		}
		slog.WarnContext(ctx, "call failed, and is tried again", "call", call, "attempt", attempt, "error", &failed.Error)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return &failed.Error
		}
	}
}

// failure is an attempt that came to nothing.
type failure struct {
	Error
	again bool
	pause time.Duration
}

func (c *Calls) attempt(ctx context.Context, call, method, target string, body []byte, answer any) *failure {
	fail := func(again bool, err error, format string, args ...any) *failure {
		return &failure{Error: Error{Call: call, Detail: fmt.Sprintf(format, args...), err: err}, again: again}
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return fail(false, err, "%v", err)
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if id := telemetry.RequestID(ctx); id != "" {
		request.Header.Set("X-Request-Id", id)
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(request.Header))

	response, err := c.client.Do(request)
	if err != nil {
		err = errors.Unwrap(err) // a *url.Error, which says what call says
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return fail(true, err, "it cannot be reached: %v", err)
		}
		return fail(idempotent(method), err, "it did not answer: %v", err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fail(idempotent(method), err, "it did not answer: %v", err)
	case len(text) > maxAnswer:
		return fail(false, nil, "the answer has more than %d bytes", maxAnswer)
	case response.StatusCode >= 300:
		return refused(call, method, response, text)
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fail(false, err, "the answer is not what it should be: %v", err)
	}
	return nil
}

// refused is what a status says that is none of success.
func refused(call, method string, response *http.Response, text []byte) *failure {
	detail := strings.TrimSpace(fmt.Sprintf("%d %s", response.StatusCode, http.StatusText(response.StatusCode)))
	var problem struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(text, &problem) == nil && problem.Detail != "" {
		detail += ": " + problem.Detail
	}
	f := &failure{Error: Error{Call: call, Status: response.StatusCode, Detail: detail, Body: text}}
	switch response.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		f.again = idempotent(method)
	}
	if seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16); err == nil {
		f.pause = time.Duration(seconds) * time.Second
	}
	return f
}

// note counts an attempt, and reports whether there is enough left to try again.
func (c *Calls) note(well bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if well {
		c.tokens = min(maxTokens, c.tokens+earned)
	} else {
		c.tokens = max(0, c.tokens-1)
	}
	return c.tokens > maxTokens/2
}

// idempotent reports what may be done twice: RFC 9110, section 9.2.2.
func idempotent(method string) bool {
	return slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete}, method)
}
