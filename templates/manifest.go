package templates

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// ManifestName is the file that makes a folder a template.
const ManifestName = "template.yaml"

// manifest is template.yaml.
type manifest struct {
	Description string     `yaml:"description"`
	Language    string     `yaml:"language"`
	Options     options    `yaml:"options"`
	Resource    string     `yaml:"resource"`
	Files       []fileRule `yaml:"files"`
	Lines       []lineRule `yaml:"lines"`
	Keys        []keyRule  `yaml:"keys"`
	Ignore      []pattern  `yaml:"ignore"`
	Client      *Clients   `yaml:"client"`
	Checks      []string   `yaml:"checks"`
	Hooks       [][]string `yaml:"hooks"`
}

// Clients is where a service keeps its clients of others. A {name} in a path is
// the other's.
type Clients struct {
	Options map[string]string `yaml:"options"` // that clients need to be so
	Code    string            `yaml:"code"`
	Test    string            `yaml:"test"`
	Calls   string            `yaml:"calls"` // what clients import to make calls
}

// Option is something that can be chosen.
type Option struct {
	Name        string   `yaml:"-" json:"name"`
	Description string   `yaml:"description" json:"description"`
	Choices     []string `yaml:"choices" json:"choices,omitempty"` // none: text
	Default     string   `yaml:"default" json:"default"`
	Replaces    string   `yaml:"replaces" json:"-"`
	Pattern     string   `yaml:"pattern" json:"pattern,omitempty"`
}

// Check refuses what cannot be chosen.
func (o Option) Check(value string) error {
	switch {
	case o.Choices != nil && !slices.Contains(o.Choices, value):
		return fmt.Errorf("option %s: want one of %s, got %q", o.Name, strings.Join(o.Choices, ", "), value)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("option %s: want one line of text", o.Name)
	case o.Pattern != "":
		if re, err := regexp.Compile("^(?:" + o.Pattern + ")$"); err != nil || !re.MatchString(value) {
			return fmt.Errorf("option %s: want what %s matches, got %q", o.Name, o.Pattern, value)
		}
	}
	return nil
}

// options keep the order of the file.
type options []Option

func (o *options) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: options: want a mapping", n.Line)
	}
	for i := 0; i < len(n.Content); i += 2 {
		var opt Option
		if err := n.Content[i+1].Decode(&opt); err != nil {
			return err
		}
		opt.Name = n.Content[i].Value
		*o = append(*o, opt)
	}
	return nil
}

// fileRule says when a file is rendered, and as what.
type fileRule struct {
	Paths []pattern   `yaml:"paths"`
	If    conditional `yaml:"if"`
	Each  string      `yaml:"each"`
	As    string      `yaml:"as"`
	Owner string      `yaml:"owner"`
}

// lineRule says when the lines of a file that match are kept.
type lineRule struct {
	Paths []pattern   `yaml:"paths"`
	Match expression  `yaml:"match"`
	If    conditional `yaml:"if"`
}

// keyRule says when keys of a JSON file are kept.
type keyRule struct {
	Paths []pattern   `yaml:"paths"`
	Keys  []string    `yaml:"keys"`
	If    conditional `yaml:"if"`
}

// conditional is a condition in YAML.
type conditional struct{ condition }

func (c *conditional) UnmarshalYAML(n *yaml.Node) (err error) {
	if c.condition, err = parseCondition(n.Value); err != nil {
		err = fmt.Errorf("line %d: if: %w", n.Line, err)
	}
	return err
}

// expression is a regular expression in YAML.
type expression struct{ *regexp.Regexp }

func (e *expression) UnmarshalYAML(n *yaml.Node) (err error) {
	if e.Regexp, err = regexp.Compile(n.Value); err != nil {
		err = fmt.Errorf("line %d: match: %w", n.Line, err)
	}
	return err
}

// pattern is a path of a project: a file, a folder that ends with /, or either
// with * and ? within a name.
type pattern string

func (p *pattern) UnmarshalYAML(n *yaml.Node) error {
	*p = pattern(n.Value)
	if _, err := path.Match(string(*p), ""); err != nil || *p == "" {
		return fmt.Errorf("line %d: path %q: it is no pattern", n.Line, n.Value)
	}
	return nil
}

func (p pattern) matches(file string) bool {
	folder, isFolder := strings.CutSuffix(string(p), "/")
	if !isFolder {
		ok, _ := path.Match(folder, file)
		return ok
	}
	for at := path.Dir(file); at != "."; at = path.Dir(at) {
		if ok, _ := path.Match(folder, at); ok {
			return true
		}
	}
	return false
}

func matchesAny(paths []pattern, file string) bool {
	return slices.ContainsFunc(paths, func(p pattern) bool { return p.matches(file) })
}

// maxManifest bounds template.yaml.
const maxManifest = 1 << 20

// Languages are those that msctl has support for.
var languages = []string{"python", "go", "node", "other"}

func parseManifest(data []byte) (manifest, error) {
	var m manifest
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&m); err != nil && !errors.Is(err, io.EOF) {
		return m, fmt.Errorf("%s: %w", ManifestName, err)
	}
	fail := func(format string, args ...any) (manifest, error) {
		return m, fmt.Errorf("%s: %w", ManifestName, fmt.Errorf(format, args...))
	}
	switch {
	case m.Description == "" || strings.Contains(m.Description, "\n"):
		return fail("description: want a line of text")
	case !slices.Contains(languages, m.Language):
		return fail("language: want one of %s, got %q", strings.Join(languages, ", "), m.Language)
	}
	for _, o := range m.Options {
		if !fieldName.MatchString(o.Name) || o.Name == "resources" || o.Name == "fields" {
			return fail("options: %q cannot be an option's name", o.Name)
		}
		if o.Description == "" {
			return fail("options: %s: want a description", o.Name)
		}
		if _, err := regexp.Compile(o.Pattern); err != nil {
			return fail("options: %s: pattern: %w", o.Name, err)
		}
		if err := o.Check(o.Default); err != nil {
			return fail("options: default: %w", err)
		}
	}
	if m.Resource != "" {
		if _, err := ParseResource(strings.Fields(m.Resource)); err != nil {
			return fail("resource: %w", err)
		}
	}
	for _, h := range m.Hooks {
		if len(h) == 0 || h[0] == "" {
			return fail("hooks: want lists of a program and its arguments")
		}
	}
	for _, f := range m.Files {
		switch {
		case f.Each != "" && f.Each != "resource":
			return fail("files: each: want resource, got %q", f.Each)
		case f.Owner != "" && f.Owner != "once":
			return fail("files: owner: want once, got %q", f.Owner)
		case f.As != "" && !cleanPath(f.As):
			return fail("files: as: %q is no path within the project", f.As)
		}
	}
	if err := m.Client.check(); err != nil {
		return fail("client: %w", err)
	}
	return m, nil
}

func (c *Clients) check() error {
	if c == nil {
		return nil
	}
	for _, p := range []string{c.Code, c.Test} {
		if !cleanPath(p) || !strings.Contains(p, "{name}") {
			return fmt.Errorf("%q is no path within the project with a {name}", p)
		}
	}
	if c.Calls == "" {
		return errors.New("want calls")
	}
	return nil
}

// cleanPath reports whether a path with slashes stays within its folder, on
// every system.
func cleanPath(p string) bool {
	return p != "." && p == path.Clean(p) && !path.IsAbs(p) && p != ".." && !strings.HasPrefix(p, "../") && !strings.ContainsAny(p, "\\:\x00")
}
