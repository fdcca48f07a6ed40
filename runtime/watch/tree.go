package watch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// tree is all that is watched. Only the goroutine of Run touches it.
type tree struct {
	o      Options
	source source // nil without one: all is polled
	byPath map[string]*folder
	byID   map[fileID]*folder
	scopes map[string]*scope // by name

	visits  []*folder  // that are to be listed
	loose   []*anchor  // that are to be tied to what stands at their path
	links   []*anchor  // the same, of links; once there is nothing to visit
	late    []lateLook // for when there is nothing else
	lateAt  time.Time  // when the next of them are
	listers [listersMost]lister

	since   time.Time // what visits that compare take for changed
	calm    time.Time // when all events had been taken in last
	polling polling
	told    map[string]bool // notices
}

// folder is a real folder, and its watch. It is there as long as somebody has
// a use for it.
type folder struct {
	path    string // without symbolic links
	id      fileID
	nodes   []*node
	pins    []pin
	watched bool             // the source tells of it
	refused bool             // the source does not, because of a limit or an error
	queued  bool             // for a visit
	mode    visitMode        // of that visit
	seen    map[string]stamp // what the last look found, if it is polled
	whole   bool             // that was all there is, and not only what is pinned
}

// node is a folder as a scope sees it: what is in it is watched, and what is in
// the folders below it, which have nodes of their own.
type node struct {
	scope            *scope
	folder           *folder
	path             string // through links, if it is reached so
	parent, child    *node
	next, prev       *node // siblings
	anchor           *anchor
	inherited, layer *layer // the ignore files that hold above it, and in it
	repository       bool
	fate             fate
	fresh            bool // what it holds counts as changed when it is listed
	listed           bool
	since            int // if it is fresh: how many batches had been told then
}

func newTree(o Options, s source) *tree {
	return &tree{
		o: o, source: s, byPath: map[string]*folder{}, byID: map[fileID]*folder{}, scopes: map[string]*scope{},
		calm: time.Now(), told: map[string]bool{}, polling: polling{folders: map[*folder]bool{}},
	}
}

// enter returns the folder that stands at a real path, watched or polled from
// now on; nil when there is none.
func (t *tree) enter(path string, id fileID, poll bool) *folder {
	f := t.byPath[path]
	if f != nil && f.id != id {
		t.lose(f) // that was another one
		f = nil
	}
	if f == nil && id != (fileID{}) {
		if f = t.byID[id]; f != nil {
			if now, err := os.Lstat(f.path); err != nil || identify(now) != id {
				t.lose(f) // it has moved here, and its watch has its old name
				f = nil
			} // or else it is mounted twice
		}
	}
	known := f != nil
	if !known {
		f = &folder{path: path, id: id}
	}
	if poll {
		t.polling.folders[f] = true
	} else if !f.watched && !f.refused && !t.watch(f) {
		return nil
	}
	if known {
		return f
	}
	t.byPath[path] = f
	if id != (fileID{}) {
		t.byID[id] = f
	}
	return f
}

// watch has the source tell of a folder, or polls it; false means that it is
// not there.
func (t *tree) watch(f *folder) bool {
	if t.source == nil {
		f.refused, t.polling.folders[f] = true, true
		return true
	}
	err := t.source.add(f.path)
	switch {
	case err == nil:
		f.watched = true
		return true
	case errors.Is(err, fs.ErrNotExist):
		return false
	}
	t.refused(err, f.path)
	f.refused, t.polling.folders[f] = true, true
	return true
}

// release stops watching a folder that nobody has a use for.
func (t *tree) release(f *folder) {
	if len(f.nodes) > 0 || len(f.pins) > 0 {
		return
	}
	if f.watched {
		t.source.remove(f.path)
	}
	f.watched = false
	delete(t.polling.folders, f)
	if t.byPath[f.path] == f {
		delete(t.byPath, f.path)
	}
	if t.byID[f.id] == f {
		delete(t.byID, f.id)
	}
}

// lose lets go of a folder that is not where it was, or not the same any more.
// What wanted it looks for it anew.
func (t *tree) lose(f *folder) {
	for _, p := range slices.Clone(f.pins) {
		t.loosen(p.anchor)
	}
	for _, n := range slices.Clone(f.nodes) {
		if n.parent != nil {
			t.visit(n.parent.folder, visitNew)
		}
		t.drop(n)
	}
	f.pins = nil
	t.release(f)
}

// seat has a scope watch a folder, which the scope knows as path; nil when it
// is not there or is watched under another name.
func (t *tree) seat(s *scope, parent *node, path, real string, id fileID) *node {
	f := t.enter(real, id, s.Poll)
	if f == nil {
		return nil
	}
	if n := s.nodes[path]; n != nil {
		if n.folder == f {
			if n.parent == nil && parent != nil {
				n.join(parent)
			}
			return n
		}
		t.drop(n) // and maybe, with what is below it, f
		if f = t.enter(real, id, s.Poll); f == nil {
			return nil
		}
	}
	for _, n := range f.nodes {
		if n.scope == s {
			return nil
		}
	}
	n := &node{scope: s, path: path, folder: f}
	if parent != nil {
		n.join(parent)
		n.inherited = parent.layer
	} else {
		n.inherited = s.outer(path)
		t.followIgnoreFiles(s)
	}
	n.layer = n.inherited
	s.nodes[path] = n
	f.nodes = append(f.nodes, n)
	t.visit(f, 0)
	return n
}

// freshen has all that a new node holds count as changed.
func (n *node) freshen() {
	if !n.listed && !n.fresh {
		n.fresh, n.since = true, n.scope.tellings
		n.scope.walking++
	}
}

func (n *node) join(parent *node) {
	n.parent, n.next = parent, parent.child
	if parent.child != nil {
		parent.child.prev = n
	}
	parent.child = n
}

func (n *node) leave() {
	if n.parent == nil {
		return
	}
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		n.parent.child = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	}
	n.parent, n.next, n.prev = nil, nil, nil
}

// drop stops watching a node and all below it. What a scope names among them
// is looked for anew.
func (t *tree) drop(n *node) {
	for n.child != nil {
		t.drop(n.child)
	}
	n.leave()
	if n.fresh && !n.listed {
		n.scope.walking--
	}
	links := n.scope.owned[n]
	delete(n.scope.owned, n)
	for _, a := range links {
		t.forget(a)
	}
	if n.anchor != nil {
		n.anchor.node = nil
		t.loosen(n.anchor)
	}
	if n.scope.nodes[n.path] == n {
		delete(n.scope.nodes, n.path)
	}
	n.folder.nodes = slices.DeleteFunc(n.folder.nodes, func(o *node) bool { return o == n })
	t.release(n.folder)
}

// realOf returns where a path leads, without symbolic links, and what is there.
func realOf(path string) (string, fs.FileInfo, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", nil, err
	}
	st, err := os.Lstat(real)
	return real, st, err
}
