package client

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// reader makes types and shapes of schemas.
type reader struct {
	doc   document
	types map[string]*Type // by the schema's name
	all   []*Type
	taken names // of types
	ids   names // of operations
}

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

// maxDepth bounds how deep schemas stand within each other.
const maxDepth = 100

// shape reads a schema. A type that has no name in the document gets the name.
func (r *reader) shape(s *schema, name words) (Shape, error) {
	switch {
	case len(name) > maxDepth:
		return Shape{}, fmt.Errorf("schemas are more than %d deep", maxDepth)
	case s == nil || s.Never:
		return Shape{Kind: Anything}, nil
	case s.Ref != "":
		t, err := r.named(s.Ref)
		return Shape{Kind: Named, Type: t, Null: s.Nullable}, err
	}
	out, err := r.shapeOf(s, name)
	out.Null = (out.Null || s.Nullable) && out.Kind != Anything
	return out, err
}

func (r *reader) shapeOf(s *schema, name words) (Shape, error) {
	switch {
	case len(s.AllOf) == 1 && !s.isObject():
		return r.shape(s.AllOf[0], name)
	case s.isObject():
		t := &Type{Name: r.name(name)}
		r.all = append(r.all, t)
		return Shape{Kind: Named, Type: t, Null: slices.Contains(s.Type, "null")}, r.object(t, s, name)
	case len(s.OneOf) > 0:
		return r.oneOf(s.OneOf, name)
	case len(s.AnyOf) > 0:
		return r.oneOf(s.AnyOf, name)
	}
	if values, null, ok := texts(s); ok {
		return Shape{Kind: Text, Values: values, Null: null || slices.Contains(s.Type, "null")}, nil
	}
	var kinds []Shape
	null := false
	for _, t := range s.Type {
		if null = null || t == "null"; t == "null" {
			continue
		}
		kind, err := r.simple(t, s, name)
		if err != nil {
			return kind, err
		}
		kinds = append(kinds, kind)
	}
	return together(kinds, null), nil
}

func (r *reader) simple(kind string, s *schema, name words) (Shape, error) {
	switch kind {
	case "string":
		return Shape{Kind: Text, Format: s.Format}, nil
	case "integer":
		return Shape{Kind: Whole}, nil
	case "number":
		return Shape{Kind: Number}, nil
	case "boolean":
		return Shape{Kind: Truth}, nil
	case "array":
		elem, err := r.shape(s.Items, name.with("item"))
		return Shape{Kind: List, Elem: &elem}, err
	case "object":
		elem, err := r.shape(s.Others, name.with("value"))
		return Shape{Kind: Map, Elem: &elem}, err
	}
	return Shape{}, fmt.Errorf("there is no type %q", kind)
}

// texts are the values of an enumeration of texts.
func texts(s *schema) (values []string, null, ok bool) {
	all := s.Enum
	if s.Const != nil {
		all = []any{s.Const}
	}
	for _, v := range all {
		switch v := v.(type) {
		case string:
			values = append(values, v)
		case nil:
			null = true
		default:
			return nil, false, false
		}
	}
	return values, null, len(values) > 0
}

func (r *reader) oneOf(all []*schema, name words) (Shape, error) {
	var shapes []Shape
	null := false
	for n, s := range all {
		if s != nil && len(s.Type) == 1 && s.Type[0] == "null" {
			null = true
			continue
		}
		shape, err := r.shape(s, name.with(strconv.Itoa(n+1)))
		if err != nil {
			return shape, err
		}
		shapes = append(shapes, shape)
	}
	return together(shapes, null), nil
}

// together is what can be any of shapes.
func together(shapes []Shape, null bool) Shape {
	switch len(shapes) {
	case 0:
		return Shape{Kind: Anything}
	case 1:
		shapes[0].Null = (shapes[0].Null || null) && shapes[0].Kind != Anything
		return shapes[0]
	}
	if slices.ContainsFunc(shapes, func(s Shape) bool { return s.Kind == Anything }) {
		return Shape{Kind: Anything}
	}
	return Shape{Kind: OneOf, Of: shapes, Null: null}
}

