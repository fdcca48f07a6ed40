package api

import (
	"maps"
	"slices"
	"strings"

	"example.com/acme-widgets/internal/resource"
)

type object = map[string]any

// describe adds the paths and the schemas of a resource.
func (s *server) describe(path, name string, fields []resource.Field) {
	input := object{}
	for _, f := range fields {
		input[f.Name] = f.Schema
	}
	output := object{
		"id":         object{"type": "integer", "format": "int64"},
		"created_at": object{"type": "string", "format": "date-time"},
		"updated_at": object{"type": "string", "format": "date-time"},
	}
	maps.Copy(output, input)
	title := strings.ReplaceAll(name, " ", "_")
	s.schemas[title+"_input"] = closed(input)
	s.schemas[title] = closed(output)
	s.schemas[title+"_page"] = closed(object{
		"items": object{"type": "array", "items": reference(title)},
		"next":  object{"type": []string{"string", "null"}},
	})

	query := []object{
		{"name": "limit", "in": "query", "schema": object{"type": "integer", "minimum": 1, "maximum": 100, "default": 20}},
		{"name": "cursor", "in": "query", "schema": object{"type": "string"}},
	}
	id := []object{{"name": "id", "in": "path", "required": true, "schema": object{"type": "integer", "format": "int64"}}}
	body := object{"required": true, "content": content("application/json", title+"_input")}
	operation := func(id, status, schema string) object {
		response := object{"description": "Done"}
		if schema != "" {
			response["content"] = content("application/json", schema)
		}
		failed := object{"description": "Failed", "content": content("application/problem+json", "problem")}
		return object{"operationId": id + "_" + title, "responses": object{status: response, "default": failed}}
	}
	list, create := operation("list", "200", title+"_page"), operation("create", "201", title)
	list["parameters"], create["requestBody"] = query, body
	replace := operation("replace", "200", title)
	replace["requestBody"] = body
	s.paths[path] = object{"get": list, "post": create}
	s.paths[path+"/{id}"] = object{
		"parameters": id,
		"get":        operation("get", "200", title),
		"put":        replace,
		"delete":     operation("delete", "204", ""),
	}
}

// document is the whole of it.
func (s *server) document(service, version string) object {
	text, number := object{"type": "string"}, object{"type": "integer"}
	invalid := closed(object{"field": text, "message": text})
	s.schemas["problem"] = object{
		"type":     "object",
		"required": []string{"type", "title", "status", "request_id"},
		"properties": object{
			"type": text, "title": text, "status": number, "detail": text, "request_id": text,
			"errors": object{"type": "array", "items": invalid},
		},
	}
	return object{
		"openapi":    "3.1.0",
		"info":       object{"title": service, "version": version},
		"paths":      s.paths,
		"components": object{"schemas": s.schemas},
	}
}

// closed is an object that has these members, all of them and no others.
func closed(properties object) object {
	return object{
		"type":                 "object",
		"properties":           properties,
		"required":             slices.Sorted(maps.Keys(properties)),
		"additionalProperties": false,
	}
}

func reference(schema string) object { return object{"$ref": "#/components/schemas/" + schema} }

func content(mediaType, schema string) object {
	return object{mediaType: object{"schema": reference(schema)}}
}
