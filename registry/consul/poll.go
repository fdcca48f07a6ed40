package consul

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/msctl/msctl/grpchealth"
	"github.com/msctl/msctl/registry/catalog"
)

// poll asks at each interval, until ctx ends.
func (c *checks) poll(ctx context.Context, k *check) {
	interval := max(time.Duration(k.definition.Interval), minInterval)
	d := &k.definition
	config := &tls.Config{InsecureSkipVerify: d.TLSSkipVerify, ServerName: d.TLSServerName} //nolint:gosec // as the client wants it
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}}
	health := grpchealth.New(nil)
	if d.GRPCUseTLS {
		health = grpchealth.New(config.Clone())
	}
	if d.DisableRedirects {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for streak := (streak{}); ; {
		status, output := ask(ctx, client, health, d)
		if ctx.Err() != nil {
			return
		}
		if status, ok := streak.count(d, status); ok {
			c.set(k, status, output)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// streak is how often a check has come to the same in a row.
type streak struct{ successes, failures int }

// count is the status that one more result makes; not ok when there is no news,
// as the definition has its thresholds.
func (s *streak) count(d *checkRun, result catalog.Status) (status catalog.Status, ok bool) {
	if result != catalog.Critical {
		s.successes, s.failures = s.successes+1, 0
		return result, s.successes >= d.SuccessBeforePassing
	}
	s.successes, s.failures = 0, s.failures+1
	if s.failures >= d.FailuresBeforeCritical {
		return catalog.Critical, true
	}
	return catalog.Warning, d.FailuresBeforeWarning > 0 && s.failures >= d.FailuresBeforeWarning
}

func ask(ctx context.Context, client *http.Client, health grpchealth.Client, d *checkRun) (catalog.Status, string) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(d.timeout()))
	defer cancel()
	if d.TCP != "" {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.TCP)
		if err != nil {
			return catalog.Critical, err.Error()
		}
		_ = conn.Close() // that it was there is all
		return catalog.Passing, fmt.Sprintf("TCP connect %s: Success", d.TCP)
	}
	if d.GRPC != "" {
		addr, service, _ := strings.Cut(d.GRPC, "/")
		if err := health.Check(ctx, addr, service); err != nil {
			return catalog.Critical, err.Error()
		}
		return catalog.Passing, fmt.Sprintf("gRPC check %s: success", d.GRPC)
	}
	method := d.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, d.HTTP, strings.NewReader(d.Body))
	if err != nil {
		return catalog.Critical, err.Error()
	}
	req.Header.Set("User-Agent", "Consul Health Check")
	req.Header.Set("Accept", "text/plain, text/*, */*")
	for name, values := range d.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	res, err := client.Do(req)
	if err != nil {
		return catalog.Critical, err.Error()
	}
	defer res.Body.Close() //nolint:errcheck // only read
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxOutput))
	output := fmt.Sprintf("HTTP %s %s: %s Output: %s", method, d.HTTP, res.Status, text)
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return catalog.Passing, output
	case res.StatusCode == http.StatusTooManyRequests:
		return catalog.Warning, output
	}
	return catalog.Critical, output
}
