package watch

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestEditorsSave does what editors do to save a file, each as strace shows it.
func TestEditorsSave(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		editor string
		save   func(e editing)
	}{
		{"in place", func(e editing) { e.write(e.file, "x") }},
		{"vim", func(e editing) {
			e.write(e.dir+"/.main.py.swp", "swap")
			e.write(e.dir+"/.main.py.swx", "")
			e.remove(e.dir + "/.main.py.swx")
			e.write(e.dir+"/4913", "")
			e.remove(e.dir + "/4913")
			e.rename(e.file, e.file+"~")
			e.write(e.file, "vim")
			e.chmod(e.file, 0o644)
			e.remove(e.file + "~")
			e.remove(e.dir + "/.main.py.swp")
		}},
		{"emacs", func(e editing) {
			e.symlink("me@host.123:456", e.dir+"/.#main.py")
			e.write(e.dir+"/#main.py#", "auto")
			e.rename(e.file, e.file+"~")
			e.write(e.file, "emacs")
			e.remove(e.dir + "/#main.py#")
			e.remove(e.dir + "/.#main.py")
		}},
		{"JetBrains", func(e editing) {
			e.write(e.file+"___jb_tmp___", "jb")
			e.rename(e.file, e.file+"___jb_old___")
			e.rename(e.file+"___jb_tmp___", e.file)
			e.remove(e.file + "___jb_old___")
		}},
		{"gedit", func(e editing) {
			e.write(e.dir+"/.goutputstream-AB12CD", "gedit")
			e.rename(e.dir+"/.goutputstream-AB12CD", e.file)
		}},
		{"any name, then a rename", func(e editing) {
			e.write(e.dir+"/tmp8f2k1x", "python")
			e.rename(e.dir+"/tmp8f2k1x", e.file)
		}},
		{"any name, linked back", func(e editing) {
			e.write(e.dir+"/main.py.1234", "backup")
			e.write(e.file, "x")
			e.remove(e.dir + "/main.py.1234")
		}},
	} {
		t.Run(tt.editor, func(t *testing.T) {
			dir := folderOf(t)
			file := dir + "/main.py"
			files(t, dir, "main.py")
			l := begin(t, scopeOf(dir))
			for range 3 {
				l.atOnce(dir, func() { tt.save(editing{t, dir, file}) })
				l.expect(file)
			}
			l.nothing(dir)
		})
	}
}

// editing is a file that an editor saves.
type editing struct {
	t         *testing.T
	dir, file string
}

func (e editing) write(path, text string)          { e.t.Helper(); write(e.t, path, text) }
func (e editing) remove(path string)               { e.t.Helper(); remove(e.t, path) }
func (e editing) rename(from, to string)           { e.t.Helper(); rename(e.t, from, to) }
func (e editing) symlink(target, path string)      { e.t.Helper(); symlink(e.t, target, path) }
func (e editing) chmod(path string, m os.FileMode) { e.t.Helper(); chmod(e.t, path, m) }

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNoChange(t *testing.T) {
	dir := folderOf(t)
	files(t, dir, "main.py", "sub/f")
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(dir+"/main.py", old, old); err != nil {
		t.Fatal(err)
	}
	l := begin(t, scopeOf(dir))
	chmod(t, dir+"/main.py", 0o755)
	chmod(t, dir+"/sub", 0o700)
	if _, err := os.ReadFile(dir + "/main.py"); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(dir+"/main.py", os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	mkdir(t, dir+"/empty/er")
	remove(t, dir+"/empty")
	l.nothing(dir)
}

func TestOneBatchForACheckout(t *testing.T) {
	t.Parallel()
	const n = 1000
	dir := folderOf(t)
	git(t, dir, nil, "init", "-q")
	commit := "commit refs/heads/%s\ncommitter n <e> 0 +0000\ndata 0\nM 644 inline same\ndata 1\n.\n"
	stream := fmt.Appendf(nil, commit+commit, "one", "two") // quicker than to write the files first
	for i := range n {
		stream = fmt.Appendf(stream, "M 644 inline d%d/e%d/f%d\ndata 1\n.\n", i%10, i%100, i)
	}
	git(t, dir, stream, "fast-import", "--quiet")
	git(t, dir, nil, "checkout", "-q", "one")
	l := begin(t, scopeOf(dir))
	for _, branch := range []string{"two", "one"} {
		git(t, dir, nil, "checkout", "-q", branch)
		b := l.next()
		if len(b.Paths) != MaxPaths || !slices.IsSorted(b.Paths) {
			t.Errorf("to %s: told %d paths, want %d", branch, len(b.Paths), MaxPaths)
		}
		told := len(b.Paths) + b.More
		for range 2 { // where git had to wait for a processor in the middle of it
			if told < n {
				b = l.next()
				told += len(b.Paths) + b.More
			}
		}
		if told < n || told > n+110 {
			t.Errorf("to %s: told %d paths, want %d", branch, told, n)
		}
		l.nothing(dir)
	}
}

// TestABatchThatDoesNotSettle has changes that never stop for long: batches are
// told all the same, and the last change of all.
func TestABatchThatDoesNotSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []Batch
		tree := newTree(Options{Changed: func(b Batch) { told = append(told, b) }}, nil)
		s := &scope{}
		tree.scopes["s"] = s
		began := time.Now()
		var next time.Time
		pause := func(d time.Duration) {
			<-time.After(d)
			next = tree.tell(time.Now())
		}
		for i := range 1000 { // 5 s
			s.changed(fmt.Sprint(i), written)
			pause(5 * time.Millisecond)
		}
		if len(told) != 2 || told[0].At != began || told[1].At.Sub(began).Round(10*time.Millisecond) != batchMost {
			t.Errorf("told %d batches: %v", len(told), told)
		}
		s.changed("last", written)
		pause(time.Until(s.batch.due))
		if len(told) != 3 || !next.IsZero() || len(told[0].Paths)+told[0].More+len(told[1].Paths)+told[1].More+len(told[2].Paths)+told[2].More != 1001 {
			t.Errorf("told %d batches in all, the next is due %v", len(told), next)
		}
	})
}

