package client

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// reader makes types and shapes of schemas.
type reader struct {
	doc   document
	types map[string]*Type // by the schema's name
	all   []*Type
	taken names // of types
	ids   names // of operations
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
