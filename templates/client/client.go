// Package client writes clients: from the OpenAPI document of one service, the
// code by which another calls it, in that one's language, and its tests. It also
// tells whether a document still offers what a client was written for.
//
// A client is types and one method an operation. How calls are made (how long
// they take, what is tried again, what they carry) is in the caller's template.
package client

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// API is what a service offers, as far as a client can call it.
type API struct {
	Service    string
	Types      []*Type // by name
	Operations []Operation
	LeftOut    []string // operations that a client cannot call, with the reason
}

// Type is an object, or another name of a shape.
type Type struct {
	Name   string
	Fields []Field // by name
	Closed bool    // no other fields are taken
	Alias  *Shape  // nil for an object
}

// Field is a member of an object.
type Field struct {
	Name     string
	Required bool
	Shape    Shape

	arg words // the name as an argument, for a parameter
}

// Operation is a method of a path.
type Operation struct {
	Method string
	Path   string // with {names}
	Query  []Field
	Keys   []Field // in the path, in its order
	Body   *Shape  // nil for none
	Answer *Shape  // nil for none
	Status int     // of the answer

	id        words
	queryType string // the name of a type for Query, which may be needed
}

// Kind is what values of a shape are.
type Kind string

// The kinds.
const (
	Anything Kind = "anything"
	Text     Kind = "text"
	Whole    Kind = "a whole number"
	Number   Kind = "a number"
	Truth    Kind = "true or false"
	List     Kind = "a list"
	Map      Kind = "a map"
	Named    Kind = "an object" // or what its type is an alias of
	OneOf    Kind = "one of several"
)

// Shape is what a value can be.
type Shape struct {
	Kind   Kind
	Null   bool     // or null
	Values []string // of Text: those that there are; none for any
	Format string   // of Text
	Elem   *Shape   // of List and Map
	Of     []Shape  // of OneOf
	Type   *Type    // of Named
}

// maxDocument bounds an OpenAPI document, in bytes.
const maxDocument = 16 << 20

// Read reads the OpenAPI 3 document of a service.
func Read(service string, data []byte) (*API, error) {
	if len(data) > maxDocument {
		return nil, fmt.Errorf("the OpenAPI document of %s has more than %d bytes", service, maxDocument)
	}
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("the OpenAPI document of %s: %w", service, err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.") {
		return nil, fmt.Errorf("the OpenAPI document of %s: want version 3.x, got %q", service, cmp.Or(doc.OpenAPI, doc.Swagger))
	}
	r := &reader{doc: doc, types: map[string]*Type{}, taken: reservedTypes(service), ids: names{}}
	api := &API{Service: service}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for _, method := range methods {
			op, ok := doc.Paths[path].operation(method)
			if !ok {
				continue
			}
			read, err := r.operation(method, path, doc.Paths[path].Parameters, op)
			var out *leftOutError
			switch {
			case errors.As(err, &out):
				api.LeftOut = append(api.LeftOut, fmt.Sprintf("%s %s: %v", method, path, err))
				continue
			case err != nil:
				return nil, fmt.Errorf("the OpenAPI document of %s: %s %s: %w", service, method, path, err)
			}
			api.Operations = append(api.Operations, read)
		}
	}
	if len(api.Operations) == 0 {
		return nil, fmt.Errorf("the OpenAPI document of %s has no operation that a client can call: %s", service, strings.Join(append(api.LeftOut, "it has no paths")[:max(1, len(api.LeftOut))], "; "))
	}
	api.Types = r.used(api.Operations)
	return api, nil
}

// methods are those that a path can have, in the order in which they are
// written; those of debugging and of tunnels are not.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// leftOutError is why a client cannot call an operation.
type leftOutError struct{ why string }

func (e *leftOutError) Error() string { return e.why }

func leftOut(format string, args ...any) error { return &leftOutError{fmt.Sprintf(format, args...)} }

// object reports the fields of what s comes to, when that is an object.
func (s Shape) object() (*Type, bool) {
	s = s.plain()
	return s.Type, s.Kind == Named
}

// plain is s, or what it is another name of.
func (s Shape) plain() Shape {
	for s.Kind == Named && s.Type.Alias != nil {
		null := s.Null
		s = *s.Type.Alias
		s.Null = s.Null || null
	}
	return s
}
