package stack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// What a stack file may be at most. Real ones are far below.
const (
	maxFileSize = 10 << 20
	maxNodes    = 200_000 // once aliases are expanded
	maxDepth    = 100
)

// node is a YAML node whose aliases and merges are expanded.
type node struct {
	*yaml.Node
	file    string
	keys    []*node // of a mapping
	items   []*node // values of a mapping, or items of a list
	written string  // the scalar before its variables were replaced
}

func (n *node) pos() Pos { return Pos{File: n.file, Line: n.Line, Col: n.Column} }

func (n *node) is(k yaml.Kind) bool { return n != nil && n.Kind == k }

func (n *node) isMap() bool    { return n.is(yaml.MappingNode) }
func (n *node) isList() bool   { return n.is(yaml.SequenceNode) }
func (n *node) isScalar() bool { return n.is(yaml.ScalarNode) }
func (n *node) isNull() bool   { return n.isScalar() && n.ShortTag() == "!!null" }

// get returns the value of a key that is there and is not null.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for i, k := range n.keys {
		if k.Value == key && !n.items[i].isNull() {
			return n.items[i]
		}
	}
	return nil
}

// each calls f for every entry of a mapping that is not null.
func (n *node) each(f func(key, value *node)) {
	if n == nil {
		return
	}
	for i, k := range n.keys {
		if !n.items[i].isNull() {
			f(k, n.items[i])
		}
	}
}

// what names the kind of value that was found.
func (n *node) what() string {
	switch {
	case n.isMap():
		return "a mapping"
	case n.isList():
		return "a list"
	case n.isNull():
		return "nothing"
	case n.written != "":
		return fmt.Sprintf("%s, from %s", quote(n.Value), n.written)
	}
	return quote(n.Value)
}

// asWritten names a value as what does, but with variables in the place of what
// they hold.
func (n *node) asWritten() string {
	if n.written != "" && n.Value != "" {
		return n.written
	}
	return n.what()
}

// parse reads one YAML document that is a mapping; nil when it reported why not.
func parse(r *report, file string, data []byte) *node {
	at := func(line, col int) Pos { return Pos{File: file, Line: line, Col: col} }
	switch {
	case len(data) > maxFileSize:
		r.add(at(1, 1), "", "", "the file is too large: a stack file has at most %d bytes", maxFileSize)
		return nil
	case bytes.IndexByte(data, 0) >= 0:
		line, col := place(data, bytes.IndexByte(data, 0))
		r.add(at(line, col), "", "is this a stack file?", "want text, got a NUL byte")
		return nil
	case !utf8.Valid(data):
		n := 0
		for rest := data; ; {
			c, size := utf8.DecodeRune(rest)
			if c == utf8.RuneError && size == 1 {
				break
			}
			n, rest = n+size, rest[size:]
		}
		line, col := place(data, n)
		r.add(at(line, col), "", "save the file as UTF-8", "want UTF-8 text, got the byte 0x%02x", data[n])
		return nil
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			r.add(at(1, 1), "", "declare services:", "the file is empty")
			return nil
		}
		line, text := syntaxError(err)
		if tab := tabIndent(data); tab > 0 && tab <= line+1 {
			r.add(at(tab, 1), "", "indent with spaces", "a tab indents this line, which YAML does not allow")
		} else {
			r.add(at(line, firstColumn(data, line)), "", "", "%s", text)
		}
		return nil
	}
	if len(doc.Content) == 0 {
		r.add(at(1, 1), "", "declare services:", "the file is empty")
		return nil
	}
	root := doc.Content[0]
	var next yaml.Node
	if err := d.Decode(&next); !errors.Is(err, io.EOF) {
		line := max(1, next.Line)
		if err != nil {
			line, _ = syntaxError(err)
		}
		r.add(at(line, 1), "", "keep one, and include the other", "want one YAML document, got several")
		return nil
	}
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		r.add(at(1, 1), "", "declare services:", "the file is empty")
		return nil
	}
	x := expander{report: r, file: file}
	n := x.expand(root, 0)
	if x.failed {
		return nil
	}
	if !n.isMap() {
		r.add(n.pos(), "", "", "want a mapping with services, got %s", n.what())
		return nil
	}
	return n
}

