package main

import (
	"context"
	"net/http"
	"sync"
)

// inFlight counts the requests that are being answered.
type inFlight struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when n falls to 0; nil when nobody waits
}

// Wrap counts the requests to next.
func (f *inFlight) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.add(1)
		defer f.add(-1)
		next.ServeHTTP(w, r)
	})
}

// Wait blocks until no request is in flight or ctx ends.
func (f *inFlight) Wait(ctx context.Context) {
	f.mu.Lock()
	if f.n == 0 {
		f.mu.Unlock()
		return
	}
	none := make(chan struct{})
	f.none = none
	f.mu.Unlock()

	select {
	case <-none:
	case <-ctx.Done():
	}
}

func (f *inFlight) add(delta int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n += delta
	if f.n == 0 && f.none != nil {
		close(f.none)
		f.none = nil
	}
}
