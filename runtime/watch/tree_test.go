package watch

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestScopesShareWatches(t *testing.T) {
	dir := folderOf(t)
	files(t, dir, "lib/x/a", "api/src/b", "web/c")
	c := &counted{}
	scopes := []Scope{
		{Name: "all", Dir: dir, Paths: []string{dir}},
		{Name: "api", Dir: dir + "/api", Paths: []string{dir + "/api", dir + "/lib"}},
		{Name: "web", Dir: dir + "/web", Paths: []string{dir + "/web", dir + "/lib/x/a"}},
	}
	l := beginWith(t, c.open, scopes...)
	if got, want := c.below(dir), []string{"api", "api/src", "lib", "lib/x", "web"}; !slices.Equal(got, want) || c.raise(0) != 7 {
		t.Errorf("%d times watched: %v, want %v once each, and %s and the one above", c.raise(0), got, want, dir)
	}
	write(t, dir+"/lib/x/a", "changed")
	var told []string
	for range 3 {
		told = append(told, l.next().Scope)
	}
	if slices.Sort(told); !slices.Equal(told, []string{"all", "api", "web"}) {
		t.Errorf("told %v", told)
	}

	// What stays is not walked again, what goes is let go.
	before := c.raise(0)
	l.follow(scopes[1], Scope{Name: "web", Dir: dir + "/web", Paths: []string{dir + "/web"}})
	if got, want := c.below(dir), []string{"api", "api/src", "lib", "lib/x", "web"}; !slices.Equal(got, want) || c.raise(0) != before {
		t.Errorf("watched: %v, %d times more; want %v", got, c.raise(0)-before, want)
	}
	l.follow(Scope{Name: "web", Dir: dir + "/web", Paths: []string{dir + "/web"}})
	if got, want := c.below(dir), []string{"web"}; !slices.Equal(got, want) || c.raise(0) != before {
		t.Errorf("watched: %v, %d times more; want %v", got, c.raise(0)-before, want)
	}
	l.follow()
	if len(c.now) > 0 {
		t.Errorf("still watched: %v", c.now)
	}
}

func TestNestedPathsOfOneScope(t *testing.T) {
	dir := folderOf(t)
	files(t, dir, "a/b/f")
	c := &counted{}
	both := Scope{Name: "s", Dir: dir, Paths: []string{dir + "/a", dir + "/a/b", dir + "/a/b/f"}}
	l := beginWith(t, c.open, both)
	write(t, dir+"/a/b/f", "x")
	l.expect(dir + "/a/b/f")
	before := c.raise(0)
	both.Paths = both.Paths[1:]
	l.follow(both)
	if c.raise(0) != before || c.now[dir+"/a/b"] != true {
		t.Errorf("watched: %v", c.now)
	}
	files(t, dir, "a/other")
	write(t, dir+"/a/b/f", "y")
	l.expect(dir + "/a/b/f")
	remove(t, dir+"/a/b")
	l.until(dir + "/a/b/f")
	files(t, dir, "a/b/f")
	l.until(dir + "/a/b/f")
}

func TestMovedFolders(t *testing.T) {
	dir := folderOf(t)
	files(t, dir, "a/x/one", "b/y/two")
	l := begin(t, scopeOf(dir))
	// Swap them, and move one into the other: watches keep their old names
	// until the events are taken in.
	rename(t, dir+"/a", dir+"/c")
	rename(t, dir+"/b", dir+"/a")
	rename(t, dir+"/c", dir+"/a/y/c")
	l.until(dir+"/a/y/two", dir+"/a/y/c/x/one", dir+"/b")
	write(t, dir+"/a/y/c/x/one", "1")
	l.until(dir + "/a/y/c/x/one")
	write(t, dir+"/a/y/two", "2")
	l.until(dir + "/a/y/two")
	for i := range 30 {
		rename(t, dir+"/a/y", dir+"/z")
		mkdir(t, dir+"/a/y")
		rename(t, dir+"/z", dir+"/a/y/z")
		rename(t, dir+"/a/y/z", dir+"/n")
		remove(t, dir+"/a/y")
		rename(t, dir+"/n", dir+"/a/y")
		write(t, dir+"/a/y/two", fmt.Sprint(i))
	}
	l.until(dir + "/a/y/two")
	l.drain(dir)
	write(t, dir+"/a/y/c/x/one", "still")
	l.until(dir + "/a/y/c/x/one")
	l.drain(dir)
	remove(t, dir+"/b")
	l.nothing(dir)
}

