package watch

import (
	"os"
	"path/filepath"
	"slices"
)

// anchor is a path that is followed by its name, whatever comes to stand
// there: one that a scope names, the target of a link, an ignore file. While
// nothing does, the nearest folder above is watched for it.
type anchor struct {
	scope *scope
	path  string
	as    string // what changes are told as
	top   string // how far up folders are watched for their being swapped; "" for one
	owner *node  // of a link: the folder that it is in
	rules bool   // an ignore file, which is read and not told

	silent bool // it has not been tied yet: what is found is not new
	loose  bool // it is queued to be tied
	lost   bool // it is not wanted any more
	stands standing
	node   *node
	pinned []*folder
}

// standing is what an anchor was tied to last.
type standing byte

const (
	nothing standing = iota
	aFile
	aFolder
)

// pin has a folder be watched for one name in it.
type pin struct {
	name   string
	anchor *anchor
	last   bool // the name is that of the anchor's path itself
}

// loosen has an anchor be tied anew soon.
func (t *tree) loosen(a *anchor) {
	switch {
	case a.loose || a.lost:
	case a.owner != nil:
		a.loose = true
		t.links = append(t.links, a)
	default:
		a.loose = true
		t.loose = append(t.loose, a)
	}
}

// tie ties an anchor to what stands at its path now. Its folders are watched
// before that is looked at, so that what comes later is told.
func (t *tree) tie(a *anchor) {
	a.loose = false
	if a.lost {
		return
	}
	before := a.pinned
	a.pinned = nil
	t.pinAll(a)
	silent, stood, was := a.silent, a.stands, a.node
	a.silent = false
	real, st, err := realOf(a.path)
	switch {
	case err != nil:
		a.stands = nothing
	case st.IsDir():
		a.stands = aFolder
	default:
		a.stands = aFile
	}
	if a.stands == aFolder && !a.rules {
		t.tieFolder(a, real, st, silent)
	} else if was != nil {
		a.node, was.anchor = nil, nil
		t.drop(was)
	}
	for _, f := range before {
		t.unpin(f, a)
	}
	switch {
	case silent:
	case a.rules:
		if stood != a.stands {
			t.reread(a)
		}
	case a.owner != nil:
		if stood != a.stands || was != a.node {
			a.scope.changed(a.as, written)
		}
	case a.stands == aFile && stood != aFile:
		a.scope.changed(a.as, born)
	case a.stands == nothing && stood != nothing:
		a.scope.changed(a.as, gone)
	}
}

func (t *tree) tieFolder(a *anchor, real string, st os.FileInfo, silent bool) {
	was := a.node
	if a.owner != nil {
		for _, n := range a.scope.named {
			if n.node == nil {
				continue
			}
			if _, inside := within(real, n.node.folder.path); inside {
				return // the link leads out of the tree to where it contains it
			}
		}
	}
	n := t.seat(a.scope, nil, a.as, real, identify(st))
	if was != nil && was != n && a.node == was {
		t.drop(was)
	}
	a.node = n
	if n == nil {
		return
	}
	n.anchor = a
	switch {
	case silent || a.owner != nil:
	case n != was:
		n.freshen()
	default:
		t.visit(n.folder, visitNew)
	}
}

// pinAll pins the folders above the anchor's path: from its top, or else from
// the nearest one above that is there, down to the first that is missing. Each
// is watched before the next is looked for.
func (t *tree) pinAll(a *anchor) {
	var below []string // what is still to be pinned, from a.path up
	for path, top := a.path, a.top == ""; ; {
		dir := filepath.Dir(path)
		if path == dir {
			break
		}
		top = top || dir == a.top
		if top && t.pinOne(a, path) {
			break
		}
		below, path = append(below, path), dir
	}
	for _, path := range slices.Backward(below) {
		if !t.pinOne(a, path) {
			return
		}
	}
}

// pinOne pins the folder that a path is in, for its name; false means that the
// folder is not there.
func (t *tree) pinOne(a *anchor, path string) bool {
	dir := filepath.Dir(path)
	real, st, err := realOf(dir)
	if err != nil || !st.IsDir() {
		t.loseMissing(dir)
		return false
	}
	f := t.enter(real, identify(st), a.scope.Poll)
	if f == nil {
		return false
	}
	name := filepath.Base(path)
	f.pins = append(f.pins, pin{name, a, path == a.path})
	a.pinned = append(a.pinned, f)
	t.seePin(f, name)
	return true
}

// loseMissing lets go of a folder that turned out to be missing. Its end may
// never be told: fsnotify leaves that to the folder above if it is watched by
// now, which it may not have been then.
func (t *tree) loseMissing(dir string) {
	if above, _, err := realOf(filepath.Dir(dir)); err == nil {
		dir = join(above, filepath.Base(dir))
	}
	if f := t.byPath[dir]; f != nil {
		t.lose(f)
	}
}

// unpin takes one pin of the anchor back; tie puts new ones behind old ones.
func (t *tree) unpin(f *folder, a *anchor) {
	if i := slices.IndexFunc(f.pins, func(p pin) bool { return p.anchor == a }); i >= 0 {
		f.pins = slices.Delete(f.pins, i, i+1)
	}
	t.release(f)
}

// forget lets go of an anchor, and of what it has been tied to.
func (t *tree) forget(a *anchor) {
	a.lost = true
	for _, f := range a.pinned {
		t.unpin(f, a)
	}
	a.pinned = nil
	s := a.scope
	if s.named[a.path] == a {
		delete(s.named, a.path)
	}
	if s.links[a.as] == a {
		delete(s.links, a.as)
	}
	if s.ignoreFiles[a.path] == a {
		delete(s.ignoreFiles, a.path)
	}
	if a.owner != nil && s.owned[a.owner] != nil {
		s.owned[a.owner] = slices.DeleteFunc(s.owned[a.owner], func(o *anchor) bool { return o == a })
	}
	if n := a.node; n != nil {
		a.node, n.anchor = nil, nil
		t.drop(n)
	}
}

// maxLinks is how many symbolic links a scope follows.
const maxLinks = 4096

// link follows the symbolic link at path, in the folder of n.
func (t *tree) link(n *node, path string) {
	s := n.scope
	if s.links[path] != nil || len(s.links) >= maxLinks {
		return
	}
	target, err := os.Readlink(join(n.folder.path, filepath.Base(path)))
	if err != nil {
		return
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(n.folder.path, target)
	}
	a := &anchor{scope: s, path: filepath.Clean(target), as: path, owner: n, silent: true}
	s.links[path] = a
	s.owned[n] = append(s.owned[n], a)
	t.loosen(a)
}
