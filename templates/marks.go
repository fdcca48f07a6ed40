package templates

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// part is a piece of a file: lines as they stand, or what a mark begins.
type part struct {
	line int    // where it begins, from 1
	text []byte // of lines as they stand
	kind string // "", "if", "each", "fields"
	when condition
	// inside has the parts of "if" and "each", and blocks those of "fields", by type.
	inside []part
	blocks map[string][]part
}

// mark is a line that is only a comment that begins with msctl:.
var mark = regexp.MustCompile(`^[ \t]*(?:#|//|--|;|<!--|/\*)[ \t]*msctl:(.*?)[ \t]*(?:-->|\*/)?[ \t]*\r?\n?$`)

// maxNesting bounds marks within marks.
const maxNesting = 10

// markError is what is wrong with a mark.
type markError struct {
	line int
	err  error
}

func (e *markError) Error() string { return fmt.Sprintf("%d: %v", e.line, e.err) }
func (e *markError) Unwrap() error { return e.err }

// parseMarks splits a file at its marks.
func parseMarks(text []byte) ([]part, error) {
	p := &marksParser{lines: bytes.SplitAfter(text, []byte("\n"))}
	parts, end, err := p.parts(0)
	if err == nil && end != "" {
		err = &markError{p.at, fmt.Errorf("msctl:%s ends nothing", end)}
	}
	return parts, err
}

type marksParser struct {
	lines [][]byte
	at    int // the number of the last line that was read
}

// parts reads up to a mark that ends what they are in, and returns that mark,
// "" at the end of the file.
func (p *marksParser) parts(depth int) (parts []part, end string, err error) {
	if depth > maxNesting {
		return nil, "", &markError{p.at, fmt.Errorf("marks are nested more than %d deep", maxNesting)}
	}
	for p.at < len(p.lines) {
		line := p.lines[p.at]
		p.at++
		m := mark.FindSubmatch(line)
		if m == nil {
			if n := len(parts) - 1; n >= 0 && parts[n].kind == "" {
				parts[n].text = append(parts[n].text, line...)
			} else {
				parts = append(parts, part{line: p.at, text: slices.Clone(line)})
			}
			continue
		}
		word, rest, _ := strings.Cut(string(m[1]), " ")
		rest = strings.TrimSpace(rest)
		if word == "end" || word == "field" {
			return parts, strings.TrimSpace(word + " " + rest), nil
		}
		made, err := p.region(word, rest, depth)
		if err != nil {
			return nil, "", err
		}
		parts = append(parts, made)
	}
	return parts, "", nil
}

var errNoEnd = errors.New("there is no msctl:end")

// region reads what a mark begins.
func (p *marksParser) region(word, rest string, depth int) (r part, err error) {
	r = part{line: p.at, kind: word}
	fail := func(err error) (part, error) { return r, &markError{r.line, fmt.Errorf("msctl:%s: %w", word, err)} }
	switch word {
	case "if":
		if r.when, err = parseCondition(rest); err != nil {
			return fail(err)
		}
	case "each":
		if rest != "resource" {
			return fail(fmt.Errorf("want msctl:each resource, got %q", rest))
		}
	case "fields":
		return p.fields(r, depth)
	default:
		return fail(errors.New("want if, each, fields, field or end"))
	}
	var end string
	if r.inside, end, err = p.parts(depth + 1); err != nil {
		return r, err
	}
	if end != "end" {
		return fail(errNoEnd)
	}
	return r, nil
}

// fields reads the blocks of the types.
func (p *marksParser) fields(r part, depth int) (part, error) {
	fail := func(err error) (part, error) { return r, &markError{r.line, fmt.Errorf("msctl:fields: %w", err)} }
	before, end, err := p.parts(depth + 1)
	if err != nil {
		return r, err
	}
	if len(before) > 0 {
		return fail(errors.New("want msctl:field in the next line"))
	}
	r.blocks = map[string][]part{}
	for end != "end" {
		kind, ok := strings.CutPrefix(end, "field ")
		switch {
		case !ok:
			return fail(errNoEnd)
		case fieldTypes[kind] == "":
			return fail(fmt.Errorf("%d: want one of the types %s, got %q", p.at, strings.Join(typeOrder, ", "), kind))
		case r.blocks[kind] != nil:
			return fail(fmt.Errorf("%d: a second block for %s", p.at, kind))
		}
		block, next, err := p.parts(depth + 1)
		if err != nil {
			return r, err
		}
		r.blocks[kind], end = append([]part{}, block...), next
	}
	for _, kind := range typeOrder {
		if r.blocks[kind] == nil {
			return fail(fmt.Errorf("there is no block for %s", kind))
		}
	}
	return r, nil
}

// conditions calls f with every condition in parts, and its line.
func conditions(parts []part, f func(line int, c condition)) {
	for _, p := range parts {
		if p.kind == "if" {
			f(p.line, p.when)
		}
		conditions(p.inside, f)
		for _, b := range p.blocks {
			conditions(b, f)
		}
	}
}

// writer renders parts.
type writer struct {
	out       bytes.Buffer
	resources []Resource
	numbers   func(Resource) renamer
}

// write appends what parts come to. in is the resource that they are of, nil
// outside of any.
func (w *writer) write(parts []part, s scope, in *Resource) error {
	for _, p := range parts {
		var err error
		switch p.kind {
		case "":
			w.out.Write(p.text)
		case "if":
			if s.holds(p.when) {
				err = w.write(p.inside, s, in)
			}
		case "each":
			err = w.each(p, s, in)
		case "fields":
			err = w.fields(p, s, in)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) each(p part, s scope, in *Resource) error {
	if in != nil {
		return &markError{p.line, errors.New("msctl:each resource: it is within a resource already")}
	}
	for _, r := range w.resources {
		text, err := w.apart(p.inside, s.within(r), &r)
		if err != nil {
			return err
		}
		w.out.WriteString(w.numbers(r).Replace(text))
	}
	return nil
}

func (w *writer) fields(p part, s scope, in *Resource) error {
	if in == nil {
		return &markError{p.line, errors.New("msctl:fields: it is not within a resource")}
	}
	for _, f := range in.Fields {
		text, err := w.apart(p.blocks[f.Type], s, in)
		if err != nil {
			return err
		}
		w.out.WriteString(renameField(f).Replace(text))
	}
	return nil
}

// apart renders parts by themselves.
func (w *writer) apart(parts []part, s scope, in *Resource) (string, error) {
	inner := &writer{resources: w.resources, numbers: w.numbers}
	err := inner.write(parts, s, in)
	return inner.out.String(), err
}
