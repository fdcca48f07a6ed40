package wire

import (
	"context"
	"sync"
)

// Flight counts what is under way. Its zero value is ready for use.
type Flight struct {
	mu     sync.Mutex
	n      int
	landed chan struct{} // closed when n becomes 0; nil while nobody waits
}

// Begin counts one more.
func (f *Flight) Begin() {
	f.mu.Lock()
	f.n++
	f.mu.Unlock()
}

// End counts one less.
func (f *Flight) End() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n--
	if f.n == 0 && f.landed != nil {
		close(f.landed)
		f.landed = nil
	}
}

// Count is how much is under way.
func (f *Flight) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// Wait returns when nothing is under way. Its only error is ctx's.
func (f *Flight) Wait(ctx context.Context) error {
	f.mu.Lock()
	if f.n == 0 {
		f.mu.Unlock()
		return nil
	}
	if f.landed == nil {
		f.landed = make(chan struct{})
	}
	landed := f.landed
	f.mu.Unlock()
	select {
	case <-landed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
