package client

import (
	"fmt"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var goWords = strings.Fields(`any bool byte calls context ctx error float64 int64 query body string true false nil len cap make new c t`)

// goName is the form of names that are not exported.
func goName(w words) string {
	name := w[0]
	if len(w) > 1 {
		name += w[1:].Exported()
	}
	if token.IsKeyword(name) {
		return name + "_"
	}
	return argument(name, goWords)
}

func goType(s Shape) string {
	name := "any"
	switch s.Kind {
	case Anything, OneOf:
		return name
	case Text:
		name = "string"
	case Whole:
		name = "int64"
	case Number:
		name = "float64"
	case Truth:
		name = "bool"
	case List:
		return "[]" + goType(*s.Elem)
	case Map:
		return "map[string]" + goType(*s.Elem)
	case Named:
		name = s.Type.Name
		if a := s.plain(); a.Kind == List || a.Kind == Map || a.Kind == Anything || a.Kind == OneOf {
			return name // nil is null
		}
	}
	if s.Null {
		return "*" + name
	}
	return name
}

// goDeclare is what stands behind a type's name. One whose fields encoding/json
// cannot name is a map.
func goDeclare(t *Type) string {
	if t.Alias != nil {
		return goType(*t.Alias)
	}
	if slices.ContainsFunc(t.Fields, func(f Field) bool { return !goTag.MatchString(f.Name) }) {
		return "map[string]any"
	}
	var b strings.Builder
	b.WriteString("struct {\n")
	taken := names{}
	for _, f := range t.Fields {
		tag := f.Name + map[bool]string{true: "", false: ",omitzero"}[f.Required]
		if tag == "-" {
			tag = "-," // a field that is called so, and not one that is left out
		}
		fmt.Fprintf(&b, "%s %s `json:%q`\n", taken.take(wordsOf(f.Name)).Exported(), goField(f, t), tag)
	}
	return b.String() + "}"
}

// goTag are the names that encoding/json takes from a tag.
var goTag = regexp.MustCompile(`^[A-Za-z0-9!#$%&()*+./:;<=>?@\[\]^_{|}~ -]+$`)

// goStruct is the type of a query.
func goStruct(query []Field) string {
	return "struct {\n" + join(query, "", func(f Field) string { return f.arg.Exported() + " " + goField(f, nil) + "\n" }) + "}"
}

// goField is the type of a field of in. What may be missing is nil then, and a
// struct cannot have itself as a field.
func goField(f Field, in *Type) string {
	kind := goType(f.Shape)
	if !strings.HasPrefix(kind, "*") && pointed(f.Shape) && (!f.Required || f.Shape.holds(in, nil)) {
		return "*" + kind
	}
	return kind
}

// pointed reports whether it takes a pointer for a shape to be nil.
func pointed(s Shape) bool {
	k := s.plain().Kind
	return k != List && k != Map && k != Anything && k != OneOf
}

// holds reports whether a value of s has one of t within it, by value.
func (s Shape) holds(t *Type, seen []*Type) bool {
	of, ok := s.object()
	if !ok || slices.Contains(seen, of) {
		return false
	}
	seen = append(seen, of)
	return of == t || slices.ContainsFunc(of.Fields, func(f Field) bool { return f.Shape.holds(t, seen) })
}

// goValue is a sample for a field of a query.
func goValue(f Field) string {
	value := f.Shape.sample()
	if list, ok := value.([]any); ok {
		return goType(f.Shape) + "{" + join(list, ", ", compact) + "}"
	}
	if !f.Required && pointed(f.Shape) {
		if kind := f.Shape.Kind; kind == Whole || kind == Number {
			return fmt.Sprintf("new(%s(%s))", goType(f.Shape), compact(value))
		}
		return "new(" + compact(value) + ")"
	}
	return compact(value)
}

// goRaw is a text between backquotes, if there are none in it.
func goRaw(text string) string {
	if strconv.CanBackquote(text) {
		return "`" + text + "`"
	}
	return strconv.Quote(text)
}