// expander follows aliases and merges within bounds: nine levels of ten
// aliases each would make a billion nodes of a hundred.
type expander struct {
	*report
	file   string
	nodes  int
	failed bool
	open   map[*yaml.Node]bool // aliases being followed
}

func (x *expander) fail(n *yaml.Node, hint, format string, args ...any) {
	if !x.failed {
		x.add(Pos{x.file, n.Line, n.Column}, "", hint, format, args...)
	}
	x.failed = true
}

func (x *expander) expand(n *yaml.Node, depth int) *node {
	out := &node{Node: n, file: x.file}
	if x.nodes++; x.nodes > maxNodes {
		x.fail(n, "", "the file has more than %d values, counting what its aliases stand for", maxNodes)
	}
	if depth > maxDepth {
		x.fail(n, "", "values are nested more than %d deep", maxDepth)
	}
	if x.failed {
		return out
	}
	switch n.Kind {
	case yaml.AliasNode:
		if x.open[n.Alias] {
			x.fail(n, "", "the alias *%s contains itself", n.Value)
			return out
		}
		if x.open == nil {
			x.open = map[*yaml.Node]bool{}
		}
		x.open[n.Alias] = true
		defer delete(x.open, n.Alias)
		return x.expand(n.Alias, depth+1)
	case yaml.SequenceNode:
		for _, c := range n.Content {
			out.items = append(out.items, x.expand(c, depth+1))
		}
	case yaml.MappingNode:
		x.mapping(out, n, depth)
	}
	return out
}

func (x *expander) mapping(out *node, n *yaml.Node, depth int) {
	seen := map[string]*node{}
	var merges []*node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := x.expand(n.Content[i], depth+1), x.expand(n.Content[i+1], depth+1)
		switch {
		case x.failed:
			return
		case !key.isScalar():
			x.add(key.pos(), "", "", "want a key, got %s", key.what())
			continue
		case key.ShortTag() == "!!merge":
			merges = append(merges, value)
			continue
		}
		if first, ok := seen[key.Value]; ok {
			x.add(key.pos(), "", "remove one of them", "the key %s is here twice; first on line %d", quote(key.Value), first.Line)
			continue
		}
		seen[key.Value] = key
		out.keys, out.items = append(out.keys, key), append(out.items, value)
	}
	for _, m := range merges {
		from := []*node{m}
		if m.isList() {
			from = m.items
		}
		for _, f := range from {
			if !f.isMap() {
				x.add(f.pos(), "", "", "want a mapping to merge, got %s", f.what())
				continue
			}
			for i, k := range f.keys {
				if _, ok := seen[k.Value]; !ok {
					seen[k.Value] = k
					out.keys, out.items = append(out.keys, k), append(out.items, f.items[i])
				}
			}
		}
	}
}

// place is the line and column of an offset.
func place(data []byte, offset int) (line, col int) {
	before := data[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return 1 + bytes.Count(before, []byte{'\n'}), 1 + utf8.RuneCount(before[start:])
}

// tabIndent returns the first line that a tab indents, 0 for none. A line of
// blanks alone does not count.
func tabIndent(data []byte) int {
	n := 0
	for line := range bytes.Lines(data) {
		n++
		rest := bytes.TrimLeft(line, " ")
		if len(rest) > 0 && rest[0] == '\t' && len(bytes.TrimSpace(rest)) > 0 {
			return n
		}
	}
	return 0
}

func firstColumn(data []byte, line int) int {
	n := 0
	for l := range bytes.Lines(data) {
		if n++; n == line {
			return 1 + len(l) - len(bytes.TrimLeft(l, " \t"))
		}
	}
	return 1
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntaxError takes the line out of an error of the YAML parser.
func syntaxError(err error) (line int, text string) {
	text = err.Error()
	m := yamlLine.FindStringSubmatch(text)
	if m == nil {
		return 1, text
	}
	line, _ = strconv.Atoi(m[1])
	text = strings.TrimPrefix(text, m[0])
	return max(line, 1), fmt.Sprintf("not YAML: %s", text)
}
