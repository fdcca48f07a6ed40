package watch

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	file, other := filepath.Join(dir, "stack.yaml"), filepath.Join(dir, "added.yaml")
	write(t, file, "a")
	paths := []string{file}
	ctx, cancel := context.WithCancel(t.Context())
	changes, asked := make(chan string), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- Files(ctx, func() []string {
			defer func() { go func() { asked <- struct{}{} }() }()
			return paths
		}, func() {
			data, _ := os.ReadFile(file)
			changes <- string(data)
			paths = []string{file, other}
		})
	}()
	<-asked

	write(t, filepath.Join(dir, "unrelated"), "x")
	write(t, file, "a write")
	if got := <-changes; got != "a write" {
		t.Errorf("after a write: %q", got)
	}
	<-asked

	next := filepath.Join(dir, ".stack.yaml.tmp")
	write(t, next, "a rename")
	if err := os.Rename(next, file); err != nil {
		t.Fatal(err)
	}
	if got := <-changes; got != "a rename" {
		t.Errorf("after an atomic save: %q", got)
	}
	<-asked

	write(t, other, "new")
	<-changes // a file that joined the set
	<-asked

	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
