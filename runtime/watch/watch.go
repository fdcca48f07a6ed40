package watch

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// MaxPaths is how many paths a Batch names.
const MaxPaths = 100

// Scope is what is watched for one service.
type Scope struct {
	Name   string   // of the service; no two scopes have the same
	Dir    string   // absolute; what Ignore is relative to
	Paths  []string // absolute files and folders; folders with all below them. A path that is not there yet is waited for.
	Ignore []string // patterns as in .gitignore, relative to Dir; a later "!pattern" takes back
	Poll   bool     // look now and then instead of being told (network and bind mounts)
}

// Batch is changes that came together, of one scope. A folder that has come is
// told by the files in it, one that has gone by its own path.
type Batch struct {
	Scope string
	Paths []string  // sorted, at most MaxPaths of them
	More  int       // how many others there were
	At    time.Time // of the first one
}

// Options are whom a Watcher tells. Either may be nil.
type Options struct {
	// Changed is called from one goroutine at a time, and must not block for
	// long: nothing is looked at meanwhile.
	Changed func(Batch)
	// Notice is told once each what a user may want to act on: a limit that was
	// reached (a LimitError), a path that is missing (a MissingError), a folder
	// that cannot be read. It is called as Changed is.
	Notice func(error)
}

// Watcher tells of changes in the scopes that it follows.
type Watcher struct {
	o    Options
	open func() (source, error)
	wake chan struct{} // holds one: there is something new to follow

	mu       sync.Mutex
	want     []Scope
	at       time.Time     // when that was said
	asked    int           // how often Follow was called
	applied  int           // the last of those calls whose scopes are all watched
	progress chan struct{} // closed and replaced when applied grows
}

// New returns a Watcher that follows nothing yet.
func New(o Options) *Watcher {
	return &Watcher{o: o, open: openSource, wake: make(chan struct{}, 1), progress: make(chan struct{})}
}

// Follow replaces what is watched. It may be called before and during Run,
// from any goroutine, and returns at once; what stays is not walked again.
// What changes from now on counts, also before its folder is being watched; of
// that, what comes within a tick of the system's clock cannot be known.
func (w *Watcher) Follow(scopes []Scope) {
	want := slices.Clone(scopes)
	for i := range want {
		s := &want[i]
		s.Dir, s.Paths, s.Ignore = filepath.Clean(s.Dir), slices.Clone(s.Paths), slices.Clone(s.Ignore)
		for j, p := range s.Paths {
			s.Paths[j] = filepath.Clean(p)
		}
	}
	w.mu.Lock()
	w.want, w.at = want, time.Now()
	w.asked++
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Ready returns once everything that Follow named last is being watched, or
// waited for; its error is that of ctx.
func (w *Watcher) Ready(ctx context.Context) error {
	w.mu.Lock()
	asked := w.asked
	w.mu.Unlock()
	for {
		w.mu.Lock()
		applied, progress := w.applied, w.progress
		w.mu.Unlock()
		if applied >= asked {
			return nil
		}
		select {
		case <-progress:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wanted returns what is to be followed, and the number of the call.
func (w *Watcher) wanted() (scopes []Scope, at time.Time, asked int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.want, w.at, w.asked
}

// ready says that the scopes of a call are all watched.
func (w *Watcher) ready(asked int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if asked > w.applied {
		w.applied = asked
		close(w.progress)
		w.progress = make(chan struct{})
	}
}
