package watch

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// visitMode says what a visit is for, beyond finding the folders below.
type visitMode uint8

const (
	visitNew     visitMode = 1 << iota // what folders that were not known hold counts as changed
	visitCompare                       // what has changed since tree.since does, too
)

// visit has a folder be listed soon. That is always right, and may be needless.
func (t *tree) visit(f *folder, mode visitMode) {
	f.mode |= mode
	if !f.queued {
		f.queued = true
		t.visits = append(t.visits, f)
	}
}

const (
	// listersMost is how many folders are listed at a time, and visitsMost how
	// many before what is in them is taken in.
	listersMost = 4
	visitsMost  = 32
)

// visitSome lists folders that are queued: the listing, which is most of the
// work, side by side.
func (t *tree) visitSome() {
	type visited struct {
		folder  *folder
		mode    visitMode
		want    wanted
		at      time.Time // it has been watched since then at the latest
		entries []entry
		err     error
	}
	var some [visitsMost]visited
	n := 0
	for n < visitsMost && len(t.visits) > 0 {
		f := pop(&t.visits)
		v := visited{folder: f, mode: f.mode, at: time.Now()}
		f.queued, f.mode = false, 0
		if v.mode&visitCompare != 0 {
			v.want.after = t.since
		}
		for _, n := range f.nodes {
			v.want.all = v.want.all || n.fresh && !n.listed
		}
		if len(f.nodes) > 0 {
			some[n] = v
			n++
		}
	}
	var next atomic.Int32
	work := func(l *lister) {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			v := &some[i]
			v.entries, v.err = l.list(v.folder.path, v.want)
		}
	}
	var others sync.WaitGroup
	for i := 1; i < min(listersMost, runtime.GOMAXPROCS(0), (n+3)/4); i++ {
		others.Go(func() { work(&t.listers[i]) })
	}
	work(&t.listers[0])
	others.Wait()
	for _, v := range some[:n] {
		if v.err != nil {
			t.unread(v.folder, v.err)
		} else {
			t.visited(v.folder, v.entries, v.mode, v.at)
		}
	}
}

// visited takes in what a folder holds.
func (t *tree) visited(f *folder, entries []entry, mode visitMode, watched time.Time) {
	if f.queued { // again meanwhile, maybe for a node that needs more
		f.mode |= mode
		return
	}
	if t.polling.folders[f] {
		t.look(f)
	}
	for _, n := range slices.Clone(f.nodes) {
		if n.scope.nodes[n.path] != n {
			continue // it has left meanwhile
		}
		t.reconcile(n, entries, mode)
		switch {
		case n.listed:
		case n.fresh:
			n.scope.walking--
		case !n.scope.Poll: // whose files another clock may have stamped
			t.late = append(t.late, lateLook{n, watched})
		}
		n.listed = true
	}
}

// unread takes in that a folder could not be listed.
func (t *tree) unread(f *folder, err error) {
	switch {
	case !os.IsNotExist(err):
		t.notice("read "+f.path, err)
	case !f.watched:
		t.lose(f)
		return
	default:
		// What was in it is told by events that are still to come, while it has
		// its watch, and so is its own end.
	}
	for _, n := range f.nodes {
		if n.fresh && !n.listed {
			n.scope.walking--
		}
		n.listed = true
	}
}

// reconcile has the nodes below n be those of the folders that are there, and
// tells of files that count as changed.
func (t *tree) reconcile(n *node, entries []entry, mode visitMode) {
	t.readLayer(n, entries)
	compare := n.listed && mode&visitCompare != 0
	fresh := n.fresh && !n.listed
	var there map[string]bool
	if n.listed {
		there = map[string]bool{}
	}
	found := false
	for _, e := range entries {
		path := join(n.path, e.name)
		switch {
		case e.kind.IsDir():
			if t.descend(n, path, e, fresh || n.listed && mode != 0) && there != nil {
				there[path] = true
			}
		case e.kind&fs.ModeSymlink != 0:
			if n.scope.decide(path, n.layer, n.fate, true).told() {
				if fresh {
					n.scope.changed(path, born|written)
				}
				t.link(n, path)
			}
		default:
			if m := n.counts(e, compare, t.since); m != 0 && n.scope.decide(path, n.layer, n.fate, false).told() {
				n.scope.changed(path, m)
				found = true
			}
		}
	}
	if n.listed {
		t.dropMissing(n, there, mode)
	}
	if compare && !found {
		// Something may have gone, of which nothing is left but the folder's time.
		if st, err := os.Lstat(n.folder.path); err == nil && st.ModTime().After(t.since) {
			n.scope.changed(n.path, written)
		}
	}
}

// counts returns the mark of a file that has been listed if it counts as
// changed: in a folder that is new, or after events were lost.
func (n *node) counts(e entry, compare bool, since time.Time) mark {
	switch {
	case !n.listed && n.fresh:
		return born | written
	case compare && e.at.After(since):
		return written
	}
	return 0
}

// dropMissing drops the nodes below n whose folders are not there, unless
// events will tell of it.
func (t *tree) dropMissing(n *node, there map[string]bool, mode visitMode) {
	if n.folder.watched && mode&visitCompare == 0 {
		return
	}
	for c := n.child; c != nil; {
		next := c.next
		if !there[c.path] {
			n.scope.changed(c.path, gone)
			t.drop(c)
		}
		c = next
	}
}

// descend sees to the node of a folder in n, and reports whether it has one.
func (t *tree) descend(n *node, path string, e entry, fresh bool) bool {
	fate := n.scope.decide(path, n.layer, n.fate, true)
	if fate == left {
		if c := n.scope.nodes[path]; c != nil && c.parent == n {
			t.drop(c)
		}
		return false
	}
	known := n.scope.nodes[path]
	real := join(n.folder.path, e.name)
	c := t.seat(n.scope, n, path, real, e.id)
	if c == nil {
		if _, err := os.Lstat(real); err != nil && fresh {
			n.scope.changed(path, born|written) // and gone, as an event will say
		}
		return false
	}
	if c.fate != fate {
		c.fate = fate
		t.visit(c.folder, 0) // which may have been listed as what it was
	}
	if c != known && fresh {
		c.freshen()
	}
	if c.inherited != n.layer {
		c.inherited = n.layer
		c.relayer()
	}
	return true
}

// lateLook is for what was written between a scope's being asked for and the
// folder's being watched. That takes a second pass: asking for the time of each
// file is half of the work, and would keep everything waiting.
type lateLook struct {
	node  *node
	until time.Time
}

func (t *tree) lookLate(l lateLook) {
	n := l.node
	if n.scope.nodes[n.path] != n {
		return
	}
	entries, err := t.listers[0].list(n.folder.path, wanted{after: n.scope.since})
	if err != nil {
		return // its end is told by an event
	}
	for _, e := range entries {
		if !e.kind.IsRegular() || !e.mod.After(n.scope.since) || e.mod.After(l.until) {
			continue
		}
		if path := join(n.path, e.name); n.scope.decide(path, n.layer, n.fate, false).told() {
			n.scope.changed(path, written)
		}
	}
}

// join is filepath.Join of a clean path and a name.
func join(dir, name string) string {
	if dir[len(dir)-1] == filepath.Separator {
		return dir + name
	}
	return dir + string(filepath.Separator) + name
}
