package watch

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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

// lateLook is for what was written between a scope's being asked for and the
// folder's being watched.
type lateLook struct {
	node  *node
	until time.Time
}

// visitOne lists a folder that was queued.
func (t *tree) visitOne(f *folder) {
	mode := f.mode
	f.queued, f.mode = false, 0
	if len(f.nodes) == 0 {
		return
	}
	watched := time.Now() // at the latest
	entries, err := list(f.path)
	if err != nil {
		t.unread(f, err)
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

// list returns what is in a folder, in no order.
func list(path string) ([]fs.DirEntry, error) {
	d, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer d.Close() //nolint:errcheck // only read
	return d.ReadDir(-1)
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

// reconcile has the nodes below n be those of the folders that are there.
func (t *tree) reconcile(n *node, entries []fs.DirEntry, mode visitMode) {
	t.readLayer(n, entries)
	fresh := n.fresh && !n.listed
	var there map[string]bool
	if n.listed {
		there = map[string]bool{}
	}
	found := false
	for _, e := range entries {
		switch kind := e.Type(); {
		case kind.IsDir():
			if path := join(n.path, e.Name()); t.descend(n, path, e, fresh || n.listed && mode != 0) && there != nil {
				there[path] = true
			}
		case kind&fs.ModeSymlink != 0:
			if path := join(n.path, e.Name()); n.scope.decide(path, n.layer, n.passed, true) == followed {
				if fresh {
					n.scope.changed(path, born|written)
				}
				t.link(n, path)
			}
		case !kind.IsRegular():
		case fresh:
			if path := join(n.path, e.Name()); n.scope.decide(path, n.layer, n.passed, false) == followed {
				n.scope.changed(path, born|written)
			}
		case mode&visitCompare != 0:
			found = n.compare(e, t.since, time.Time{}) || found
		}
	}
	if n.listed {
		t.dropMissing(n, there, mode)
	}
	if mode&visitCompare != 0 && !found && n.listed {
		// Something may have gone, of which nothing is left but the folder's time.
		if st, err := os.Lstat(n.folder.path); err == nil && st.ModTime().After(t.since) {
			n.scope.changed(n.path, written)
		}
	}
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
func (t *tree) descend(n *node, path string, e fs.DirEntry, fresh bool) bool {
	fate := n.scope.decide(path, n.layer, n.passed, true)
	if fate == left {
		if c := n.scope.nodes[path]; c != nil && c.parent == n {
			t.drop(c)
		}
		return false
	}
	st, err := e.Info()
	if err != nil || !st.IsDir() {
		return false
	}
	known := n.scope.nodes[path]
	c := t.seat(n.scope, n, path, join(n.folder.path, e.Name()), st)
	if c == nil {
		return false
	}
	c.passed = fate == passed
	if c != known && fresh {
		c.freshen()
	}
	if c.inherited != n.layer {
		c.inherited = n.layer
		c.relayer()
	}
	return true
}

// compare tells of a file that has changed after since and, unless that is
// zero, before until.
func (n *node) compare(e fs.DirEntry, since, until time.Time) bool {
	st, err := e.Info()
	if err != nil {
		return false
	}
	at := changeTime(st)
	if !at.After(since) || !until.IsZero() && at.After(until) {
		return false
	}
	path := join(n.path, e.Name())
	if n.scope.decide(path, n.layer, n.passed, false) != followed {
		return false
	}
	n.scope.changed(path, written)
	return true
}

// lookLate looks for changes in a folder that came before its watch.
func (t *tree) lookLate(l lateLook) {
	n := l.node
	if n.scope.nodes[n.path] != n || !n.scope.since.Before(l.until) {
		return
	}
	entries, err := list(n.folder.path)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			n.compare(e, n.scope.since, l.until)
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
