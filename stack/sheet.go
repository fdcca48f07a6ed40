package stack

import (
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// sheet is a stack file as lines with their ends, and what YAML makes of it. The
// places of nodes hold until the lines are changed.
type sheet struct {
	file  string
	lines []string
	tree  *node
	root  *yaml.Node
	order []*yaml.Node // all nodes as they are written
	limit int          // the line after the document, from 0
}

// newSheet reads a file. One that has nothing but comments has no root.
func newSheet(file string, data []byte) (*sheet, error) {
	s := &sheet{file: file, lines: slices.Collect(strings.Lines(string(data))), tree: &node{Node: &yaml.Node{Kind: yaml.MappingNode}}}
	s.limit = len(s.lines)
	if !slices.ContainsFunc(s.lines, func(l string) bool { return !aside(l) }) {
		return s, nil
	}
	r := newReport()
	r.source(file, data)
	tree := parse(r, file, data)
	if err := r.err(); err != nil {
		return nil, err
	}
	s.tree, s.root = tree, tree.Node
	s.number(s.root)
	for i := s.root.Line - 1; i < len(s.lines); i++ {
		if strings.HasPrefix(s.lines[i], "...") {
			s.limit = i
			break
		}
	}
	return s, nil
}

func (s *sheet) number(n *yaml.Node) {
	s.order = append(s.order, n)
	for _, c := range n.Content {
		s.number(c)
	}
}

func (s *sheet) clone() *sheet {
	c := *s
	c.lines = slices.Clone(s.lines)
	return &c
}

func (s *sheet) bytes() []byte { return []byte(strings.Join(s.lines, "")) }

// refuse is the error of what cannot be edited at n; nil is the file as a whole.
func (s *sheet) refuse(n *yaml.Node, where, hint, format string, args ...any) error {
	r := newReport()
	r.source(s.file, s.bytes())
	at := Pos{File: s.file, Line: 1, Col: 1}
	if n != nil {
		at.Line, at.Col = n.Line, n.Column
	}
	r.add(at, where, hint, format, args...)
	return r.err()
}

func (s *sheet) service(name string) (key, entry *yaml.Node) {
	_, services := pair(s.root, "services")
	return pair(services, name)
}

// end is the line after the value of key, from 0: before blank lines, and before
// the comments of what follows.
func (s *sheet) end(key, value *yaml.Node) int {
	last := value
	for len(last.Content) > 0 {
		last = last.Content[len(last.Content)-1]
	}
	end := s.limit
	if next := slices.Index(s.order, last) + 1; next < len(s.order) {
		end = s.order[next].Line - 1
	}
	for end > key.Line && aside(s.lines[end-1]) && blanks(s.lines[end-1]) < key.Column {
		end--
	}
	return max(end, key.Line)
}

// insert puts lines, given without ends, before line at. A file whose last line
// has no end still has none.
func (s *sheet) insert(at int, text ...string) {
	eol := "\n"
	if len(s.lines) > 0 && strings.HasSuffix(s.lines[0], "\r\n") {
		eol = "\r\n"
	}
	text = slices.Clone(text)
	for i := range text {
		text[i] += eol
	}
	if n := len(s.lines); at == n && n > 0 && !strings.HasSuffix(s.lines[n-1], "\n") {
		s.lines[n-1] += eol
		text[len(text)-1] = strings.TrimSuffix(text[len(text)-1], eol)
	}
	s.lines = slices.Insert(s.lines, at, text...)
}

// open puts text behind the bracket that begins n.
func (s *sheet) open(n *yaml.Node, bracket byte, text string) bool {
	line := s.lines[n.Line-1]
	at := offset(line, n.Column)
	if at >= len(line) || line[at] != bracket {
		return false
	}
	if len(n.Content) > 0 {
		text += ", "
	}
	s.lines[n.Line-1] = line[:at+1] + text + line[at+1:]
	return true
}

// rewrite puts text in the place of a scalar on one line.
func (s *sheet) rewrite(n *yaml.Node, text string) bool {
	from, to, ok := s.span(n)
	if ok {
		line := s.lines[n.Line-1]
		s.lines[n.Line-1] = line[:from] + text + line[to:]
	}
	return ok
}

// span is where a scalar stands in its line. One that is written in another way
// than its value, such as with escapes or over several lines, has none.
func (s *sheet) span(n *yaml.Node) (from, to int, ok bool) {
	text := n.Value
	switch {
	case n.Kind != yaml.ScalarNode || text == "":
		return 0, 0, false
	case n.Style&yaml.SingleQuotedStyle != 0:
		text = "'" + text + "'"
	case n.Style&yaml.DoubleQuotedStyle != 0:
		text = `"` + text + `"`
	}
	line := s.lines[n.Line-1]
	from = offset(line, n.Column)
	return from, from + len(text), strings.HasPrefix(line[from:], text)
}

// layout is how a file is indented.
type layout struct {
	margin, step, inner int // of the root, of services in it, of their keys in them
	fresh               bool
}

func (s *sheet) layout(services *yaml.Node) layout {
	l := layout{step: 2}
	if s.root == nil {
		return layout{step: 2, inner: 2, fresh: true}
	}
	l.margin = s.root.Column - 1
	for i := len(s.root.Content) - 1; i > 0; i -= 2 {
		if v := s.root.Content[i]; isBlock(v) {
			l.step = v.Content[0].Column - s.root.Column
		}
	}
	l.inner = l.step
	if !isBlock(services) {
		l.fresh = true
		return l
	}
	l.step = services.Content[0].Column - s.root.Column
	l.inner = l.step
	for i := 0; i < len(services.Content); i += 2 {
		if v := services.Content[i+1]; isBlock(v) {
			l.inner = v.Content[0].Column - services.Content[i].Column
			break
		}
	}
	return l
}

// block is the text of all services, laid out as in another file. scaled makes
// deeper levels as wide as they are there; else they keep their width.
func (s *sheet) block(l layout, scaled bool) []string {
	key, services := pair(s.root, "services")
	was := services.Content[0].Column - 1
	inner := max(1, services.Content[1].Content[0].Column-services.Content[0].Column)
	var out []string
	for _, line := range s.lines[key.Line:s.end(key, services)] {
		line = strings.TrimRight(line, "\n")
		deep := blanks(line) - was
		if scaled {
			deep = deep * l.inner / inner
		}
		if line = strings.TrimLeft(line, " "); line != "" {
			line = strings.Repeat(" ", max(0, l.margin+l.step+deep)) + line
		}
		out = append(out, line)
	}
	return out
}

// put writes a block of services behind those that are there.
func (s *sheet) put(key, services *yaml.Node, block []string) {
	if key == nil {
		at := s.limit
		for at > 0 && strings.TrimSpace(s.lines[at-1]) == "" {
			at--
		}
		head := "services:"
		if s.root != nil {
			head = indent(s.root) + head
		}
		block = slices.Insert(block, 0, head)
		if at > 0 {
			block = slices.Insert(block, 0, "")
		}
		s.insert(at, block...)
		return
	}
	at := s.end(key, services)
	switch {
	case isBlock(services):
		if s.spaced(services) {
			block = slices.Insert(block, 0, "")
		}
	case isNull(services):
		s.strip(services, services.Value)
	default:
		s.strip(services, "{}")
	}
	s.insert(at, block...)
}

// strip removes n, which is written as text, and the blanks before it.
func (s *sheet) strip(n *yaml.Node, text string) {
	line := s.lines[n.Line-1]
	at := offset(line, n.Column)
	if rest, ok := strings.CutPrefix(line[at:], text); ok && text != "" {
		s.lines[n.Line-1] = strings.TrimRight(line[:at], " ") + rest
	}
}

// spaced reports whether services have blank lines between them. A single one is
// taken for one of those that would.
func (s *sheet) spaced(services *yaml.Node) bool {
	n := len(services.Content)
	if n == 2 {
		return true
	}
	at := services.Content[n-2].Line - 2
	for at > 0 && strings.HasPrefix(strings.TrimSpace(s.lines[at]), "#") {
		at--
	}
	return strings.TrimSpace(s.lines[at]) == ""
}

// pair is a key of a mapping and its value as they are written: nothing comes
// from a merge.
func pair(mapping *yaml.Node, name string) (key, value *yaml.Node) {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i], mapping.Content[i+1]
		}
	}
	return nil, nil
}

