package stack

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxDropped bounds what ImportCompose takes out of a file before it gives up.
const maxDropped = 2000

// ImportCompose makes a stack file of a compose file, data, that lies at file:
// what a stack file can have too stays, with its comments; the rest is taken out
// and comes back as dropped, each with the place that it had, and what to do
// instead. What is returned is valid as it stands.
func ImportCompose(file string, data []byte, environ []string) (out []byte, dropped Errors, err error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(doc.Content) == 0 {
		return nil, nil, fmt.Errorf("%s: it is empty", file)
	}
	lines := bytes.Split(data, []byte("\n"))
	for len(dropped) < maxDropped {
		out, err := encode(&doc)
		if err != nil {
			return nil, nil, err
		}
		l := newLoader(filepath.Dir(file), file, environ)
		l.main(file, out)
		err = l.err()
		if err == nil {
			return out, dropped, nil
		}
		var wrong Errors
		if !errors.As(err, &wrong) {
			return nil, nil, err
		}
		gone, err := takeOut(&doc, out, wrong)
		switch {
		case err != nil:
			return nil, nil, err
		case len(gone) == 0:
			return nil, nil, wrong
		}
		for _, e := range gone {
			if n := e.Pos.Line; n >= 1 && n <= len(lines) {
				e.Line = string(bytes.TrimRight(lines[n-1], "\r"))
			}
		}
		dropped = append(dropped, gone...)
	}
	return nil, nil, fmt.Errorf("%s: more than %d things in it have no place in a stack file", file, maxDropped)
}

func encode(doc *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(doc); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

// takeOut removes from doc what is wrong with its encoding, text: of each error
// the smallest entry at its place. gone are the errors that led to one, each with
// the place that the entry had when doc was read.
func takeOut(doc *yaml.Node, text []byte, wrong Errors) (gone Errors, err error) {
	var encoded yaml.Node
	if err := yaml.Unmarshal(text, &encoded); err != nil {
		return nil, err
	}
	entries := map[spot]*yaml.Node{}
	if !entriesOf(doc, &encoded, entries) {
		return nil, nil
	}
	out := map[*yaml.Node]bool{}
	for _, e := range wrong {
		at, ok := entries[spot{e.Pos.Line, e.Pos.Col}]
		if !ok || out[at] {
			continue
		}
		out[at] = true
		e.Pos.Line, e.Pos.Col = at.Line, at.Column
		gone = append(gone, e)
	}
	without(doc, out)
	return gone, nil
}

type spot struct{ line, col int }

// entriesOf collects the entries of n, each a key with its value or an item, by where its twin, which has been encoded
// and read again, has their keys, values and items. Of two at one place, the
// smaller counts. It is false where the twin is another.
func entriesOf(n, twin *yaml.Node, entries map[spot]*yaml.Node) bool {
	if len(n.Content) != len(twin.Content) {
		return false
	}
	for i, c := range twin.Content {
		at := spot{c.Line, c.Column}
		switch n.Kind {
		case yaml.MappingNode:
			entries[at] = n.Content[i&^1]
		case yaml.SequenceNode:
			entries[at] = n.Content[i]
		}
	}
	for i := range n.Content {
		if !entriesOf(n.Content[i], twin.Content[i], entries) {
			return false
		}
	}
	return true
}

// without removes entries. A comment above the first one may be that of the
// whole file: it stays.
func without(n *yaml.Node, out map[*yaml.Node]bool) {
	width := 1
	if n.Kind == yaml.MappingNode {
		width = 2
	}
	kept, head := n.Content[:0:0], ""
	for i := 0; i+width <= len(n.Content); i += width {
		first := n.Content[i]
		if out[first] {
			if len(kept) == 0 && n.Column == 1 {
				head = first.HeadComment
			}
			continue
		}
		if head != "" {
			first.HeadComment = strings.TrimPrefix(head+"\n\n"+first.HeadComment, "\n\n")
			first.HeadComment, head = strings.TrimSuffix(first.HeadComment, "\n\n"), ""
		}
		for _, c := range n.Content[i : i+width] {
			without(c, out)
			kept = append(kept, c)
		}
	}
	n.Content = kept
}
