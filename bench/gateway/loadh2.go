//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// runHTTP2 sends what s says over HTTP/2: for where h2load is not installed.
// It costs more than the proxies, which are asked less at once than by h2load.
func runHTTP2(s spec) (result, error) {
	ctx, stop := context.WithCancelCause(context.Background())
	var count atomic.Int64
	var all sync.WaitGroup
	for range s.Conns {
		var only http.Protocols
		only.SetUnencryptedHTTP2(true)
		conn := &http.Transport{Protocols: &only, MaxConnsPerHost: 1}
		for range s.Streams {
			all.Go(func() {
				for ctx.Err() == nil {
					if err := fetch(ctx, conn, s); err != nil {
						stop(err)
						return
					}
					count.Add(1)
				}
			})
		}
	}
	pause := func(d time.Duration) {
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
	}
	pause(s.Warm)
	before, done := take(s.PIDs, s.CPU), count.Load()
	pause(s.For)
	r := take(s.PIDs, s.CPU).since(before, int(count.Load()-done))
	end := errors.New("the time is over")
	stop(end)
	all.Wait()
	if err := context.Cause(ctx); !errors.Is(err, end) {
		return result{}, err
	}
	return r, nil
}

// fetch gets s.Path and checks the answer.
func fetch(ctx context.Context, rt http.RoundTripper, s spec) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", s.Port, s.Path), nil)
	if err != nil {
		return err
	}
	res, err := rt.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	n, err := io.Copy(io.Discard, res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || int(n) != bodies[s.Path]) {
		err = fmt.Errorf("want 200 and %d bytes, got %s and %d", bodies[s.Path], res.Status, n)
	}
	return err
}
