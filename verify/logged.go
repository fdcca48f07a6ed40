package verify

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// logPatience is how long after its answer a request's line may come.
const logPatience = 2 * time.Second

func (r *run) trace(ctx context.Context) Result {
	const hint = "continue traceparent (W3C), and put trace_id into each line that is logged for the request"
	id := make([]byte, 16+8)
	_, _ = rand.Read(id) // it does not fail
	trace, path := hex.EncodeToString(id[:16]), nowhere()
	parent := fmt.Sprintf("00-%s-%x-01", trace, id[16:])
	if _, err := r.get(ctx, path, "traceparent", parent); err != nil {
		return fail("", "%v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, logPatience)
	defer cancel()
	var other string // a line of the request
	_, ok := r.Process.Log().await(ctx, func(line string) bool {
		if strings.Contains(line, path) {
			other = line
		}
		return strings.Contains(line, trace)
	})
	switch {
	case ok:
		return pass("the trace id of traceparent is in the log")
	case other != "":
		return fail(hint, "the line of the request has another trace id, or none: %s", shortened(other))
	}
	return fail(hint, "no line of the request is in the log")
}

func (r *run) logs(ctx context.Context) Result {
	const hint = "write a JSON object a line: time (RFC 3339), level, msg, service (from $SERVICE_NAME)"
	ctx, cancel := context.WithTimeout(ctx, logPatience)
	defer cancel()
	if _, ok := r.Process.Log().await(ctx, func(string) bool { return true }); !ok {
		return fail(hint, "it has written nothing")
	}
	lines, _ := r.Process.Log().Lines()
	for _, line := range lines {
		if err := checkLine(line, r.Name); err != nil {
			return fail(hint, "%v: %s", err, shortened(line))
		}
	}
	return pass("lines of JSON with time, level, msg and service: %d", len(lines))
}

// checkLine returns what is wrong with a line of the log of a service.
func checkLine(line, service string) error {
	var fields map[string]any
	if json.Unmarshal([]byte(line), &fields) != nil {
		return fmt.Errorf("no JSON object")
	}
	for _, name := range []string{"time", "level", "msg", "service"} {
		if s, ok := fields[name].(string); !ok || s == "" {
			return fmt.Errorf("no %s", name)
		}
	}
	if at := fields["time"].(string); !isTime(at) { //nolint:forcetypeassert // it was looked at above
		return fmt.Errorf("time %q is not as in RFC 3339", at)
	}
	if fields["service"] != service {
		return fmt.Errorf("service %q is not $SERVICE_NAME", fields["service"])
	}
	return nil
}

func isTime(s string) bool {
	_, err := time.Parse(time.RFC3339, s)
	return err == nil
}
