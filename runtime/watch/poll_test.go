package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestPolling(t *testing.T) {
	t.Parallel()
	base := folderOf(t)
	dir := base + "/svc"
	files(t, dir, "a/b/f", "a/same", "node_modules/x/y", "gone/g", "conf")
	c := &counted{}
	scope := Scope{Name: "s", Dir: dir, Paths: []string{dir + "/a", dir + "/gone", dir + "/conf", dir + "/later"}, Poll: true}
	l := beginWith(t, c.open, scope)
	if len(c.now) > 0 {
		t.Errorf("watched: %v", c.now)
	}
	write(t, dir+"/a/b/f", "longer than before")
	if told := l.until(dir + "/a/b/f"); slices.ContainsFunc(told, func(p string) bool { return p != told[0] }) {
		t.Errorf("told %v", told)
	}
	write(t, dir+"/a/tmp", "s") // of the same size, by a rename
	rename(t, dir+"/a/tmp", dir+"/a/same")
	l.until(dir + "/a/same")
	files(t, dir, "a/new/folder/h", "later/i")
	l.until(dir+"/a/new/folder/h", dir+"/later/i")
	write(t, dir+"/a/new/folder/h", "changed again")
	l.until(dir + "/a/new/folder/h")
	write(t, dir+"/conf", "changed")
	l.until(dir + "/conf")
	remove(t, dir+"/a/b/f")
	remove(t, dir+"/gone")
	l.until(dir+"/a/b/f", dir+"/gone")
	rename(t, dir+"/a", dir+"/away")
	l.until(dir + "/a")
	files(t, dir, "a/z")
	l.until(dir + "/a/z")
	write(t, dir+"/a/.gitignore", "ignored\n")
	files(t, dir, "a/ignored/x")
	l.drain(dir + "/a")
	chmod(t, dir+"/a/z", 0o600)
	write(t, dir+"/a/ignored/x", "y")
	l.nothing(dir + "/a")
}

func TestTheLimitOfWatches(t *testing.T) {
	t.Parallel()
	dir := folderOf(t)
	var all, paths []string
	for i := range 10 {
		all = append(all, fmt.Sprintf("d%d/e/f", i))
		paths = append(paths, filepath.Join(dir, all[i]))
	}
	files(t, dir, all...)
	c := &counted{limit: 8}
	l := beginWith(t, c.open, scopeOf(dir))
	saveAll := func(text string) {
		t.Helper()
		for _, f := range paths {
			write(t, f, text)
		}
		l.until(paths...)
	}
	saveAll("changed, and longer")
	files(t, dir, "d3/e/new/x", "d4/new/y") // some below polled folders, some not
	l.until(dir+"/d3/e/new/x", dir+"/d4/new/y")
	noticed := l.noticed()
	var limit *LimitError
	if len(noticed) != 1 || !errors.As(noticed[0], &limit) || !errors.Is(noticed[0], syscall.ENOSPC) {
		t.Fatalf("noticed %v", noticed)
	}
	if text := limit.Error() + "; " + limit.Hint(); !strings.Contains(text, limit.Setting) || limit.Setting != maxWatches && os.PathSeparator == '/' && limit.Value != "" {
		t.Errorf("noticed %s", text)
	}

	// When there is room again, they are watched.
	c.raise(0)
	waitFor(t, func() bool { return slices.Contains(c.below(dir), "d3/e/new") && len(c.below(dir)) == 22 })
	saveAll("again")
}

func TestTheLimitOfInstances(t *testing.T) {
	t.Parallel()
	dir := folderOf(t)
	files(t, dir, "a/f")
	l := beginWith(t, func() (source, error) { return nil, fmt.Errorf("watch files: %w", syscall.EMFILE) }, scopeOf(dir))
	files(t, dir, "a/f2")
	l.until(dir + "/a/f2")
	noticed := l.noticed()
	var limit *LimitError
	if len(noticed) != 1 || !errors.As(noticed[0], &limit) || !strings.Contains(limit.Hint(), "0.2 to 2 s") {
		t.Fatalf("noticed %v", noticed)
	}
	if _, err := os.Stat("/proc/sys/fs/inotify/max_user_instances"); err == nil &&
		(limit.Setting != maxInstances || !strings.Contains(limit.Error(), maxInstances+" = ") || !strings.Contains(limit.Hint(), "sudo sysctl "+maxInstances+"=")) {
		t.Errorf("noticed %v; %s", limit, limit.Hint())
	}
}

// TestPollingRests holds that looking takes about one per cent of the time.
func TestPollingRests(t *testing.T) {
	for _, tt := range []struct{ took, rest time.Duration }{
		{0, pollLeast},
		{5 * time.Millisecond, 500 * time.Millisecond},
		{time.Second, pollMost},
	} {
		if got := rest(tt.took); got != tt.rest {
			t.Errorf("after looking for %v: rests %v, want %v", tt.took, got, tt.rest)
		}
	}
}

// TestRoundsGoOn holds that a round that finds nothing is followed by another.
func TestRoundsGoOn(t *testing.T) {
	dir := folderOf(t)
	files(t, dir, "f")
	tree := newTree(Options{}, nil)
	scope := scopeOf(dir)
	scope.Poll = true
	now := time.Now()
	tree.follow([]Scope{scope}, now)
	for tree.nextWork() {
	}
	for range 3 {
		next := tree.later(now)
		for tree.busy() {
			next = tree.later(now)
		}
		if next.IsZero() {
			t.Fatal("no round follows")
		}
		now = next
	}
}

// waitFor waits until something holds that nothing tells of.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	limit := time.After(patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-limit:
			t.Fatal("it never came to be")
		}
	}
}
