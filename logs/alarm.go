package logs

import (
	"sync"
	"time"
)

// alarm runs a function when its time has come, in a goroutine that stop
// waits for. The zero alarm is not set.
type alarm struct {
	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
	set     sync.WaitGroup // what is set and not done
}

// in sets the alarm, or moves it when it is set; f is the same each time. It
// does nothing after stop.
func (a *alarm) in(d time.Duration, f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return
	}
	a.set.Add(1)
	if a.timer == nil {
		a.timer = time.AfterFunc(d, func() {
			defer a.set.Done()
			f()
		})
		return
	}
	if a.timer.Reset(d) {
		a.set.Done() // it was set already
	}
}

// stop ends the alarm and returns when f does not run and will not.
func (a *alarm) stop() {
	a.mu.Lock()
	a.stopped = true
	if a.timer != nil && a.timer.Stop() {
		a.set.Done()
	}
	a.mu.Unlock()
	a.set.Wait()
}
