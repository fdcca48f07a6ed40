package watch

import (
	"errors"
	"fmt"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// source is where events come from: the system's, and in tests one with a
// limit.
type source interface {
	add(folder string) error
	remove(folder string)
	events() <-chan fsnotify.Event
	overflowed() <-chan struct{} // holds one: events have been lost
	close()
}

// kernel is the system's source.
type kernel struct {
	w        *fsnotify.Watcher
	overflow chan struct{}
	pump     sync.WaitGroup
}

// ahead is how many events are taken from the kernel before they are looked
// at: its own queue has a bound (fs.inotify.max_queued_events).
const ahead = 4096

func openSource() (source, error) {
	w, err := fsnotify.NewBufferedWatcher(ahead)
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	k := &kernel{w: w, overflow: make(chan struct{}, 1)}
	// fsnotify may wait for somebody to take an error while it holds the lock
	// that adding a folder needs. Other errors than overflows are of folders
	// that were removed meanwhile, which their events tell.
	k.pump.Go(func() {
		for err := range w.Errors {
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				select {
				case k.overflow <- struct{}{}:
				default:
				}
			}
		}
	})
	return k, nil
}

func (k *kernel) add(folder string) error       { return k.w.Add(folder) }
func (k *kernel) remove(folder string)          { _ = k.w.Remove(folder) } // it may have gone by itself
func (k *kernel) events() <-chan fsnotify.Event { return k.w.Events }
func (k *kernel) overflowed() <-chan struct{}   { return k.overflow }

func (k *kernel) close() {
	_ = k.w.Close() // nothing is written
	k.pump.Wait()
}