// isObject reports whether a schema has fields, its own or of its parts.
func (s *schema) isObject() bool {
	return len(s.AllOf) > 1 || len(s.Properties) > 0 && !slices.Contains(s.Type, "array")
}

// object reads the fields of t, its own and those of all its parts. With a part
// that is no object, it can be anything.
func (r *reader) object(t *Type, s *schema, name words) error {
	t.Closed = s.Others != nil && s.Others.Never
	for n, part := range s.AllOf {
		shape, err := r.shape(part, name.with(strconv.Itoa(n+1)))
		if err != nil {
			return err
		}
		of, ok := shape.object()
		if !ok {
			t.Fields, t.Alias = nil, &Shape{Kind: Anything}
			return nil
		}
		for _, f := range of.Fields {
			t.set(f)
		}
	}
	for _, f := range slices.Sorted(maps.Keys(s.Properties)) {
		shape, err := r.shape(s.Properties[f], name.with(f))
		if err != nil {
			return err
		}
		t.set(Field{Name: f, Shape: shape})
	}
	for n, f := range t.Fields {
		t.Fields[n].Required = f.Required || slices.Contains(s.Required, f.Name)
	}
	slices.SortFunc(t.Fields, func(a, b Field) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

// set adds a field, in place of one of its name.
func (t *Type) set(f Field) {
	if n := find(t.Fields, f.Name); n >= 0 {
		f.Required = f.Required || t.Fields[n].Required
		t.Fields[n] = f
		return
	}
	t.Fields = append(t.Fields, f)
}

// named is the type of a schema that has a name in the document.
func (r *reader) named(ref string) (*Type, error) {
	name, err := referred(ref, "schemas")
	if err != nil {
		return nil, err
	}
	if t, ok := r.types[name]; ok {
		return t, nil
	}
	s, ok := r.doc.Components.Schemas[name]
	if !ok {
		return nil, fmt.Errorf("there is no %s", ref)
	}
	t := &Type{Name: r.name(wordsOf(name))}
	r.types[name] = t // before it is read: it may refer to itself
	r.all = append(r.all, t)
	if s != nil && s.isObject() {
		return t, r.object(t, s, wordsOf(name))
	}
	shape, err := r.shape(s, wordsOf(name).with("value"))
	if err != nil {
		return nil, err
	}
	if t.Alias = &shape; shape.only(t, nil) { // a name of itself says nothing
		t.Alias = &Shape{Kind: Anything}
	}
	return t, nil
}

// name is a type's name that no other has.
func (r *reader) name(from words) string { return r.taken.take(from).Pascal() }

// only reports whether s can be t with nothing around it.
func (s Shape) only(t *Type, seen []*Type) bool {
	switch {
	case s.Kind == OneOf:
		return slices.ContainsFunc(s.Of, func(of Shape) bool { return of.only(t, seen) })
	case s.Kind != Named || s.Type.Alias == nil || slices.Contains(seen, s.Type):
		return false
	}
	return s.Type == t || s.Type.Alias.only(t, append(seen, s.Type))
}

// used are the types that operations lead to.
func (r *reader) used(ops []Operation) []*Type {
	seen := map[*Type]bool{}
	var visit func(s *Shape)
	visit = func(s *Shape) {
		switch {
		case s == nil:
			return
		case s.Kind == Named && !seen[s.Type]:
			seen[s.Type] = true
			visit(s.Type.Alias)
			for _, f := range s.Type.Fields {
				visit(&f.Shape)
			}
		}
		visit(s.Elem)
		for _, of := range s.Of {
			visit(&of)
		}
	}
	for _, op := range ops {
		visit(op.Body)
		visit(op.Answer)
		for _, f := range slices.Concat(op.Query, op.Keys) {
			visit(&f.Shape)
		}
	}
	used := slices.DeleteFunc(slices.Clone(r.all), func(t *Type) bool { return !seen[t] })
	slices.SortFunc(used, func(a, b *Type) int { return cmp.Compare(a.Name, b.Name) })
	return used
}