func TestAFolderOutOfTheTree(t *testing.T) {
	dir, out := folderOf(t), folderOf(t)
	files(t, dir, "a/x/f", "b/g")
	c := &counted{}
	l := beginWith(t, c.open, scopeOf(dir))
	rename(t, dir+"/a", out+"/a")
	l.expect(dir + "/a")
	write(t, out+"/a/x/f", "not ours any more")
	l.nothing(dir)
	if got := c.below(dir); !slices.Equal(got, []string{"b"}) {
		t.Errorf("watched: %v", got)
	}
}

func TestCaseOnlyRename(t *testing.T) {
	dir := folderOf(t)
	files(t, dir, "Main.py", "Src/f")
	l := begin(t, scopeOf(dir))
	l.atOnce(dir, func() { rename(t, dir+"/Main.py", dir+"/main.py") })
	l.expect(dir+"/Main.py", dir+"/main.py")
	rename(t, dir+"/Src", dir+"/src")
	l.until(dir+"/Src", dir+"/src/f")
	write(t, dir+"/src/f", "x")
	l.until(dir + "/src/f")
}

func TestAPathThatIsMissingOrGoes(t *testing.T) {
	t.Parallel()
	base := folderOf(t)
	dir := base + "/repo/svc"
	scope := Scope{Name: "api", Dir: dir, Paths: []string{dir + "/src", dir + "/conf/main.toml"}}
	l := begin(t, scope)
	files(t, dir, "conf/main.toml", "src/a/f")
	l.until(dir+"/src/a/f", dir+"/conf/main.toml")
	l.drain(dir + "/src")
	for i := range 5 {
		remove(t, base+"/repo")
		l.until(dir+"/src", dir+"/conf/main.toml")
		files(t, dir, "src/a/f", "conf/main.toml")
		l.until(dir+"/src/a/f", dir+"/conf/main.toml")
		l.drain(dir + "/src")
		write(t, dir+"/conf/main.toml", fmt.Sprint(i))
		l.expect(dir + "/conf/main.toml")
		write(t, dir+"/src/a/f", fmt.Sprint(i))
		l.expect(dir + "/src/a/f")
	}
	// As editors and deployments swap a folder.
	files(t, dir, "next/a/f")
	rename(t, dir+"/src", dir+"/old")
	rename(t, dir+"/next", dir+"/src")
	l.until(dir + "/src/a/f")
	l.drain(dir + "/src")
	write(t, dir+"/src/a/f", "the new one")
	l.expect(dir + "/src/a/f")
	write(t, dir+"/old/a/f", "the old one")
	l.nothing(dir + "/src")
	var missing []string
	for _, err := range l.noticed() {
		missing = append(missing, strings.ReplaceAll(err.Error(), base, ""))
	}
	slices.Sort(missing)
	if want := []string{
		"watch api: /repo/svc/conf/main.toml is not there; waiting for it",
		"watch api: /repo/svc/src is not there; waiting for it",
	}; !slices.Equal(missing, want) {
		t.Errorf("noticed %q", missing)
	}
}

func TestSymlinks(t *testing.T) {
	t.Parallel()
	dir, out := folderOf(t), folderOf(t)
	files(t, dir, "src/f", "real/g", "z/")
	files(t, out, "shared/lib/h", "conf/one.toml", "conf/two.toml")
	symlink(t, out+"/shared", dir+"/src/shared")
	symlink(t, "../../"+filepath.Base(filepath.Dir(out))+"/none", dir+"/src/dangling")
	symlink(t, out+"/conf/one.toml", dir+"/src/conf.toml")
	symlink(t, "..", dir+"/src/up") // a cycle
	symlink(t, "/", dir+"/z/root")  // all there is
	symlink(t, "real", dir+"/alias")
	symlink(t, "loop", dir+"/loop")
	symlink(t, out+"/later", dir+"/later")
	c := &counted{}
	l := beginWith(t, c.open, scopeOf(dir))
	if got, want := c.below(dir), []string{"real", "src", "z"}; !slices.Equal(got, want) {
		t.Errorf("watched: %v, want %v", got, want)
	}
	write(t, out+"/shared/lib/h", "x")
	l.expect(dir + "/src/shared/lib/h")
	write(t, out+"/conf/one.toml", "x")
	l.expect(dir + "/src/conf.toml")
	write(t, out+"/conf/two.toml", "x") // nobody links to it
	write(t, dir+"/real/g", "x")
	l.expect(dir + "/real/g")
	// A link that leads elsewhere.
	symlink(t, out+"/conf/two.toml", dir+"/src/tmp")
	rename(t, dir+"/src/tmp", dir+"/src/conf.toml")
	l.until(dir + "/src/conf.toml")
	l.drain(dir)
	write(t, out+"/conf/one.toml", "not any more")
	write(t, out+"/conf/two.toml", "but this one")
	l.expect(dir + "/src/conf.toml")
	// A target that comes, and goes.
	files(t, out, "later/f")
	l.until(dir + "/later")
	l.drain(dir)
	write(t, out+"/later/f", "x")
	l.expect(dir + "/later/f")
	remove(t, dir+"/src/shared")
	l.expect(dir + "/src/shared")
	write(t, out+"/shared/lib/h", "nobody follows it")
	l.nothing(dir)
}

