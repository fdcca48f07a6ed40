package process

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/msctl/msctl/runtime"
)

// keptBuilds is how many programs of a service stay beside those in use: the
// one that was just built, and the one before, which instances may be about to
// start from.
const keptBuilds = 2

// bin is where a build of s puts its program, and where the instance finds it.
func (r *Runner) bin(s runtime.Spec) string {
	return filepath.Join(r.state, "bin", cmp.Or(s.Bin, s.Service))
}

// bins are the programs that instances run, or would run if they started again.
type bins struct {
	mu      sync.Mutex
	running map[string]int    // how many instances do, by path
	last    map[string]string // by instance that was not stopped; two may have one name during a swap
}

// use keeps the program of an instance while it runs, and on until it is
// stopped or starts with another.
func (b *bins) use(id, bin string) (release func(stopped bool)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running[bin]++
	b.last[id] = bin
	return func(stopped bool) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.running[bin]--; b.running[bin] == 0 {
			delete(b.running, bin)
		}
		if stopped && b.last[id] == bin {
			delete(b.last, id)
		}
	}
}

func (b *bins) used(bin string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running[bin] > 0 {
		return true
	}
	for _, l := range b.last {
		if l == bin {
			return true
		}
	}
	return false
}

// removeOld removes the programs of earlier builds of s, which has just been
// built, but for the newest and those that instances use. They are called as
// the service, or so with a number: "web", "web.7". What cannot be removed now
// is tried again after the next build.
func (r *Runner) removeOld(s runtime.Spec) {
	type program struct {
		path string
		time time.Time
	}
	var old []program
	dir, now := filepath.Join(r.state, "bin"), r.bin(s)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		name, number, _ := strings.Cut(e.Name(), ".")
		path := filepath.Join(dir, e.Name())
		if name != s.Service || strings.Trim(number, "0123456789") != "" || path == now {
			continue
		}
		if info, err := e.Info(); err == nil {
			old = append(old, program{path, info.ModTime()})
		}
	}
	slices.SortFunc(old, func(a, b program) int { return b.time.Compare(a.time) })
	for n, p := range old {
		if n >= keptBuilds-1 && !r.bins.used(p.path) {
			_ = os.RemoveAll(p.path)
		}
	}
}
