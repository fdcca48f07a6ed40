package verify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// loaders is how many requests are made at a time.
	loaders = 8
	// settled is how old a request is, at the least, that has begun for certain.
	// A younger one may be dropped: Go's server, for one, lets go of those that
	// it has read and not yet given to a handler.
	settled = 100 * time.Millisecond
	// margin is how many times as long as the slowest probe under the load a
	// request may wait to be begun: on a busy machine that is more than settled.
	margin = 4
	// settledMax bounds it: a service whose probes are slow is no reason to
	// wait for long.
	settledMax = time.Second
	// probePause is between two probes.
	probePause = 10 * time.Millisecond
)

// load makes requests, one after the other in each of its goroutines.
type load struct {
	warm    sync.WaitGroup // each has had an answer
	loaders sync.WaitGroup
	over    chan struct{}

	mu       sync.Mutex
	settled  time.Duration
	signal   time.Time // zero before it
	inFlight int       // at the signal
	lost     int       // of those
	err      error     // of one that was lost
}

func startLoad(ctx context.Context, addr, path string, patience time.Duration) *load {
	l := &load{over: make(chan struct{}), settled: settled}
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, addr)
	l.warm.Add(loaders)
	for range loaders {
		l.loaders.Go(func() {
			warm := sync.OnceFunc(l.warm.Done)
			defer warm()
			for {
				f, err := depart(ctx, addr, request, patience)
				if err != nil {
					return // nobody listens any more
				}
				err = f.land()
				l.note(f.sent, err)
				warm()
				if err != nil {
					return
				}
				select {
				case <-l.over:
					return
				default:
				}
			}
		})
	}
	return l
}

// settle waits until what takes long has settled, and the rest is under way.
// Meanwhile it sees how long a request waits to be begun, by those that probe
// makes.
func (l *load) settle(ctx context.Context, probe func()) {
	l.warm.Wait()
	begun := time.Now()
	for ctx.Err() == nil {
		at := time.Now()
		probe()
		l.mu.Lock()
		l.settled = min(max(l.settled, margin*time.Since(at)), settledMax)
		left := 2*l.settled - time.Since(begun)
		l.mu.Unlock()
		if left <= 0 {
			return
		}
		t := time.NewTimer(min(left, probePause))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

// signalled is called right before the signal is sent.
func (l *load) signalled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.signal = time.Now()
}

// note counts a request that has ended. One without an answer counts when it
// has begun for certain.
func (l *load) note(sent time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		if sent.Before(l.signal) {
			l.inFlight++
		}
	case errors.Is(err, errCut), !errors.Is(err, errUnread) && (l.signal.IsZero() || l.signal.Sub(sent) > l.settled):
		l.inFlight++
		l.lost++
		l.err = err
	}
}

// add counts a request that was held over the signal.
func (l *load) add(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight++
	if err != nil {
		l.lost++
		l.err = err
	}
}

// stop lets what is in flight end, and begins nothing more.
func (l *load) stop() {
	close(l.over)
	l.loaders.Wait()
}