func TestAPathThatIsALink(t *testing.T) {
	dir := folderOf(t)
	files(t, dir, "releases/1/f", "releases/2/f")
	symlink(t, "releases/1", dir+"/current")
	l := begin(t, Scope{Name: "s", Dir: dir + "/current", Paths: []string{dir + "/current"}})
	write(t, dir+"/releases/1/f", "x")
	l.expect(dir + "/current/f")
	symlink(t, "releases/2", dir+"/next")
	rename(t, dir+"/next", dir+"/current")
	l.until(dir + "/current/f")
	l.drain(dir + "/releases/2/../../current")
	write(t, dir+"/releases/2/f", "y")
	l.expect(dir + "/current/f")
	write(t, dir+"/releases/1/f", "z")
	l.nothing(dir + "/current")
}

// TestChangesDuringAWalk has files and folders come and go while the tree is
// being walked; afterwards all that is left must be watched.
func TestChangesDuringAWalk(t *testing.T) {
	t.Parallel()
	dir := folderOf(t)
	for i := range 25 {
		files(t, dir, fmt.Sprintf("d%d/a/b/f", i))
	}
	c := &counted{}
	n := 0
	c.before = func(path string) {
		if n++; !strings.HasPrefix(path, dir) || n%3 != 0 || n > 200 {
			return
		}
		files(t, dir, fmt.Sprintf("new%d/x/y", n), fmt.Sprintf("d%d/more%d/f", n%25, n))
		os.RemoveAll(fmt.Sprintf("%s/d%d/a", dir, (n*7)%25))
		os.Rename(fmt.Sprintf("%s/d%d/a/b", dir, (n*11)%25), fmt.Sprintf("%s/d%d/b", dir, n%25))
	}
	l := beginWith(t, c.open, scopeOf(dir))
	l.drain(dir)
	var left []string
	for _, path := range everything(t, dir) {
		path = filepath.Join(dir, path)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
			left = append(left, path)
		}
	}
	for some := range slices.Chunk(left, 10) {
		for _, path := range some {
			write(t, path, "last")
		}
		l.until(some...)
	}
}

func TestChangesBeforeTheWatch(t *testing.T) {
	dir := folderOf(t)
	files(t, dir, "a/in-place", "b/old")
	began := time.Now()
	c := &counted{before: func(path string) {
		for stamp := began; path == filepath.Join(dir, "a") && !stamp.After(began.Add(100*time.Millisecond)); {
			write(t, dir+"/a/in-place", "saved while others were being watched")
			st, err := os.Stat(dir + "/a/in-place")
			if err != nil {
				t.Fatal(err)
			}
			stamp = st.ModTime()
		}
	}}
	l := beginWith(t, c.open, scopeOf(dir))
	l.expect(dir + "/a/in-place")
	l.nothing(dir)
}

// TestRandomMoves makes, moves and removes folders at random; what is watched
// must come to be what is there, and be told of.
func TestRandomMoves(t *testing.T) {
	t.Parallel()
	dir := folderOf(t)
	c := &counted{}
	l := beginWith(t, c.open, scopeOf(dir))
	random := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	path := func() string {
		p := dir
		for range 1 + random.IntN(3) {
			p = filepath.Join(p, string(rune('a'+random.IntN(4))))
		}
		return p
	}
	for round := range 4 {
		for range 150 {
			switch p := path(); random.IntN(4) {
			case 0:
				os.RemoveAll(p)
			case 1:
				os.Rename(p, path())
			default:
				os.MkdirAll(p, 0o755)
			}
		}
		var there, saved []string
		for _, rel := range everything(t, dir) {
			if st, err := os.Lstat(filepath.Join(dir, rel)); err == nil && st.IsDir() {
				there = append(there, rel)
				saved = append(saved, filepath.Join(dir, rel, fmt.Sprint("f", round)))
			}
		}
		slices.Sort(there)
		waitFor(t, func() bool { return slices.Equal(c.below(dir), there) })
		for some := range slices.Chunk(saved, 20) {
			for _, file := range some {
				write(t, file, "x")
			}
			l.until(some...)
		}
	}
}
