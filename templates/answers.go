package templates

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Answers are what a service is rendered from, besides its template.
type Answers struct {
	Service   string            `yaml:"service" json:"service"`
	Options   map[string]string `yaml:"options,omitempty" json:"options,omitempty"`
	Resources []Resource        `yaml:"resources,omitempty" json:"resources,omitempty"`
}

// Resource is a thing that a service keeps, and offers over HTTP.
type Resource struct {
	Name   string  `yaml:"name" json:"name"`
	Plural string  `yaml:"plural,omitempty" json:"plural,omitempty"` // where it is not the regular one
	Number int     `yaml:"number" json:"number"`                     // of its migration, from 1
	Fields []Field `yaml:"fields" json:"fields"`
}

func (r Resource) plural() string { return cmp.Or(r.Plural, wordsOf(r.Name).plural().kebab()) }

func (r Resource) String() string {
	out := r.Name
	for _, f := range r.Fields {
		out += " " + f.Name + ":" + f.Type
	}
	return out
}

// Field is a property of a resource.
type Field struct {
	Name string `yaml:"name" json:"name"`
	Type string `yaml:"type" json:"type"`
}

// fieldTypes are the types of fields, each with the name that its field has in
// templates' projects.
var fieldTypes = map[string]string{
	"string":   "title",
	"text":     "notes",
	"int":      "stock",
	"decimal":  "price",
	"bool":     "active",
	"datetime": "released_at",
}

// typeOrder is the order of the fields in templates' projects.
var typeOrder = []string{"string", "text", "int", "decimal", "bool", "datetime"}

// maxFields bounds what a resource may have.
const maxFields = 50

// ParseResource reads a resource as it is written on the command line:
// {"item", "name:string", "price:decimal"}.
func ParseResource(args []string) (Resource, error) {
	if len(args) == 0 {
		return Resource{}, fmt.Errorf("want a resource's name")
	}
	r := Resource{Name: args[0], Number: 1}
	if err := r.Check(); err != nil {
		return r, err
	}
	for _, arg := range args[1:] {
		name, kind, ok := strings.Cut(arg, ":")
		if !ok {
			return r, fmt.Errorf("field %q: want a name and a type, as in price:decimal", arg)
		}
		if fieldTypes[kind] == "" {
			return r, fmt.Errorf("field %q: want one of the types %s, got %q", name, strings.Join(typeOrder, ", "), kind)
		}
		if err := checkName("field", name, fieldName, keywords, sqlWords, fieldWords); err != nil {
			return r, err
		}
		if slices.ContainsFunc(r.Fields, func(f Field) bool { return f.Name == name }) {
			return r, fmt.Errorf("field %q is named twice", name)
		}
		r.Fields = append(r.Fields, Field{name, kind})
	}
	switch {
	case len(r.Fields) == 0:
		return r, fmt.Errorf("resource %q: want one field or more, as in %s price:decimal", r.Name, r.Name)
	case len(r.Fields) > maxFields:
		return r, fmt.Errorf("resource %q: want at most %d fields, got %d", r.Name, maxFields, len(r.Fields))
	}
	return r, nil
}

// Defaults are the answers of a service for which nothing was chosen.
func (t *Template) Defaults(service string) (Answers, error) {
	a := Answers{Service: service}
	if t.Resource != nil {
		a.Resources = []Resource{*t.Resource}
	}
	return t.settle(a)
}

// checkName refuses what cannot be a name in every language.
func checkName(what, name string, form *regexp.Regexp, taken ...map[string]bool) error {
	if !form.MatchString(name) || len(name) > maxName {
		return fmt.Errorf("%s %q: want a name of at most %d of a-z and 0-9, with single dashes or underscores between, that begins with a letter", what, name, maxName)
	}
	for _, words := range taken {
		if words[wordsOf(name).snake()] {
			return fmt.Errorf("%s %q: the word is taken, by a language, by SQL or by what is generated; choose another", what, name)
		}
	}
	return nil
}

// CheckService refuses what cannot be a service's name.
func CheckService(name string) error {
	return checkName("service", name, serviceName, keywords)
}

// AnswersError says that answers are wrong: what is given, not the template.
type AnswersError struct{ err error }

func (e *AnswersError) Error() string { return e.err.Error() }

// Unwrap is what is wrong.
func (e *AnswersError) Unwrap() error { return e.err }

// settle completes answers with a template's defaults and refuses what the
// template does not know.
func (t *Template) settle(a Answers) (Answers, error) {
	a, err := t.complete(a)
	if err != nil {
		return a, &AnswersError{err}
	}
	return a, nil
}

func (t *Template) complete(a Answers) (Answers, error) {
	if err := CheckService(a.Service); err != nil {
		return a, err
	}
	given := a.Options
	a.Options = map[string]string{}
	rename := renameService(a.Service)
	for _, o := range t.Options {
		value, ok := given[o.Name]
		if !ok {
			value = rename.Replace(o.Default)
		}
		if err := o.Check(value); err != nil {
			return a, err
		}
		a.Options[o.Name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := a.Options[name]; !ok {
			return a, &UnknownOptionError{Template: t.Name, Option: name, Known: t.optionNames()}
		}
	}
	seen := map[string]bool{}
	for _, r := range a.Resources {
		if seen[r.Name] {
			return a, fmt.Errorf("resource %q is named twice", r.Name)
		}
		seen[r.Name] = true
	}
	return a, nil
}

// UnknownOptionError says that a template has no such option.
type UnknownOptionError struct {
	Template, Option string
	Known            []string
}

func (e *UnknownOptionError) Error() string {
	return fmt.Sprintf("template %s has no option %q", e.Template, e.Option)
}

// Hint names those there are.
func (e *UnknownOptionError) Hint() string {
	if len(e.Known) == 0 {
		return "it has none"
	}
	return "it has " + strings.Join(e.Known, ", ")
}

// AnswersFile is a file of answers for a new service.
type AnswersFile struct {
	Template  string            `yaml:"template"`
	Options   map[string]string `yaml:"options"`
	Resources []string          `yaml:"resources"` // "item name:string price:decimal"; none
}

// ParseAnswers reads a file of answers.
func ParseAnswers(data []byte) (AnswersFile, error) {
	var a AnswersFile
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&a); err != nil && !errors.Is(err, io.EOF) {
		return a, err
	}
	return a, nil
}

// Check refuses names that the resource cannot have.
func (r Resource) Check() error {
	if err := checkName("resource", r.Name, resourceName, keywords); err != nil {
		return err
	}
	if r.plural() == r.Name {
		return fmt.Errorf("plural %q: want another word than the name", r.Plural)
	}
	return checkName("plural", r.plural(), resourceName, keywords, sqlWords)
}
