package stack

import (
	"encoding/json"
	"maps"
)

// Schema is the JSON Schema (2020-12) of stack files, made of the shapes that
// Load checks them with. It cannot say what several keys or files say
// together, such as a dependency that does not exist.
func Schema() []byte {
	s := schemaOf(root)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "msctl stack file"
	s["anyOf"] = []any{map[string]any{"required": []any{"services"}}, map[string]any{"required": []any{"registry"}}}
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil // maps of strings and numbers: it cannot fail
	}
	return append(out, '\n')
}

// schemaOf is the schema of a value of shape s.
func schemaOf(s *shape) map[string]any {
	var forms []any
	if s.text != nil {
		forms = append(forms, scalarSchemas(s.text)...)
	}
	if s.list != nil {
		forms = append(forms, map[string]any{"type": "array", "items": schemaOf(s.list)})
	}
	switch {
	case s.keys != nil:
		properties := map[string]any{}
		for _, k := range s.keys {
			properties[k.name] = documented(nullable(schemaOf(k.shape)), k.doc)
		}
		forms = append(forms, map[string]any{
			"type": "object", "properties": properties, "patternProperties": map[string]any{"^x-": true}, "additionalProperties": false,
		})
	case s.free != nil:
		m := map[string]any{"type": "object", "additionalProperties": nullable(schemaOf(s.free))}
		if s.name != nil {
			m["propertyNames"] = map[string]any{"pattern": s.name.pattern.String()}
		}
		forms = append(forms, m)
	}
	if len(forms) == 1 {
		return forms[0].(map[string]any) //nolint:forcetypeassert // all forms are made above
	}
	return map[string]any{"anyOf": forms}
}

// scalarSchemas are a scalar's schema, and what it looks like as text: quoted,
// or with variables, which only Load can replace.
func scalarSchemas(t *text) []any {
	out := []any{t.schema}
	switch {
	case t.strings:
	case t.schema["type"] == "integer", t.schema["type"] == "number":
		out = append(out, pattern(`^ *[0-9]+(\.[0-9]+)? *$`))
		fallthrough
	default:
		out = append(out, pattern(`\$`))
	}
	return out
}

// nullable lets a key stand without a value.
func nullable(s map[string]any) map[string]any {
	if forms, ok := s["anyOf"].([]any); ok {
		return map[string]any{"anyOf": append([]any{map[string]any{"type": "null"}}, forms...)}
	}
	return map[string]any{"anyOf": []any{map[string]any{"type": "null"}, s}}
}

func documented(s map[string]any, doc string) map[string]any {
	s = maps.Clone(s)
	s["description"] = doc
	return s
}
