package templates

import (
	"fmt"
	"slices"
	"strings"
)

// condition holds when all its terms do.
type condition []term

// term compares an option with values: store=sqlite|postgres, auth!=none.
type term struct {
	option string
	not    bool
	values []string
}

func parseCondition(text string) (condition, error) {
	var c condition
	for _, word := range strings.Fields(text) {
		option, values, ok := strings.Cut(word, "=")
		option, not := strings.CutSuffix(option, "!")
		if !ok || option == "" || values == "" {
			return nil, fmt.Errorf("condition %q: want option=value, option=value|value or option!=value", word)
		}
		c = append(c, term{option, not, strings.Split(values, "|")})
	}
	if c == nil {
		return nil, fmt.Errorf("want a condition, such as store=sqlite")
	}
	return c, nil
}

// scope is what conditions are about.
type scope struct {
	all     bool                // every part is kept
	options map[string][]string // fields has several values
}

func (s scope) holds(c condition) bool {
	if s.all {
		return true
	}
	for _, t := range c {
		has := slices.ContainsFunc(s.options[t.option], func(v string) bool { return slices.Contains(t.values, v) })
		if has == t.not {
			return false
		}
	}
	return true
}

// scopeOf is the scope of answers, outside of resources.
func scopeOf(a Answers) scope {
	s := scope{options: map[string][]string{"resources": {"none"}}}
	for name, value := range a.Options {
		s.options[name] = []string{value}
	}
	for _, r := range a.Resources {
		s.options["resources"] = []string{"some"}
		s.options["fields"] = append(s.options["fields"], r.types()...)
	}
	return s
}

// within is the scope of what is rendered for a resource.
func (s scope) within(r Resource) scope {
	options := map[string][]string{}
	for name, values := range s.options {
		options[name] = values
	}
	options["fields"] = r.types()
	return scope{s.all, options}
}

func (r Resource) types() []string {
	types := make([]string, len(r.Fields))
	for n, f := range r.Fields {
		types[n] = f.Type
	}
	return types
}

// check makes sure that a template has what a condition names.
func (t *Template) check(c condition) error {
	for _, term := range c {
		var known []string
		switch term.option {
		case "resources":
			known = []string{"none", "some"}
		case "fields":
			known = typeOrder
		default:
			o := t.option(term.option)
			if o == nil {
				return fmt.Errorf("there is no option %q", term.option)
			}
			known = o.Choices
		}
		for _, v := range term.values {
			if known != nil && !slices.Contains(known, v) {
				return fmt.Errorf("%s is never %q: it is one of %s", term.option, v, strings.Join(known, ", "))
			}
		}
	}
	return nil
}
