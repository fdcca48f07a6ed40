package watch

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
)

// TestIgnoredFoldersCostNothing holds that what is in them is never looked at.
func TestIgnoredFoldersCostNothing(t *testing.T) {
	dir := folderOf(t)
	files(t, dir, "src/main.py", ".git/objects/aa/x", ".venv/lib/y", "src/__pycache__/z.pyc", "build/out/o", "src/gen/g", "data/d", "docker/e", ".msctl/run/r")
	for i := range 50 {
		files(t, dir, fmt.Sprintf("node_modules/p%d/lib/", i))
	}
	files(t, dir, "sub/node_modules/x/")
	write(t, dir+"/.gitignore", "build/\n/src/gen\n")
	write(t, dir+"/.dockerignore", "docker\n")
	scope := scopeOf(dir)
	scope.Ignore = []string{"data"}
	c := &counted{}
	l := beginWith(t, c.open, scope)
	if got, want := c.below(dir), []string{"src", "sub"}; !slices.Equal(got, want) || c.raise(0) != 4 {
		t.Errorf("watched: %v (%d in all), want %v, %s and the one above", got, c.raise(0), want, dir)
	}
	for _, name := range []string{
		"node_modules/p1/lib/i.js", "build/out/o", "src/gen/g", "data/d", "docker/e", ".git/index", "src/app.log", "src/x.pyc",
		"app.sqlite3-wal", ".DS_Store", "dev.db", ".coverage", "src/.main.py.swp", "build/new/x", "sub/node_modules/y/z",
	} {
		files(t, dir, name)
	}
	remove(t, dir+"/build")
	remove(t, dir+"/node_modules")
	l.nothing(dir)
}

func TestIgnoreTakesBack(t *testing.T) {
	dir := folderOf(t)
	files(t, dir, "vendor/ours/x/f", "vendor/theirs/g", "node_modules/lib/src/h", "node_modules/other/i", "node_modules/lib/node_modules/j/k", "a.log", "keep.log", "gen/l", "dist/m")
	write(t, dir+"/.gitignore", "vendor/\ngen\n")
	write(t, dir+"/.dockerignore", "*\n!vendor\n")
	scope := scopeOf(dir)
	scope.Ignore = []string{"!/vendor/ours", "!node_modules/lib", "!keep.log", "gen", "!/dist"}
	c := &counted{}
	l := beginWith(t, c.open, scope)
	if got, want := c.below(dir), []string{"dist", "node_modules", "node_modules/lib", "node_modules/lib/src", "vendor", "vendor/ours", "vendor/ours/x"}; !slices.Equal(got, want) {
		t.Errorf("watched: %v, want %v", got, want)
	}
	files(t, dir, "vendor/theirs/g", "node_modules/other/i", "node_modules/lib/node_modules/j/k", "a.log", "gen/l", "vendor/loose", "node_modules/loose")
	write(t, dir+"/keep.log", "x")
	l.expect(dir + "/keep.log")
	for _, f := range []string{dir + "/vendor/ours/x/f", dir + "/dist/m", dir + "/node_modules/lib/src/h"} {
		write(t, f, "x")
		l.expect(f)
	}
}

func TestIgnoreFilesTakeEffectAtOnce(t *testing.T) {
	t.Parallel()
	base := folderOf(t)
	dir := base + "/svc"
	files(t, base, ".git/HEAD", "svc/src/a/f", "svc/gen/b/g", "svc/gen/b/deep/er/h", "svc/top/i")
	c := &counted{}
	l := beginWith(t, c.open, Scope{Name: "s", Dir: dir, Paths: []string{dir + "/src", dir + "/gen", dir + "/top"}})
	write(t, dir+"/gen/b/g", "1")
	l.expect(dir + "/gen/b/g")
	for _, tt := range []struct{ file, text string }{
		{"svc/.gitignore", "b/\n"},          // of a folder above, in the scope's
		{".gitignore", "/svc/gen/b\n"},      // of the repository's root
		{"svc/gen/.gitignore", "/b\n"},      // of a folder that is watched
		{"svc/.dockerignore", "gen/b\n"},    //
		{"svc/.dockerignore", "gen/**/*\n"}, //
	} {
		path := filepath.Join(base, tt.file)
		write(t, path, tt.text)
		l.drain(dir + "/src")
		if got := c.below(dir); slices.Contains(got, "gen/b") || slices.Contains(got, "gen/b/deep") {
			t.Errorf("%s with %q: still watched: %v", tt.file, tt.text, got)
		}
		write(t, dir+"/gen/b/g", "2")
		l.nothing(dir + "/src")
		remove(t, path)
		l.drain(dir + "/src")
		if got := c.below(dir); !slices.Contains(got, "gen/b/deep/er") {
			t.Errorf("without %s: watched: %v", tt.file, got)
		}
		write(t, dir+"/gen/b/deep/er/h", "3")
		l.expect(dir + "/gen/b/deep/er/h")
	}
	l.follow(Scope{Name: "s", Dir: dir, Paths: []string{dir + "/src", dir + "/gen", dir + "/top"}, Ignore: []string{"gen/b"}})
	write(t, dir+"/gen/b/g", "4")
	l.nothing(dir + "/src")
}

func TestIgnoreFilesOfDeepFolders(t *testing.T) {
	dir := folderOf(t)
	files(t, dir, "a/b/c/out/d/f", "a/b/c/src/g", "x/out/h")
	c := &counted{}
	l := beginWith(t, c.open, scopeOf(dir))
	all := c.below(dir)
	for range 3 {
		write(t, dir+"/.gitignore", "out/\n")
		l.drain(dir)
		if got, want := c.below(dir), []string{"a", "a/b", "a/b/c", "a/b/c/src", "x"}; !slices.Equal(got, want) {
			t.Errorf("watched: %v, want %v", got, want)
		}
		write(t, dir+"/.gitignore", "# out/\n")
		l.drain(dir)
		if got := c.below(dir); !slices.Equal(got, all) {
			t.Errorf("watched: %v, want %v", got, all)
		}
		l.nothing(dir)
	}
}

func TestARepositoryInAnother(t *testing.T) {
	dir := folderOf(t)
	files(t, dir, ".git/HEAD", "inner/.git/HEAD", "inner/x.gen", "inner/y.out", "a.gen")
	write(t, dir+"/.gitignore", "*.gen\n")
	write(t, dir+"/inner/.gitignore", "*.out\n")
	l := begin(t, scopeOf(dir))
	files(t, dir, "a.gen", "inner/y.out")
	l.nothing(dir)
	files(t, dir, "inner/x.gen")
	l.expect(dir + "/inner/x.gen")
}
