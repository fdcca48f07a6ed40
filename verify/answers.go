package verify

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func (r *run) liveness(ctx context.Context) Result {
	if _, err := r.fetch(ctx, "/healthz"); err != nil {
		return fail("answer 200 while the process runs, and look at nothing else", "%v", err)
	}
	return pass("GET /healthz 200")
}

// readiness waits for a service that has just been started: it may listen
// before it is ready.
func (r *run) readiness(ctx context.Context) Result {
	var a answer
	var err error
	_ = r.await(ctx, func(context.Context) bool { // the last answer says it
		a, err = r.fetch(ctx, "/readyz")
		return a.status != http.StatusServiceUnavailable
	})
	switch {
	case err == nil:
		return pass("GET /readyz 200")
	case a.status == http.StatusServiceUnavailable:
		return fail("what it depends on may not be there: msctl up starts it", "%v: %s", err, shortened(string(bytes.TrimSpace(a.body))))
	}
	return fail("answer 200 when requests can be taken, and 503 when not", "%v", err)
}

// probes tells two probes from one that answers under two names, or under any.
func (r *run) probes(ctx context.Context) Result {
	live, err := r.fetch(ctx, "/healthz")
	if err != nil {
		return skip("there is one of them only: %v", err)
	}
	ready, err := r.fetch(ctx, "/readyz")
	if err != nil {
		return skip("there is one of them only: %v", err)
	}
	if bytes.Equal(live.body, ready.body) {
		return fail("/healthz says that the process runs, /readyz that it can answer: let them say so", "/healthz and /readyz both answer %q", shortened(string(live.body)))
	}
	return pass("/healthz and /readyz differ")
}

func (r *run) metrics(ctx context.Context) Result {
	const hint = "a client library of Prometheus writes it"
	a, err := r.fetch(ctx, "/metrics", "Accept", "text/plain;version=0.0.4")
	if err != nil {
		return fail(hint, "%v", err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(a.body))
	switch {
	case err != nil:
		return fail(hint, "GET /metrics: %v", err)
	case len(families) == 0:
		return fail(hint, "GET /metrics has no metrics")
	}
	return pass("%d metrics", len(families))
}

// description is what is read of /openapi.json.
type description struct {
	OpenAPI string                                `json:"openapi"`
	Paths   map[string]map[string]json.RawMessage `json:"paths"`
}

// path is the first without parameters that has a method, "" for none. What
// streams events has no end to wait for.
func (d description) path(method string) string {
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		operation, ok := d.Paths[path][method]
		if ok && !strings.Contains(path, "{") && !bytes.Contains(operation, []byte("text/event-stream")) {
			return path
		}
	}
	return ""
}

func (r *run) description(ctx context.Context) (d description, err error) {
	a, err := r.fetch(ctx, "/openapi.json")
	if err == nil {
		err = json.Unmarshal(a.body, &d)
	}
	return d, err
}

func (r *run) openAPI(ctx context.Context) Result {
	const hint = "describe the service's paths as OpenAPI 3.1, in JSON"
	d, err := r.description(ctx)
	switch {
	case err != nil:
		return fail(hint, "%v", err)
	case !strings.HasPrefix(d.OpenAPI, "3."):
		return fail(hint, "openapi is %q, not 3.x", d.OpenAPI)
	case len(d.Paths) == 0:
		return fail(hint, "no paths")
	}
	return pass("OpenAPI %s, paths: %d", d.OpenAPI, len(d.Paths))
}

// nowhere is a path that no service has.
func nowhere() string { return "/verify-" + strings.ToLower(rand.Text()) }

func (r *run) problem(ctx context.Context) Result {
	const hint = `answer an unknown path as RFC 9457 has it: {"type": "about:blank", "title": "Not Found", "status": 404}`
	a, err := r.get(ctx, nowhere())
	if err != nil {
		return fail(hint, "%v", err)
	}
	if a.status != http.StatusNotFound {
		return fail(hint, "an unknown path is answered %d", a.status)
	}
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	if media != "application/problem+json" {
		return fail(hint, "an unknown path is answered 404 as %q", media)
	}
	var problem struct{ Status int }
	if err := json.Unmarshal(a.body, &problem); err != nil {
		return fail(hint, "the problem of an unknown path: %v", err)
	}
	if problem.Status != http.StatusNotFound {
		return fail(hint, "the problem of an unknown path has status %d", problem.Status)
	}
	return pass("an unknown path is answered 404 as %s", media)
}

func (r *run) requestID(ctx context.Context) Result {
	id := "verify-" + rand.Text()
	a, err := r.get(ctx, nowhere(), "X-Request-Id", id)
	switch got := a.header.Get("X-Request-Id"); {
	case err != nil:
		return fail("", "%v", err)
	case got != id:
		return fail("put the request's X-Request-Id into the answer", "X-Request-Id %s is answered with %q", id, shortened(got))
	}
	return pass("X-Request-Id is in the answer")
}
