package watch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// watching is a Watcher that runs until the test ends.
type watching struct {
	t       *testing.T
	w       *Watcher
	batches chan Batch
	mu      sync.Mutex
	notices []error
}

const patience = 20 * time.Second

// begin runs a Watcher, which follows the scopes when it returns.
func begin(t *testing.T, scopes ...Scope) *watching { return beginWith(t, openSource, scopes...) }

func beginWith(t *testing.T, open func() (source, error), scopes ...Scope) *watching {
	t.Helper()
	l := &watching{t: t, batches: make(chan Batch, 1000)}
	l.w = New(Options{Changed: func(b Batch) { l.batches <- b }, Notice: l.notice})
	l.w.open = open
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

// expect waits for one batch that has these paths and no others.
func (l *watching) expect(paths ...string) {
	l.t.Helper()
	slices.Sort(paths)
	if b := l.next(); !slices.Equal(b.Paths, paths) || b.More != 0 {
		l.t.Fatalf("told %v and %d more, want %v", b.Paths, b.More, paths)
	}
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
	write(l.t, file, "x")
	l.expect(file)
}

// tree makes files of a list: those that end in a slash are folders.
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

// folder returns a new folder by its real name.
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
