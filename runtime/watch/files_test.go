package watch

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// follow runs Files until the test ends; each call of changed passes on what
// the first of the paths holds and waits until the test goes on.
func follow(t *testing.T, since time.Time, paths *[]string) (changes chan string, goOn chan struct{}) {
	t.Helper()
	changes, goOn = make(chan string), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var mu sync.Mutex
	go func() {
		done <- Files(ctx, since, func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(*paths)
		}, func() {
			data, _ := os.ReadFile((*paths)[0])
			select {
			case changes <- string(data):
			case <-ctx.Done():
				return
			}
			select {
			case <-goOn:
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return changes, goOn
}

// expect waits for a call that finds want; what was written before may be told
// of once more.
func expect(t *testing.T, changes chan string, goOn chan struct{}, want string) {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		select {
		case got := <-changes:
			if got == want {
				return
			}
			goOn <- struct{}{}
		case <-limit.C:
			t.Fatalf("not told of %q", want)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	file, other := filepath.Join(dir, "stack.yaml"), filepath.Join(dir, "added.yaml")
	write(t, file, "a")
	paths := []string{file}
	since := time.Now().Add(time.Second) // nothing that was before counts
	changes, goOn := follow(t, since, &paths)

	write(t, filepath.Join(dir, "unrelated"), "x")
	waitWatched(t, file, changes, goOn)

	next := filepath.Join(dir, ".stack.yaml.tmp")
	write(t, next, "a rename")
	if err := os.Rename(next, file); err != nil {
		t.Fatal(err)
	}
	expect(t, changes, goOn, "a rename")
	paths = []string{file, other} // a file that joins the set
	goOn <- struct{}{}

	write(t, other, "new")
	expect(t, changes, goOn, "a rename")
	goOn <- struct{}{}
}

// waitWatched writes the file until that is told: nothing says when watching
// begins.
func waitWatched(t *testing.T, file string, changes chan string, goOn chan struct{}) {
	t.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	limit := time.After(20 * time.Second)
	for n := 1; ; n++ {
		write(t, file, strings.Repeat("x", n))
		select {
		case <-changes:
			goOn <- struct{}{}
			return
		case <-again.C:
		case <-limit:
			t.Fatal("not watched")
		}
	}
}

func TestAChangeBeforeTheWatchIsTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stack.yaml")
	since := time.Now()
	write(t, file, "written since it was loaded")
	paths := []string{file}
	changes, goOn := follow(t, since, &paths)
	expect(t, changes, goOn, "written since it was loaded")
	goOn <- struct{}{}
}

func TestAChangeDuringACallIsTold(t *testing.T) {
	dir := t.TempDir()
	file, other := filepath.Join(dir, "stack.yaml"), filepath.Join(dir, "other", "added.yaml")
	since := time.Now()
	write(t, file, "one")
	if err := os.Mkdir(filepath.Dir(other), 0o755); err != nil {
		t.Fatal(err)
	}
	paths := []string{file}
	changes, goOn := follow(t, since, &paths)
	expect(t, changes, goOn, "one")
	write(t, file, "three") // while the call that has read "one" goes on
	goOn <- struct{}{}
	expect(t, changes, goOn, "three")
	paths = []string{file, other} // it joins the set, in a folder that is not watched yet
	write(t, other, "new")
	goOn <- struct{}{}
	expect(t, changes, goOn, "three")
	goOn <- struct{}{}
}
