package stack

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// shape is what may stand at one place of a stack file: a scalar, a list, a
// mapping, or one of several. The tree of shapes in keys.go is the one source
// of the loader's checks, of its suggestions and of the JSON Schema.
//
// A key without a value counts as one that is not there.
type shape struct {
	want string // in words, for errors: "a whole number of at least 0"
	text *text  // the scalar form
	list *shape // the list form: what each item is
	keys []key  // the mapping form with known keys; x- keys are free
	free *shape // the mapping form with keys of the user's choice
	name *names // what free keys look like; nil for anything

	secret bool // errors do not show what a variable puts here

	// foreign are keys of compose that are left out on purpose, and what to do instead.
	foreign map[string]string
}

// key is a known key of a mapping.
type key struct {
	name  string
	doc   string // for editors
	shape *shape
}

// names is what free keys look like.
type names struct {
	want    string
	pattern *regexp.Regexp
}

// checker walks a document along the shapes: it interpolates scalars, and
// reports whatever does not fit.
type checker struct {
	*report
	interpolate func(n *node, path string) bool // false when it reported why not
}

// check reports whether n fits s. It goes on after an error, so that one run
// finds all of them.
func (c *checker) check(n *node, s *shape, path string) {
	switch {
	case n.isNull():
	case n.isScalar() && s.text != nil:
		if !s.text.verbatim && !c.interpolate(n, path) {
			return
		}
		if hint, ok := s.text.accepts(n.Value); !ok {
			got := n.what()
			if s.secret {
				got = n.asWritten()
			}
			c.add(n.pos(), path, hint, "want %s, got %s", s.want, got)
		}
	case n.isList() && s.list != nil:
		for i, item := range n.items {
			at := fmt.Sprintf("%s[%d]", path, i)
			if item.isNull() {
				c.add(item.pos(), at, "", "want %s, got nothing", s.list.want)
				continue
			}
			c.check(item, s.list, at)
		}
	case n.isMap() && s.keys != nil:
		c.known(n, s, path)
	case n.isMap() && s.free != nil:
		for i, k := range n.keys {
			if s.name != nil && !s.name.pattern.MatchString(k.Value) {
				c.add(k.pos(), join(path, strings.Trim(quote(k.Value), `"`)), "", "want %s, got %s", s.name.want, quote(k.Value))
				continue
			}
			c.check(n.items[i], s.free, join(path, k.Value))
		}
	default:
		c.add(n.pos(), path, "", "want %s, got %s", s.want, n.what())
	}
}

func (c *checker) known(n *node, s *shape, path string) {
	for i, k := range n.keys {
		at := join(path, k.Value)
		if known, ok := s.key(k.Value); ok {
			c.check(n.items[i], known.shape, at)
			continue
		}
		if strings.HasPrefix(k.Value, "x-") {
			continue // compose's extensions: free, and what anchors hang on
		}
		hint := s.foreign[k.Value]
		if near, ok := nearest(k.Value, s.keyNames()); hint == "" && ok {
			hint = "did you mean `" + near + "`?"
		}
		if hint == "" && len(s.keys) <= 12 {
			hint = "known are " + strings.Join(s.keyNames(), ", ")
		}
		c.add(k.pos(), at, hint, "want a known key, got %s", quote(k.Value))
		c.misspelt[path] = true
	}
}

func (s *shape) key(name string) (key, bool) {
	i := slices.IndexFunc(s.keys, func(k key) bool { return k.name == name })
	if i < 0 {
		return key{}, false
	}
	return s.keys[i], true
}

func (s *shape) keyNames() []string {
	out := make([]string, len(s.keys))
	for i, k := range s.keys {
		out[i] = k.name
	}
	return out
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
