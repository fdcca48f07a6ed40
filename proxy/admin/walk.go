package admin

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// component is something that an OpenAPI document names: a component by its
// kind (schemas, responses…), a path or an operation.
type component struct{ kind, name string }

// The kinds that are not below components.
const (
	paths        = "paths"
	operationIDs = "operationId"
)

// named are the fields whose keys are names: a property may be called example.
var named = map[string]bool{
	"$defs": true, "callbacks": true, "content": true, "definitions": true, "dependentSchemas": true, "encoding": true,
	"examples": true, "headers": true, "links": true, "patternProperties": true, "properties": true, "responses": true,
}

// walk gives each reference in v the name that rename has for what it refers
// to, in place and in a fixed order. Examples, defaults and extensions are
// data, in which nothing is a reference. The keys of v are names, or fields.
func walk(v any, names bool, rename func(component) string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			walk(e, false, rename)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if names {
				walk(v[k], false, rename)
			} else {
				v[k] = field(k, v[k], rename)
			}
		}
	}
}

// field is walk for a field's value, which it returns.
func field(k string, v any, rename func(component) string) any {
	s, isText := v.(string)
	_, isList := v.([]any)
	switch {
	case k == "example", k == "default", k == "enum", k == "const", k == "value", strings.HasPrefix(k, "x-"):
	case k == "examples" && isList: // of a schema; elsewhere they are objects
	case isText && (k == "$ref" || k == "operationRef"):
		return reference(s, rename)
	case isText && k == operationIDs:
		return rename(component{operationIDs, s})
	case k == "discriminator":
		mapping := object(object(v)["mapping"])
		for _, value := range slices.Sorted(maps.Keys(mapping)) {
			if to, ok := mapping[value].(string); ok {
				mapping[value] = mapped(to, rename)
			}
		}
	case k == "security" && isList:
		return requirements(v.([]any), rename)
	default:
		walk(v, named[k], rename)
	}
	return v
}

// mapped is where a discriminator leads: a reference or the name of a schema.
func mapped(to string, rename func(component) string) string {
	if strings.HasPrefix(to, "#") {
		return reference(to, rename)
	}
	return rename(component{"schemas", to})
}

// requirements are security requirements; a new list, since operations share
// that of the document.
func requirements(all []any, rename func(component) string) []any {
	out := slices.Clone(all)
	for n, r := range out {
		schemes, ok := r.(map[string]any)
		if !ok {
			continue
		}
		to := make(map[string]any, len(schemes))
		for _, name := range slices.Sorted(maps.Keys(schemes)) {
			to[rename(component{"securitySchemes", name})] = schemes[name]
		}
		out[n] = to
	}
	return out
}

// reference is ref with the name in it renamed: a JSON pointer in a fragment
// (RFC 6901 §6) to a component or a path, or to something below one. Others
// stay as they are.
func reference(ref string, rename func(component) string) string {
	pointer, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return ref
	}
	first := 2 // the token that is the name
	tokens := strings.SplitN(pointer, "/", 4)
	if tokens[0] == paths {
		first = 1
	} else if tokens[0] != "components" {
		return ref
	}
	if len(tokens) <= first {
		return ref
	}
	name, err := url.PathUnescape(tokens[first])
	if err != nil {
		return ref
	}
	name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
	to := rename(component{tokens[first-1], name})
	if to == name {
		return ref
	}
	tokens[first] = url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(to))
	return "#/" + strings.Join(tokens, "/")
}