// isBlock reports whether n is a mapping whose keys are on lines of their own.
func isBlock(n *yaml.Node) bool {
	return n != nil && n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// names are the services of a depends_on.
func (n *node) names() []string {
	var out []string
	switch {
	case n.isMap():
		for _, k := range n.keys {
			out = append(out, k.Value)
		}
	case n.isList():
		for _, i := range n.items {
			out = append(out, i.Value)
		}
	}
	return out
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func (n *node) set(name string, value *node) {
	for i, k := range n.keys {
		if k.Value == name {
			n.items[i] = value
			return
		}
	}
	n.keys = append(n.keys, &node{Node: &yaml.Node{Kind: yaml.ScalarNode, Value: name}})
	n.items = append(n.items, value)
}

// with returns a stack that has more services.
func (n *node) with(services *node) *node {
	all := &node{Node: &yaml.Node{Kind: yaml.MappingNode}}
	for _, from := range []*node{n.get("services"), services} {
		if from != nil {
			all.keys, all.items = append(all.keys, from.keys...), append(all.items, from.items...)
		}
	}
	out := *n
	out.keys, out.items = slices.Clone(n.keys), slices.Clone(n.items)
	out.set("services", all)
	return &out
}

// same reports whether two values mean the same.
func same(a, b *node) bool {
	if a.Kind != b.Kind || len(a.keys) != len(b.keys) || len(a.items) != len(b.items) {
		return false
	}
	switch {
	case a.isScalar():
		return a.Value == b.Value && a.ShortTag() == b.ShortTag()
	case a.isList():
		return slices.EqualFunc(a.items, b.items, same)
	}
	in := make(map[string]*node, len(b.keys))
	for i, k := range b.keys {
		in[k.Value] = b.items[i]
	}
	for i, k := range a.keys {
		if other, ok := in[k.Value]; !ok || !same(a.items[i], other) {
			return false
		}
	}
	return true
}

// scalar writes a text as YAML does.
func scalar(text string) string {
	out, err := yaml.Marshal(text)
	if err != nil {
		return text
	}
	return strings.TrimSpace(string(out))
}

// aside reports whether a line is blank or a comment.
func aside(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || line[0] == '#'
}

func blanks(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

func indent(n *yaml.Node) string { return strings.Repeat(" ", n.Column-1) }

// offset is where a column, which counts characters, begins in a line.
func offset(line string, column int) int {
	at := 0
	for ; column > 1 && at < len(line); column-- {
		_, size := utf8.DecodeRuneInString(line[at:])
		at += size
	}
	return at
}
