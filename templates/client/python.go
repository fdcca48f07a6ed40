package client

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var pythonWords = strings.Fields(`False None True and as assert async await break class continue def del elif else except
	finally for from global if import in is lambda nonlocal not or pass raise return try while with yield
	self body answer list dict str int float bool`)

var pythonIdentifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func pythonName(w words) string { return argument(w.Snake(), pythonWords) }

func pythonType(s Shape) string {
	name := "Any"
	switch s.Kind {
	case Anything:
		return name
	case Text:
		name = "str"
		if len(s.Values) > 0 {
			name = "Literal[" + join(s.Values, ", ", func(s string) string { return compact(s) }) + "]"
		}
	case Whole:
		name = "int"
	case Number:
		name = "float"
	case Truth:
		name = "bool"
	case List:
		name = "list[" + pythonType(*s.Elem) + "]"
	case Map:
		name = "dict[str, " + pythonType(*s.Elem) + "]"
	case Named:
		name = s.Type.Name
	case OneOf:
		name = join(s.Of, " | ", pythonType)
	}
	if s.Null {
		name += " | None"
	}
	return name
}

// pythonClass is a type's declaration. The fields that may be missing are in a
// class of their own: NotRequired came with Python 3.11. What no class can have
// is in the functional form: names that are no identifiers, those that Python
// changes in classes (__x), and those that would hide a type.
func pythonClass(t *Type) string {
	if t.Alias != nil {
		return fmt.Sprintf("%s: TypeAlias = %s", t.Name, compact(pythonType(*t.Alias)))
	}
	var required, optional []Field
	functional := false
	for _, f := range t.Fields {
		if f.Required {
			required = append(required, f)
		} else {
			optional = append(optional, f)
		}
		functional = functional || !pythonIdentifier.MatchString(f.Name) || strings.HasPrefix(f.Name, "__") ||
			slices.Contains(pythonWords, f.Name) || f.Name == wordsOf(f.Name).Pascal()
	}
	class := pythonClassForm
	if functional {
		class = pythonFunctionalForm
	}
	half, rest := "_"+t.Name, "_"+t.Name+"_Rest"
	switch {
	case len(optional) == 0:
		return class(t.Name, "TypedDict", required)
	case len(required) == 0:
		return class(t.Name, "TypedDict, total=False", optional)
	case functional:
		return class(half, "TypedDict", required) + "\n\n\n" + class(rest, "TypedDict, total=False", optional) + "\n\n\n" +
			pythonClassForm(t.Name, half+", "+rest, nil)
	}
	return class(half, "TypedDict", required) + "\n\n\n" + class(t.Name, half+", total=False", optional)
}

func pythonClassForm(name, bases string, fields []Field) string {
	text := fmt.Sprintf("class %s(%s):", name, bases)
	if len(fields) == 0 {
		return text + "\n    pass"
	}
	return text + "\n    " + join(fields, "\n    ", func(f Field) string { return f.Name + ": " + pythonType(f.Shape) })
}

func pythonFunctionalForm(name, bases string, fields []Field) string {
	_, total, _ := strings.Cut(bases, "TypedDict")
	return fmt.Sprintf("%s = TypedDict(%q, {%s}%s)", name, name,
		join(fields, ", ", func(f Field) string { return compact(f.Name) + ": " + compact(pythonType(f.Shape)) }), total)
}

func pythonLiteral(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return map[bool]string{true: "True", false: "False"}[v]
	case []any:
		return "[" + join(v, ", ", pythonLiteral) + "]"
	case map[string]any:
		return "{" + join(slices.Sorted(maps.Keys(v)), ", ", func(k string) string { return compact(k) + ": " + pythonLiteral(v[k]) }) + "}"
	case map[string][]string:
		return "{" + join(slices.Sorted(maps.Keys(v)), ", ", func(k string) string {
			return compact(k) + ": [" + join(v[k], ", ", func(s string) string { return compact(s) }) + "]"
		}) + "}"
	}
	return compact(v)
}

func join[T any](all []T, sep string, form func(T) string) string {
	out := make([]string, len(all))
	for n, v := range all {
		out[n] = form(v)
	}
	return strings.Join(out, sep)
}
