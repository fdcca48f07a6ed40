// Package watch tells of file changes, in settled batches.
package watch

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settle is how long nothing more may happen before a batch is told: the
	// several events of one save come within a few milliseconds.
	settle = 25 * time.Millisecond
	// settleMost ends a batch that does not settle.
	settleMost = 500 * time.Millisecond
)

// coarse is how far a file's time may be behind the clock: kernels stamp files
// with the last tick.
const coarse = 10 * time.Millisecond

// Files calls changed after one of the paths was written, created, removed or
// renamed since the time given, once for a batch of events and never twice at
// a time, until ctx is done. paths is asked again after each call, so the set
// may change with what the files say. A change during a call is another one; a
// call too many is possible, one too few is not. The folders are watched, not
// the files: editors save by renaming a new file into place.
func Files(ctx context.Context, since time.Time, paths func() []string, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch files: %w", err)
	}
	defer w.Close() //nolint:errcheck // nothing is written
	folders := map[string]bool{}
	follow := func() map[string]fingerprint {
		files := paths()
		for _, p := range files {
			if dir := filepath.Dir(p); !folders[dir] {
				folders[dir] = w.Add(dir) == nil // a folder that is not there cannot hold a file that changes
			}
		}
		return fingerprints(files)
	}
	seen := map[string]fingerprint{}
	for now := follow(); ; {
		if !missed(seen, now, since) {
			seen = now
			if more, err := event(ctx, w, seen); !more {
				return err
			}
			if now = again(seen); maps.Equal(seen, now) {
				continue // a chmod, or a save of what was there
			}
		}
		seen, since = now, time.Now()
		changed()
		now = follow()
	}
}

// event waits for events of the files to come and settle; more is false at the
// end of ctx, and with an error.
func event(ctx context.Context, w *fsnotify.Watcher, files map[string]fingerprint) (more bool, err error) {
	for {
		select {
		case <-ctx.Done():
			return false, nil
		case err := <-w.Errors:
			return false, fmt.Errorf("watch files: %w", err)
		case e := <-w.Events:
			if _, ok := files[filepath.Clean(e.Name)]; ok {
				return settled(ctx, w), nil
			}
		}
	}
}

// missed reports whether a file has changed that was not being watched, or not
// being looked at: one that was seen differs, one that is new was written since.
func missed(seen, now map[string]fingerprint, since time.Time) bool {
	for p, f := range now {
		if was, ok := seen[p]; ok && was != f || !ok && f.time.After(since.Add(-coarse)) {
			return true
		}
	}
	return false
}

// settled waits until nothing happens any more; false means that ctx ended.
func settled(ctx context.Context, w *fsnotify.Watcher) bool {
	most := time.NewTimer(settleMost)
	defer most.Stop()
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-quiet.C:
			return true
		case <-most.C:
			return true
		case <-w.Events:
			quiet.Reset(settle)
		}
	}
}

// fingerprint is what tells one content of a file from the next; the zero
// value is a file that is not there.
type fingerprint struct {
	size int64
	time time.Time
}

func fingerprints(paths []string) map[string]fingerprint {
	out := make(map[string]fingerprint, len(paths))
	for _, p := range paths {
		out[filepath.Clean(p)] = fingerprint{}
	}
	return again(out)
}

// again takes the fingerprints of the same files.
func again(files map[string]fingerprint) map[string]fingerprint {
	out := make(map[string]fingerprint, len(files))
	for p := range files {
		out[p] = fingerprint{}
		if st, err := os.Stat(p); err == nil {
			out[p] = fingerprint{st.Size(), st.ModTime()}
		}
	}
	return out
}
