package watch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// watching is a Watcher that runs until the test ends.
type watching struct {
	t       *testing.T
	w       *Watcher
	batches chan Batch
	last    []string // that were expected
	source  source
	mu      sync.Mutex
	notices []error
	holding func() // called before each batch is passed on
}

// counted is the system's source, with a limit and a count.
type counted struct {
	source
	limit  int               // of folders at a time; 0 for none
	before func(path string) // called before a folder is watched

	mu    sync.Mutex
	now   map[string]bool
	added int
}

func (c *counted) open() (source, error) {
	var err error
	c.source, err = openSource()
	c.now = map[string]bool{}
	return c, err
}

func (c *counted) add(path string) error {
	if c.before != nil {
		c.before(path)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limit > 0 && len(c.now) >= c.limit && !c.now[path] {
		return syscall.ENOSPC
	}
	err := c.source.add(path)
	if err == nil && !c.now[path] {
		c.now[path] = true
		c.added++
	}
	return err
}

func (c *counted) remove(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.now, path)
	c.source.remove(path)
}

// below returns the folders in dir that are watched, from there, sorted.
func (c *counted) below(dir string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for path := range c.now {
		if rel, inside := within(dir, path); inside {
			all = append(all, rel)
		}
	}
	slices.Sort(all)
	return all
}

// raise sets another limit, and returns how often folders have been added.
func (c *counted) raise(limit int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = limit
	return c.added
}

const patience = 20 * time.Second

// begin runs a Watcher, which follows the scopes when it returns.
func begin(t *testing.T, scopes ...Scope) *watching {
	t.Helper()
	return beginWith(t, (&counted{}).open, scopes...)
}

func beginWith(t *testing.T, open func() (source, error), scopes ...Scope) *watching {
	t.Helper()
	l := &watching{t: t, batches: make(chan Batch, 1000)}
	l.w = New(Options{Changed: l.changed, Notice: l.notice})
	l.w.open = func() (source, error) {
		s, err := open()
		l.source = s
		return s, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	l.follow(scopes...)
	return l
}

func (l *watching) follow(scopes ...Scope) {
	l.t.Helper()
	l.w.Follow(scopes)
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	if err := l.w.Ready(ctx); err != nil {
		l.t.Fatal(err)
	}
	// What is saved within the same tick of the clock may be told twice.
	ready, file := time.Now(), filepath.Join(l.t.TempDir(), "tick")
	waitFor(l.t, func() bool {
		write(l.t, file, "x")
		st, err := os.Stat(file)
		return err == nil && st.ModTime().After(ready)
	})
}

func (l *watching) changed(b Batch) {
	l.mu.Lock()
	holding := l.holding
	l.mu.Unlock()
	if holding != nil {
		holding()
	}
	l.batches <- b
}

func (l *watching) hold(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holding = f
}

func (l *watching) notice(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notices = append(l.notices, err)
}

// next waits for a batch.
func (l *watching) next() Batch {
	l.t.Helper()
	select {
	case b := <-l.batches:
		return b
	case <-time.After(patience):
		l.t.Fatal("no change was told")
		return Batch{}
	}
}

// expect waits for one batch that has these paths and no others. On a busy
// machine a single save may be told twice; what was expected last may come
// again.
func (l *watching) expect(paths ...string) {
	l.t.Helper()
	slices.Sort(paths)
	last := l.last
	l.last = paths
	for {
		b := l.next()
		if slices.Equal(b.Paths, paths) && b.More == 0 {
			return
		}
		b.Paths = slices.DeleteFunc(b.Paths, func(p string) bool { return slices.Contains(last, p) && !slices.Contains(paths, p) })
		if slices.Equal(b.Paths, paths) {
			return
		}
		if len(b.Paths) > 0 {
			l.t.Fatalf("told %v and %d more, want %v", b.Paths, b.More, paths)
		}
	}
}

// atOnce does something while nobody looks at what happens, so that all of it
// is found at once.
func (l *watching) atOnce(dir string, f func()) {
	l.t.Helper()
	file := filepath.Join(dir, "held")
	entered, leave := make(chan bool), make(chan bool)
	l.hold(func() { entered <- true; <-leave })
	place(l.t, file)
	<-entered
	l.hold(nil)
	f()
	queued, same := 0, 0 // until the events have been read from the kernel
	waitFor(l.t, func() bool {
		if n := len(l.source.events()); n != queued {
			queued, same = n, 0
		}
		same++
		return same > 4
	})
	leave <- true
	l.expect(file)
}

// until waits until these have all been told, in as many batches as it takes,
// and returns all that was told.
func (l *watching) until(paths ...string) []string {
	l.t.Helper()
	var told []string
	limit := time.After(patience)
	for {
		missing := slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return slices.Contains(told, p) })
		if len(missing) == 0 {
			return told
		}
		select {
		case b := <-l.batches:
			told = append(told, b.Paths...)
		case <-limit:
			l.t.Fatalf("not told: %v; told: %v", missing, told)
		}
	}
}

// nothing checks that what was done up to now is no change: the next that is
// told is a file that is written now.
func (l *watching) nothing(dir string) {
	l.t.Helper()
	file := filepath.Join(dir, "sentinel")
	place(l.t, file)
	l.expect(file)
}

// drain waits until all up to now has been told.
func (l *watching) drain(dir string) {
	l.t.Helper()
	for range 2 {
		file := filepath.Join(dir, "!first") // of those that are named
		write(l.t, file, "x")
		l.until(file)
	}
}

func (l *watching) noticed() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.notices)
}

// files makes files of a list: those that end in a slash are folders.
func files(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, n := range names {
		path := filepath.Join(dir, n)
		if strings.HasSuffix(n, "/") {
			mkdir(t, path)
			continue
		}
		mkdir(t, filepath.Dir(path))
		write(t, path, n)
	}
}

// place has a file be there by a single event.
func place(t *testing.T, path string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "x")
	rename(t, file, path)
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Skip(err)
	}
}

// folderOf returns a new folder by its real name.
func folderOf(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func scopeOf(dir string) Scope { return Scope{Name: "api", Dir: dir, Paths: []string{dir}} }

func TestASaveIsTold(t *testing.T) {
	dir := folderOf(t)
	files(t, dir, "main.py", "a/b/c/deep.py")
	l := begin(t, scopeOf(dir))
	for _, f := range []string{"main.py", "a/b/c/deep.py", "a/new.py"} {
		f = filepath.Join(dir, f)
		began := time.Now()
		write(t, f, "changed")
		b := l.next()
		if !slices.Equal(b.Paths, []string{f}) || b.More != 0 || b.Scope != "api" || b.At.Before(began) {
			t.Errorf("told %+v, want %s", b, f)
		}
	}
	remove(t, filepath.Join(dir, "main.py"))
	l.expect(filepath.Join(dir, "main.py"))
	l.nothing(dir)
}

func TestNewFoldersAreWatched(t *testing.T) {
	dir := folderOf(t)
	l := begin(t, scopeOf(dir))
	var want []string
	for i := range 20 {
		name := fmt.Sprintf("n%d/b/c/file", i)
		files(t, dir, name) // before the folder can be watched
		want = append(want, filepath.Join(dir, name))
	}
	l.until(want...)
	write(t, want[7], "again")
	l.until(want[7])
	rename(t, filepath.Join(dir, "n3"), filepath.Join(dir, "moved"))
	l.until(filepath.Join(dir, "n3"), filepath.Join(dir, "moved/b/c/file"))
	write(t, filepath.Join(dir, "moved/b/c/file"), "and again")
	l.expect(filepath.Join(dir, "moved/b/c/file"))
}
