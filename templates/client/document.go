package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// document is what is read of an OpenAPI document. All else in it, a client has
// no use for.
type document struct {
	OpenAPI    string              `json:"openapi"`
	Swagger    string              `json:"swagger"`
	Paths      map[string]pathItem `json:"paths"`
	Components struct {
		Schemas       map[string]*schema     `json:"schemas"`
		Parameters    map[string]parameter   `json:"parameters"`
		RequestBodies map[string]requestBody `json:"requestBodies"`
		Responses     map[string]response    `json:"responses"`
	} `json:"components"`
}

type pathItem struct {
	Parameters []parameter `json:"parameters"`
	Get        *operation  `json:"get"`
	Post       *operation  `json:"post"`
	Put        *operation  `json:"put"`
	Patch      *operation  `json:"patch"`
	Delete     *operation  `json:"delete"`
}

func (p pathItem) operation(method string) (operation, bool) {
	op := map[string]*operation{"GET": p.Get, "POST": p.Post, "PUT": p.Put, "PATCH": p.Patch, "DELETE": p.Delete}[method]
	if op == nil {
		return operation{}, false
	}
	return *op, true
}

type operation struct {
	ID          string              `json:"operationId"`
	Parameters  []parameter         `json:"parameters"`
	RequestBody *requestBody        `json:"requestBody"`
	Responses   map[string]response `json:"responses"`
}

type parameter struct {
	Ref      string               `json:"$ref"`
	Name     string               `json:"name"`
	In       string               `json:"in"`
	Required bool                 `json:"required"`
	Schema   *schema              `json:"schema"`
	Content  map[string]mediaType `json:"content"`
}

type requestBody struct {
	Ref     string               `json:"$ref"`
	Content map[string]mediaType `json:"content"`
}

type response struct {
	Ref     string               `json:"$ref"`
	Content map[string]mediaType `json:"content"`
}

type mediaType struct {
	Schema *schema `json:"schema"`
}

// schema is a JSON schema, as OpenAPI 3.0 or 3.1 has them.
type schema struct {
	Never bool `json:"-"` // the schema false

	Ref        string             `json:"$ref"`
	Type       typeNames          `json:"type"`
	Nullable   bool               `json:"nullable"`
	Format     string             `json:"format"`
	Enum       []any              `json:"enum"`
	Const      any                `json:"const"`
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
	Others     *schema            `json:"additionalProperties"`
	Items      *schema            `json:"items"`
	AllOf      []*schema          `json:"allOf"`
	AnyOf      []*schema          `json:"anyOf"`
	OneOf      []*schema          `json:"oneOf"`
}

func (s *schema) UnmarshalJSON(data []byte) error {
	switch string(bytes.TrimSpace(data)) {
	case "true":
		return nil
	case "false":
		s.Never = true
		return nil
	}
	type plain schema // without this method
	return json.Unmarshal(data, (*plain)(s))
}

// typeNames are one type or several.
type typeNames []string

func (t *typeNames) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*t = typeNames{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(t))
}

// referred is the name that a reference has within a part of the document.
func referred(ref, part string) (string, error) {
	name, ok := strings.CutPrefix(ref, "#/components/"+part+"/")
	if !ok || strings.Contains(name, "/") {
		return "", fmt.Errorf("the reference %q leads out of #/components/%s", ref, part)
	}
	name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name) // RFC 6901 §3
	if decoded, err := url.PathUnescape(name); err == nil {
		name = decoded
	}
	return name, nil
}

// follow is what v refers to, or v itself.
func follow[T any](v T, ref, part string, in map[string]T) (T, error) {
	if ref == "" {
		return v, nil
	}
	name, err := referred(ref, part)
	if err != nil {
		return v, err
	}
	to, ok := in[name]
	if !ok {
		return v, fmt.Errorf("there is no %s", ref)
	}
	return to, nil
}
