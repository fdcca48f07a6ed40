package client

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var pathKey = regexp.MustCompile(`\{([^{}]*)\}`)

func (r *reader) operation(method, path string, shared []parameter, op operation) (Operation, error) {
	out := Operation{Method: method, Path: path}
	out.id = wordsOf(op.ID)
	if op.ID == "" {
		out.id = wordsOf(strings.ToLower(method) + " " + pathKey.ReplaceAllString(path, "by $1"))
	}
	if err := r.parameters(&out, shared, op.Parameters); err != nil {
		return out, err
	}
	if op.RequestBody != nil {
		body, err := follow(*op.RequestBody, op.RequestBody.Ref, "requestBodies", r.doc.Components.RequestBodies)
		if err != nil {
			return out, err
		}
		content, ok := jsonOf(body.Content)
		if !ok {
			return out, leftOut("it takes %s, not JSON", mediaTypes(body.Content))
		}
		shape, err := r.shape(content, out.id.with("body"))
		if err != nil {
			return out, err
		}
		out.Body = &shape
	}
	if err := r.answer(&out, op.Responses); err != nil {
		return out, err
	}
	out.id = r.ids.take(out.id)
	if len(out.Query) > 0 {
		out.queryType = r.name(out.id.with("query"))
	}
	return out, nil
}

// parameters reads those of the path item, and those of the operation, which
// come before them (OpenAPI 3.1 §4.8.10).
func (r *reader) parameters(out *Operation, shared, own []parameter) error {
	keys, seen := map[string]Field{}, map[string]bool{}
	for _, p := range slices.Concat(own, shared) {
		p, err := follow(p, p.Ref, "parameters", r.doc.Components.Parameters)
		if err != nil {
			return err
		}
		if seen[p.In+" "+p.Name] {
			continue
		}
		seen[p.In+" "+p.Name] = true
		if p.In != "path" && p.In != "query" {
			if p.Required {
				return leftOut("it needs the %s %s", p.In, p.Name)
			}
			continue
		}
		field, err := r.parameter(p, out.id)
		if err != nil {
			return err
		}
		if p.In == "path" {
			keys[p.Name] = field
		} else {
			out.Query = append(out.Query, field)
		}
	}
	slices.SortFunc(out.Query, func(a, b Field) int { return cmp.Compare(a.Name, b.Name) })
	for _, m := range pathKey.FindAllStringSubmatch(out.Path, -1) {
		key, ok := keys[m[1]]
		if !ok {
			key = Field{Name: m[1], Required: true, Shape: Shape{Kind: Text}} // not described, but it has to be there
		}
		if find(out.Keys, key.Name) < 0 {
			out.Keys = append(out.Keys, key)
		}
	}
	taken := names{}
	for _, fields := range [][]Field{out.Keys, out.Query} {
		for n := range fields {
			fields[n].arg = taken.take(wordsOf(fields[n].Name))
		}
	}
	return nil
}

// parameter reads one that is a value, or a list of them in the query. It is
// sent or not: there is no null to send.
func (r *reader) parameter(p parameter, id words) (Field, error) {
	shape, err := r.shape(p.Schema, id.with(p.Name))
	if err != nil {
		return Field{}, err
	}
	shape = shape.plain()
	one := &shape
	if shape.Kind == List && p.In == "query" {
		elem := shape.Elem.plain()
		shape.Elem, one = &elem, &elem
	}
	shape.Null, one.Null = false, false
	if len(p.Content) > 0 || one.Kind == Named || one.Kind == Map || one.Kind == List {
		return Field{}, leftOut("its parameter %s is more than a value", p.Name)
	}
	return Field{Name: p.Name, Required: p.Required || p.In == "path", Shape: shape}, nil
}

// answer takes the first status of success.
func (r *reader) answer(out *Operation, responses map[string]response) error {
	for _, status := range slices.Sorted(maps.Keys(responses)) {
		if !strings.HasPrefix(status, "2") {
			continue
		}
		found, err := follow(responses[status], responses[status].Ref, "responses", r.doc.Components.Responses)
		if err != nil {
			return err
		}
		if out.Status, err = strconv.Atoi(status); err != nil {
			out.Status = 200 // 2XX
		}
		if len(found.Content) == 0 {
			return nil
		}
		content, ok := jsonOf(found.Content)
		if !ok {
			return leftOut("it answers %s, not JSON", mediaTypes(found.Content))
		}
		shape, err := r.shape(content, out.id.with("answer"))
		if err != nil {
			return err
		}
		out.Answer = &shape
		return nil
	}
	return leftOut("it does not say what it answers")
}

func jsonOf(content map[string]mediaType) (*schema, bool) {
	for _, kind := range slices.Sorted(maps.Keys(content)) {
		name, _, _ := strings.Cut(kind, ";")
		if name == "application/json" || strings.HasSuffix(name, "+json") || name == "*/*" {
			return content[kind].Schema, true
		}
	}
	return nil, false
}

func mediaTypes(content map[string]mediaType) string {
	return strings.Join(slices.Sorted(maps.Keys(content)), ", ")
}
