package watch

import (
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// scope is a Scope that is followed.
type scope struct {
	Scope
	rules
	since       time.Time // what changes later counts
	nodes       map[string]*node
	named       map[string]*anchor // Paths
	ignoreFiles map[string]*anchor
	links       map[string]*anchor
	owned       map[*node][]*anchor // links, by the folder they are in
	walking     int                 // fresh nodes that are still to be listed
	batch       *batch              // of changes that have not been told
	told        time.Time           // when the last one was
	tellings    int                 // how many there were
	lock        string              // of git's index
}

// follow has the scopes be those that are wanted.
func (t *tree) follow(want []Scope, since time.Time) {
	have := t.scopes
	t.scopes = map[string]*scope{}
	var added []*anchor
	for _, w := range want {
		s := have[w.Name]
		if s == nil || s.Dir != w.Dir || s.Poll != w.Poll {
			s = newScope(w, since)
		} else {
			delete(have, w.Name)
		}
		t.scopes[w.Name] = s
		if !slices.Equal(s.Ignore, w.Ignore) {
			s.own = parsePatterns(strings.Join(w.Ignore, "\n"))
			t.reignoreAll(s)
		}
		s.Scope = w
		for _, p := range w.Paths {
			if s.named[p] == nil {
				a := &anchor{scope: s, path: p, as: p, top: filepath.Dir(p), silent: true}
				if _, inside := within(s.Dir, p); inside || p == s.Dir {
					a.top = filepath.Dir(s.Dir)
				}
				s.named[p] = a
				added = append(added, a)
			}
		}
	}
	// What is new comes first, so that what it shares with what goes stays.
	for _, a := range added {
		t.tie(a)
	}
	for _, s := range t.scopes {
		for p, a := range s.named {
			if !slices.Contains(s.Paths, p) {
				t.unfollow(a)
			}
		}
	}
	for _, s := range have {
		t.forgetScope(s)
	}
}

func newScope(w Scope, since time.Time) *scope {
	s := &scope{
		Scope: w, since: since,
		nodes: map[string]*node{}, named: map[string]*anchor{}, ignoreFiles: map[string]*anchor{},
		links: map[string]*anchor{}, owned: map[*node][]*anchor{},
		lock: indexLock(w.Dir),
	}
	s.rules = rules{
		dir: w.Dir, own: parsePatterns(strings.Join(w.Ignore, "\n")), above: map[string]*layer{},
		docker: parseDockerignore(readLimited(filepath.Join(w.Dir, dockerignoreName))),
	}
	return s
}

func (t *tree) forgetScope(s *scope) {
	for _, a := range s.named {
		t.forget(a)
	}
	for _, a := range s.ignoreFiles {
		t.forget(a)
	}
	for _, n := range s.nodes {
		t.drop(n)
	}
	s.batch = nil
}

// unfollow forgets a path that is not among a scope's any more, but not what
// others of its paths lead to.
func (t *tree) unfollow(a *anchor) {
	n := a.node
	a.node = nil
	t.forget(a)
	if n == nil {
		return
	}
	n.anchor = nil
	if n.parent == nil {
		t.prune(n)
	}
}

// prune drops a node and what is below it, up to nodes that are named.
func (t *tree) prune(n *node) {
	for c := n.child; c != nil; {
		next := c.next
		if c.anchor != nil {
			c.leave()
		} else {
			t.prune(c)
		}
		c = next
	}
	t.drop(n)
}
