package watch

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// event takes in what the source says. Events are late, and say what was, not
// what is: a folder that one is about is looked at again.
func (t *tree) event(e fsnotify.Event) {
	if e.Name == "" {
		return // of a watch that is no more
	}
	wasFolder := t.byPath[e.Name]
	if wasFolder != nil && e.Op&(fsnotify.Remove|fsnotify.Rename) != 0 {
		t.lose(wasFolder)
	}
	if f := t.byPath[filepath.Dir(e.Name)]; f != nil {
		t.entry(f, filepath.Base(e.Name), e.Op, wasFolder != nil, false)
	}
}

// entry takes in that something has happened to a name in a folder. polled
// says who has found that, and so whom it is for.
func (t *tree) entry(f *folder, name string, op fsnotify.Op, wasFolder, polled bool) {
	var st fs.FileInfo
	if op&(fsnotify.Create|fsnotify.Chmod) != 0 {
		st, _ = os.Lstat(join(f.path, name)) // nil when it has gone again
	}
	if op == fsnotify.Chmod && (st == nil || !touched(st)) {
		return
	}
	for i := 0; i < len(f.nodes); i++ {
		if n := f.nodes[i]; polled == (n.scope.Poll || !f.watched) {
			t.inNode(n, name, op, st, wasFolder)
		}
	}
	for _, p := range f.pins {
		if p.name == name && polled == (p.anchor.scope.Poll || !f.watched) {
			t.atPin(f, p, op)
		}
	}
}

// inNode takes an event in for one scope.
func (t *tree) inNode(n *node, name string, op fsnotify.Op, st fs.FileInfo, wasFolder bool) {
	path := join(n.path, name)
	if name == gitignoreName {
		t.visit(n.folder, 0)
	}
	s := n.scope
	told := func(dir bool) bool { return s.decide(path, n.layer, n.fate, dir).told() }
	switch {
	case op&(fsnotify.Remove|fsnotify.Rename) != 0 && op&fsnotify.Create == 0:
		if a := s.links[path]; a != nil {
			t.forget(a)
		}
		// What it was is not known, unless it was a folder that was watched. A
		// folder that was removed was emptied before, and that has been told.
		if wasFolder && op&fsnotify.Rename == 0 || !told(false) || !told(true) {
			return
		}
		if n.fresh && n.since == s.tellings {
			s.changed(path, born|written|gone) // nothing in the folder has been told yet
		} else {
			s.changed(path, gone)
		}
	case op&fsnotify.Create != 0:
		t.created(n, name, path, st)
	case s.nodes[path] != nil:
		// A folder's own time or mode.
	case told(false):
		s.changed(path, written)
	}
}

// created takes in that there is a new name in a folder.
func (t *tree) created(n *node, name, path string, st fs.FileInfo) {
	s := n.scope
	if a := s.links[path]; a != nil {
		t.forget(a)
	}
	old := s.nodes[path]
	isDir := st != nil && st.IsDir()
	if old != nil && !isDir {
		t.drop(old)
		old = nil
	}
	link := st != nil && st.Mode()&fs.ModeSymlink != 0
	switch f := s.decide(path, n.layer, n.fate, isDir || link); {
	case isDir && f != left:
		real := join(n.folder.path, name)
		switch c := t.seat(s, n, path, real, identify(st)); {
		case c != nil && c != old:
			c.fate = f
			c.freshen()
		case c == nil:
			if _, err := os.Lstat(real); err != nil {
				s.changed(path, born|written) // and gone, as the next event will say
			}
		}
	case isDir || !f.told():
	case link:
		s.changed(path, born)
		t.link(n, path)
	case st == nil:
		s.changed(path, born|written) // and gone, as the next event will say
	case st.Mode().IsRegular():
		s.changed(path, born)
	}
}

// atPin takes in what happened to a name that leads to an anchor's path.
func (t *tree) atPin(f *folder, p pin, op fsnotify.Op) {
	a := p.anchor
	if !p.last || op&(fsnotify.Create|fsnotify.Remove|fsnotify.Rename) != 0 {
		t.loosen(a)
	}
	if !p.last || a.stands != aFile {
		return
	}
	if a.rules {
		t.reread(a)
		return
	}
	if a.owner != nil {
		for _, n := range f.nodes {
			if n.scope == a.scope && a.scope.decide(join(n.path, p.name), n.layer, n.fate, false).told() {
				return // it is told by its own name
			}
		}
	}
	mark := written
	if op&(fsnotify.Remove|fsnotify.Rename) != 0 {
		mark = gone
	}
	a.scope.changed(a.as, mark)
}
