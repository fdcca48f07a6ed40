// Package watch tells of file changes, in settled batches.
package watch

import (
	"context"
	"fmt"
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

// Files calls changed after one of the paths was written, created, removed or
// renamed, once for a batch of events and never twice at a time, until ctx is
// done. paths is asked again after each call, so the set may change with what
// the files say. The folders are watched, not the files: editors save by
// renaming a new file into place.
func Files(ctx context.Context, paths func() []string, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch files: %w", err)
	}
	defer w.Close() //nolint:errcheck // nothing is written
	watched := map[string]bool{}
	folders := map[string]bool{}
	follow := func() {
		clear(watched)
		for _, p := range paths() {
			watched[filepath.Clean(p)] = true
			if dir := filepath.Dir(p); !folders[dir] {
				folders[dir] = w.Add(dir) == nil // a folder that is not there cannot hold a file that changes
			}
		}
	}
	follow()
	before := fingerprints(watched)
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-w.Errors:
			return fmt.Errorf("watch files: %w", err)
		case e := <-w.Events:
			if !watched[filepath.Clean(e.Name)] {
				continue
			}
		}
		if !settled(ctx, w) {
			return nil
		}
		after := fingerprints(watched)
		if same(before, after) {
			continue // a chmod, or a save of what was there
		}
		changed()
		follow()
		before = fingerprints(watched)
	}
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

// fingerprint is what tells one content of a file from the next.
type fingerprint struct {
	size int64
	time time.Time
}

func fingerprints(paths map[string]bool) map[string]fingerprint {
	out := make(map[string]fingerprint, len(paths))
	for p := range paths {
		if st, err := os.Stat(p); err == nil {
			out[p] = fingerprint{st.Size(), st.ModTime()}
		}
	}
	return out
}

func same(a, b map[string]fingerprint) bool {
	if len(a) != len(b) {
		return false
	}
	for p, f := range a {
		if g, ok := b[p]; !ok || f.size != g.size || !f.time.Equal(g.time) {
			return false
		}
	}
	return true
}
