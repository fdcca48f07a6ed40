package watch

import "path/filepath"

// readLayer reads the .gitignore of a folder that has been listed. A
// repository within another one knows nothing of the outer one's.
func (t *tree) readLayer(n *node, entries []entry) {
	has := false
	n.repository = false
	for _, e := range entries {
		switch e.name {
		case gitignoreName:
			has = true
		case ".git":
			n.repository = true
		}
	}
	before, now := "", ""
	if n.ownLayer() {
		before = n.layer.patterns.text
	}
	if has {
		patterns := readGitignore(n.folder.path)
		now = patterns.text
		if !n.ownLayer() {
			n.layer = &layer{dir: n.path}
		}
		n.layer.patterns = patterns
	} else if n.ownLayer() {
		n.layer = nil
	}
	n.relayer()
	if n.listed && before != now {
		for c := n.child; c != nil; c = c.next {
			t.reignore(c)
		}
		t.reignoreLinks(n.scope)
	}
}

func (n *node) ownLayer() bool { return n.layer != nil && n.layer.dir == n.path }

// relayer hands on what n inherits to the folders below it.
func (n *node) relayer() {
	outer := n.inherited
	if n.repository {
		outer = nil
	}
	if n.ownLayer() {
		n.layer.outer = outer
	} else {
		n.layer = outer
	}
	for c := n.child; c != nil; c = c.next {
		if c.inherited != n.layer {
			c.inherited = n.layer
			c.relayer()
		}
	}
}

// reignore applies ignore files that have changed to a node and all below it.
func (t *tree) reignore(n *node) {
	t.visit(n.folder, 0)
	for c := n.child; c != nil; c = c.next {
		t.reignore(c)
	}
}

// reignoreAll does so to all of a scope.
func (t *tree) reignoreAll(s *scope) {
	for _, n := range s.nodes {
		t.visit(n.folder, 0)
	}
	t.reignoreLinks(s)
}

func (t *tree) reignoreLinks(s *scope) {
	for _, a := range s.links {
		if !s.decide(a.as, a.owner.layer, a.owner.fate, true).told() {
			t.forget(a)
		}
	}
}

// followIgnoreFiles has the .gitignore files above what a scope watches, and
// its .dockerignore, be read again when they change.
func (t *tree) followIgnoreFiles(s *scope) {
	for dir := range s.above {
		t.nameIgnoreFile(s, join(dir, gitignoreName))
	}
	t.nameIgnoreFile(s, join(s.Dir, dockerignoreName))
}

func (t *tree) nameIgnoreFile(s *scope, path string) {
	if s.ignoreFiles[path] == nil {
		a := &anchor{scope: s, path: path, as: path, rules: true, silent: true}
		s.ignoreFiles[path] = a
		t.loosen(a)
	}
}

// reread takes an ignore file in that has changed.
func (t *tree) reread(a *anchor) {
	s := a.scope
	dir := filepath.Dir(a.path)
	if l := s.above[dir]; l != nil {
		l.patterns = readGitignore(dir)
	}
	if a.path == join(s.Dir, dockerignoreName) {
		s.docker = parseDockerignore(readLimited(a.path))
	}
	t.reignoreAll(s)
}
