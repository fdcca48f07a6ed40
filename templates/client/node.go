package client

import (
	"path"
	"path/filepath"
	"strings"
)

var nodeWords = strings.Fields(`arguments await break case catch class const constructor continue debugger default delete do else
	enum eval export extends false finally for function if implements import in instanceof interface let new null
	package private protected public return static super switch this throw true try typeof undefined var void
	while with yield body calls query`)

// nodeName is the form of functions and arguments.
func nodeName(w words) string { return argument(w[0]+words(w[1:]).Pascal(), nodeWords) }

func nodeType(s Shape) string {
	name := "unknown"
	switch s.Kind {
	case Anything:
		return name
	case Text:
		name = "string"
		if len(s.Values) > 0 {
			name = join(s.Values, " | ", func(s string) string { return compact(s) })
		}
	case Whole, Number:
		name = "number"
	case Truth:
		name = "boolean"
	case List:
		name = "(" + nodeType(*s.Elem) + ")[]"
	case Map:
		name = "{ [name: string]: " + nodeType(*s.Elem) + " }"
	case Named:
		name = s.Type.Name
	case OneOf:
		name = join(s.Of, " | ", nodeType)
	}
	if s.Null {
		name += " | null"
	}
	return name
}

// nodeDeclare is what a type's name stands for.
func nodeDeclare(t *Type) string {
	if t.Alias != nil {
		return nodeType(*t.Alias)
	}
	return nodeFields(t.Fields)
}

func nodeFields(fields []Field) string {
	if len(fields) == 0 {
		return "{ [name: string]: unknown }"
	}
	return "{ " + join(fields, "; ", func(f Field) string {
		optional := "?"
		if f.Required {
			optional = ""
		}
		return compact(f.Name) + optional + ": " + nodeType(f.Shape)
	}) + " }"
}

// nodeQuery is the argument of a query, which need not be there when none of it does.
func nodeQuery(fields []Field) string {
	text := "query: " + nodeFields(fields)
	for _, f := range fields {
		if f.Required {
			return text
		}
	}
	return text + " = {}"
}

// nodeSent are the parameters of a query as a client is given them in a test.
func nodeSent(fields []Field) map[string]any {
	sent := map[string]any{}
	for _, f := range fields {
		sent[f.Name] = f.Shape.sample()
	}
	return sent
}

// Import is what the file at from imports the file to as, as paths in a project.
func (Place) Import(from, to string) string {
	rel, _ := filepath.Rel(path.Dir(from), to) // both are relative
	rel = filepath.ToSlash(rel)
	if !strings.HasPrefix(rel, "../") {
		rel = "./" + rel
	}
	return rel
}
