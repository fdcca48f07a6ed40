package templates

import (
	"bytes"
	"fmt"
	"go/format"
	"path"
	"strings"
)

// Rendering is what answers come to.
type Rendering struct {
	Answers Answers // complete
	Files   Tree
	Once    map[string]bool // paths that are written once and then are the user's alone
	Entry   []byte          // a stack file with the service's entries
}

// Render makes a service's files. The error is of the answers, or of the
// template.
func (t *Template) Render(a Answers) (*Rendering, error) {
	a, err := t.settle(a)
	if err != nil {
		return nil, err
	}
	return t.render(a, scopeOf(a))
}

// identity renders the project under its own names with every part kept: the
// project less its marks.
func (t *Template) identity() (*Rendering, error) {
	r := Resource{Name: resourceSentinel.kebab(), Number: 1}
	for _, kind := range typeOrder {
		r.Fields = append(r.Fields, Field{fieldTypes[kind], kind})
	}
	a := Answers{Service: serviceSentinel.kebab(), Options: map[string]string{}, Resources: []Resource{r}}
	for _, o := range t.Options {
		a.Options[o.Name] = o.Replaces
	}
	return t.render(a, scope{all: true})
}

// Clients is where a service that was rendered from a keeps its clients; nil
// where the template has no place for them.
func (t *Template) Clients(a Answers) *Clients {
	if t.rules.Client == nil {
		return nil
	}
	c, rename := *t.rules.Client, t.renamer(a)
	c.Code, c.Test, c.Calls = rename.Replace(c.Code), rename.Replace(c.Test), rename.Replace(c.Calls)
	return &c
}

// renamer replaces what stands for answers in the project.
func (t *Template) renamer(a Answers) renamer {
	var texts []string
	for _, o := range t.Options {
		if o.Replaces != "" {
			texts = append(texts, o.Replaces, a.Options[o.Name])
		}
	}
	return renameService(a.Service, texts...)
}

func (t *Template) render(a Answers, s scope) (*Rendering, error) {
	r := &Rendering{Answers: a, Files: Tree{}, Once: map[string]bool{}}
	rename := t.renamer(a)
	for _, p := range t.files.Paths() {
		rule := t.rule(p, s)
		if !rule.kept {
			continue
		}
		resources := []*Resource{nil}
		if rule.each {
			resources = nil
			for n := range a.Resources {
				resources = append(resources, &a.Resources[n])
			}
		}
		for _, in := range resources {
			to, file, err := t.file(p, rule, a, s, in, rename)
			if err != nil {
				return nil, fmt.Errorf("template %s: %s/%s:%w", t.Name, projectDir, p, err)
			}
			if _, taken := r.Files[to]; taken {
				return nil, fmt.Errorf("template %s: %s/%s: a second file is rendered as %s", t.Name, projectDir, p, to)
			}
			r.Files[to] = file
			if rule.once {
				r.Once[to] = true
			}
		}
	}
	entry := r.Files[entryName].Data
	delete(r.Files, entryName)
	r.Entry = entry
	return r, nil
}

// ruled is what the rules say of a file.
type ruled struct {
	kept, each, once bool
	as               string
}

func (t *Template) rule(file string, s scope) ruled {
	out := ruled{kept: true}
	for _, r := range t.rules.Files {
		if !matchesAny(r.Paths, file) {
			continue
		}
		out.kept = out.kept && s.holds(r.If.condition)
		out.each = out.each || r.Each != ""
		out.once = out.once || r.Owner == "once"
		if r.As != "" && !s.all {
			out.as = r.As
		}
	}
	return out
}

// file renders one file, for a resource or for none.
func (t *Template) file(p string, rule ruled, a Answers, s scope, in *Resource, rename renamer) (string, File, error) {
	name, file := p, t.files[p]
	if rule.as != "" {
		name = rule.as
	}
	numbers := func(r Resource) renamer {
		return renameResource(r, fmt.Sprintf("%04d", r.Number), fmt.Sprintf("%04d", r.Number-1))
	}
	text := string(file.Data)
	if parts, ok := t.marks[p]; ok {
		if in != nil {
			s = s.within(*in)
		}
		w := &writer{resources: a.Resources, numbers: numbers}
		if err := w.write(parts, s, in); err != nil {
			return "", file, err
		}
		text = w.out.String()
		if in != nil {
			text = numbers(*in).Replace(text)
		}
		text = rename.Replace(text)
	}
	if in != nil {
		name = numbers(*in).Replace(name)
	}
	name = rename.Replace(name)
	if !cleanPath(name) {
		return "", file, fmt.Errorf(" %q is no path within the service", name)
	}
	data, err := t.finish(p, []byte(text), s)
	return name, File{data, file.Exec}, err
}

// finish applies what is not said by marks.
func (t *Template) finish(p string, data []byte, s scope) ([]byte, error) {
	for _, r := range t.rules.Lines {
		if matchesAny(r.Paths, p) && !s.holds(r.If.condition) {
			data = withoutLines(data, r.Match.Match)
		}
	}
	var gone []string
	for _, r := range t.rules.Keys {
		if matchesAny(r.Paths, p) && !s.holds(r.If.condition) {
			gone = append(gone, r.Keys...)
		}
	}
	var err error
	if len(gone) > 0 {
		if data, err = withoutKeys(data, gone); err != nil {
			return nil, fmt.Errorf(" %w", err)
		}
	}
	if path.Base(p) == "package-lock.json" {
		if data, err = pruneLock(data, t.goneFrom(path.Join(path.Dir(p), "package.json"), s)); err != nil {
			return nil, fmt.Errorf(" %w", err)
		}
	}
	if path.Ext(p) == ".go" && !s.all {
		if data, err = format.Source(data); err != nil { // names of another length align differently
			return nil, fmt.Errorf(" what is rendered is no Go: %w", err)
		}
	}
	return data, nil
}

// goneFrom are the keys that a JSON file loses.
func (t *Template) goneFrom(file string, s scope) (keys []string) {
	for _, r := range t.rules.Keys {
		if matchesAny(r.Paths, file) && !s.holds(r.If.condition) {
			keys = append(keys, r.Keys...)
		}
	}
	return keys
}

func withoutLines(data []byte, match func([]byte) bool) []byte {
	var out []byte
	for line := range bytes.Lines(data) {
		if !match(bytes.TrimRight(line, "\r\n")) {
			out = append(out, line...)
		}
	}
	return out
}

// Identity says what of a template is not as it is rendered under its own
// names: each error is a file, with its first line that differs.
func (t *Template) Identity() []error {
	got, err := t.identity()
	if err != nil {
		return []error{err}
	}
	got.Files[entryName] = File{Data: got.Entry}
	var wrong []error
	for _, p := range t.files.Paths() {
		want := withoutLines(t.files[p].Data, mark.Match)
		file, ok := got.Files[p]
		switch {
		case !ok:
			wrong = append(wrong, fmt.Errorf("%s: it is not rendered", p))
		case !bytes.Equal(file.Data, want):
			wrong = append(wrong, fmt.Errorf("%s: %s", p, firstDifference(file.Data, want)))
		}
	}
	return wrong
}

func firstDifference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for n := range min(len(g), len(w)) {
		if g[n] != w[n] {
			return fmt.Sprintf("line %d less marks is %q, and is rendered as %q", n+1, w[n], g[n])
		}
	}
	return fmt.Sprintf("it has %d lines less marks, and is rendered with %d", len(w), len(g))
}
