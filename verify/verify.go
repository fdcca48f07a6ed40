// Package verify checks what a service does at run time: its probes, metrics
// and errors, what it logs of a request, and how it ends.
//
// The checks are a table, in the order in which they are made: those that
// SIGTERM ends come last. What they need of a process is an interface, so that
// who started the service, and how, is no matter; without a process the checks
// that need one are skipped.
package verify

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Target is the service to look at.
type Target struct {
	Name    string        // what its log lines are to name
	URL     *url.URL      // where it answers; http for a Process
	Timeout time.Duration // for its start, and for each answer
	Process Process       // nil when it is not ours to end
	Dir     string        // where its Dockerfile is; "" when that is not known
	Grace   time.Duration // what it may take to end

	Contracts []Contract // what others rely on; the check is left out where there are none
}

// Contract is what a service has been told that the target offers.
type Contract struct {
	Service  string
	Document []byte // OpenAPI
}

// Process is an instance that was started to be looked at. Its methods may be
// called from any goroutine.
type Process interface {
	// Log is what it has written.
	Log() *Log
	// Terminate sends SIGTERM.
	Terminate()
	// Exited waits for the end, and returns nil for exit code 0. When ctx is
	// done before that, the error is ctx's.
	Exited(ctx context.Context) error
}

// Status is how a check went.
type Status string

// The statuses of a check.
const (
	Pass Status = "pass"
	Fail Status = "fail"
	Skip Status = "skip" // there was nothing to look at; Seen says why
)

// Result is what a check found.
type Result struct {
	Check  string `json:"check"`
	Why    string `json:"why"` // what the check is good for
	Status Status `json:"status"`
	Seen   string `json:"seen"`
	Hint   string `json:"hint,omitempty"` // of a failure: what to do
}

func pass(format string, args ...any) Result {
	return Result{Status: Pass, Seen: fmt.Sprintf(format, args...)}
}

func fail(hint, format string, args ...any) Result {
	return Result{Status: Fail, Seen: fmt.Sprintf(format, args...), Hint: hint}
}

func skip(format string, args ...any) Result {
	return Result{Status: Skip, Seen: fmt.Sprintf(format, args...)}
}

// need is what there has to be for a check.
type need int

const (
	nothing   need = iota
	answers        // a service that listens
	contracts      // and others that rely on it
	process        // one that is ours, too
)

type check struct {
	name  string
	needs need
	why   string
	look  func(*run, context.Context) Result
}

var checks = []check{
	{"start", nothing, "a service listens where it is told to, or nobody finds it", (*run).start},
	{"liveness", answers, "a process that hangs is found, and started again", (*run).liveness},
	{"readiness", answers, "an instance gets requests when it can answer them, not before", (*run).readiness},
	{"probes", answers, "a process whose store is away is not ready, but to start it again would not help", (*run).probes},
	{"metrics", answers, "Prometheus takes the whole text or nothing", (*run).metrics},
	{"openapi", answers, "clients, tests and pages are made from the description", (*run).openAPI},
	{"contracts", contracts, "what others have been told that it offers, it offers still", (*run).contracts},
	{"errors", answers, "callers handle the errors of all services in one way (RFC 9457)", (*run).problem},
	{"request-id", answers, "a user's report leads to the lines that were logged", (*run).requestID},
	{"trace", process, "what one request did in all services is found by one id", (*run).trace},
	{"logs", process, "logs of all services are searched by the same fields", (*run).logs},
	{"drain", process, "a deployment costs no request", (*run).drain},
	{"unready", process, "no new requests are sent to an instance that ends", (*run).unready},
	{"exit", process, "an end that was asked for does not look like a crash, and is not cut short", (*run).exit},
	{"user", nothing, "who breaks out of the program is not root in the container", (*run).user},
}

// Width is the length of the longest name of a check.
func Width() int {
	width := 0
	for _, c := range checks {
		width = max(width, len(c.name))
	}
	return width
}

// run is one round of checks, and what one of them leaves to those after it.
type run struct {
	Target
	client *http.Client
	down   bool    // it never listened
	ended  *ending // once it was made to end
}

// Run makes all checks, one for each result that is taken. It ends early when
// ctx does.
func Run(ctx context.Context, t Target) iter.Seq[Result] {
	return func(yield func(Result) bool) {
		r := &run{Target: t, client: newClient()}
		for n, c := range checks {
			if c.needs == contracts && len(t.Contracts) == 0 {
				continue
			}
			result := r.result(ctx, c)
			if ctx.Err() != nil {
				return
			}
			if n == 0 {
				r.down = result.Status != Pass
			}
			if !yield(result) {
				return
			}
		}
	}
}

func (r *run) result(ctx context.Context, c check) Result {
	var result Result
	switch {
	case c.needs >= answers && r.down:
		result = skip("it did not start")
	case c.needs == process && r.Process == nil:
		result = skip("needs a process that may be ended: name a service of the stack")
	default:
		result = c.look(r, ctx)
	}
	result.Check, result.Why = c.name, c.why
	return result
}
