package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// maxBody bounds what is read of an answer. The largest are metrics.
const maxBody = 8 << 20

// newClient makes a connection for each request, so that none is left for the
// service to wait for, and shows redirects as what they are.
func newClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// get requests a path, with a header's name and value or more of them.
func (r *run) get(ctx context.Context, path string, header ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL.JoinPath(path).String(), nil)
	if err != nil {
		return answer{}, err
	}
	for n := 0; n < len(header); n += 2 {
		req.Header.Set(header[n], header[n+1])
	}
	res, err := r.client.Do(req)
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the path is in ours
	}
	if err != nil {
		return answer{}, fmt.Errorf("GET %s: %w", path, err)
	}
	defer res.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("GET %s: %w", path, err)
	case len(body) > maxBody:
		return answer{}, fmt.Errorf("GET %s: more than %d MiB", path, maxBody>>20)
	}
	return answer{res.StatusCode, res.Header, body}, nil
}

// fetch is get where all but 200 is an error.
func (r *run) fetch(ctx context.Context, path string, header ...string) (answer, error) {
	a, err := r.get(ctx, path, header...)
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("GET %s %d", path, a.status)
	}
	return a, err
}

// addr is the host and port of the service.
func (r *run) addr() string {
	port := r.URL.Port()
	switch {
	case port != "":
	case r.URL.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(r.URL.Hostname(), port)
}

// until looks now and every so often, and reports whether done came true
// before ctx ended.
func until(ctx context.Context, every time.Duration, done func() bool) bool {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