// TestSavesInARow saves while others are being told: after the last one comes
// a batch.
func TestSavesInARow(t *testing.T) {
	dir := folderOf(t)
	file := dir + "/main.py"
	files(t, dir, "main.py")
	l := begin(t, scopeOf(dir))
	var mu sync.Mutex
	var last string // what the file held when it was told
	l.hold(func() {
		data, _ := os.ReadFile(file)
		mu.Lock()
		defer mu.Unlock()
		last = string(data)
	})
	for i := range 200 {
		write(t, file, fmt.Sprint(i))
		if i%20 == 0 {
			l.next()
		}
	}
	for {
		l.next()
		mu.Lock()
		done := last == "199"
		mu.Unlock()
		if done {
			return
		}
	}
}

// TestQuiet holds how soon batches are told.
func TestQuiet(t *testing.T) {
	s := &scope{}
	quiet := func(n int) time.Duration {
		s.batch = nil
		for i := range n {
			s.changed(fmt.Sprint("f", i), written)
		}
		return s.batch.quiet()
	}
	if q := quiet(1); q < 5*time.Millisecond || q > 15*time.Millisecond {
		t.Errorf("a single save is told after %v", q)
	}
	if one, few, many, all := quiet(1), quiet(5), quiet(50), quiet(70000); one >= few || few >= many || many >= all || all != quietMost {
		t.Errorf("told after %v, %v, %v, %v: want it to grow up to %v", one, few, many, all, quietMost)
	}
	if n := len(s.batch.paths) + s.batch.more; n != 70000 || len(s.batch.paths) > maxBatch {
		t.Errorf("a batch of 70000 holds %d paths, %d in all", len(s.batch.paths), n)
	}
}

// TestOverflow has the kernel's queue run over while nobody looks at it.
func TestOverflow(t *testing.T) {
	t.Parallel()
	dir := folderOf(t)
	files(t, dir, "src/main.py", "other/lost", "other/removed", "conf")
	queue, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Skip(err)
	}
	var n int
	if _, err := fmt.Sscan(string(queue), &n); err != nil || n > 1<<16 {
		t.Skip("the queue is too long to fill: ", n, err)
	}
	scope := scopeOf(dir)
	scope.Paths = []string{dir + "/src", dir + "/other", dir + "/conf"}
	l := begin(t, scope)
	l.atOnce(dir+"/src", func() { floodAndLose(t, dir, n) })
	l.until(dir+"/other/lost", dir+"/src/new/folder/f", dir+"/src/noise.txt", dir+"/conf")
	write(t, dir+"/src/new/folder/f", "y")
	l.until(dir + "/src/new/folder/f")
}

// floodAndLose makes more events than the kernel keeps, and then the changes
// that matter.
func floodAndLose(t *testing.T, dir string, queue int) {
	t.Helper()
	f, err := os.Create(dir + "/src/noise.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := os.Create(dir + "/src/noise2.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for range queue/2 + 2*ahead { // writes to one file in a row are one event
		f.WriteString("x")
		g.WriteString("x")
	}
	write(t, dir+"/other/lost", "this finds the queue full")
	write(t, dir+"/conf", "and this")
	remove(t, dir+"/other/removed")
	files(t, dir, "src/new/folder/f")
}
