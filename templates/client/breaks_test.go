package client

import (
	"fmt"
	"strings"
	"testing"
)

// offers is a document with one operation.
func offers(parameters, body, answer string) string {
	if body != "" {
		body = `"requestBody": {"content": {"application/json": {"schema": ` + body + `}}},`
	}
	if answer != "" {
		answer = `, "content": {"application/json": {"schema": ` + answer + `}}`
	}
	return fmt.Sprintf(`{"openapi": "3.0.0", "paths": {"/a/{id}": {"post": {"parameters": [%s], %s "responses": {"200": {"description": "ok" %s}}}}}}`, parameters, body, answer)
}

func TestBreaks(t *testing.T) {
	object := func(required, properties string) string {
		return `{"type": "object", "required": [` + required + `], "properties": {` + properties + `}}`
	}
	parameter := func(in, name string, required bool, schema string) string {
		return fmt.Sprintf(`{"in": %q, "name": %q, "required": %v, "schema": %s}`, in, name, required, schema)
	}
	const text, whole, number, maybe = `{"type": "string"}`, `{"type": "integer"}`, `{"type": "number"}`, `{"type": "string", "nullable": true}`
	for name, c := range map[string]struct{ was, is, want string }{
		"the same":                 {offers("", text, text), offers("", text, text), ""},
		"another name of a key":    {offers("", "", text), strings.ReplaceAll(offers("", "", text), "{id}", "{key}"), ""},
		"operation gone":           {offers("", "", text), strings.ReplaceAll(offers("", "", text), "/a/", "/b/"), "POST /a/{id} is gone"},
		"key of another type":      {offers(parameter("path", "id", true, text), "", text), offers(parameter("path", "id", true, whole), "", text), "the path's id was text, and is a whole number"},
		"new query":                {offers("", "", text), offers(parameter("query", "q", false, text), "", text), ""},
		"new query that is needed": {offers("", "", text), offers(parameter("query", "q", true, text), "", text), "the query's q is needed now"},
		"query gone":               {offers(parameter("query", "q", false, text), "", text), offers("", "", text), "the query's q is not taken any more"},
		"body new":                 {offers("", "", text), offers("", text, text), "a body is needed now"},
		"body gone":                {offers("", text, text), offers("", "", text), "a body is not taken any more"},
		"answer gone":              {offers("", "", text), offers("", "", ""), "the answer has no body any more"},
		"answer new":               {offers("", "", ""), offers("", "", text), ""},
		"answer wider":             {offers("", "", whole), offers("", "", number), "the answer was a whole number, and is a number"},
		"answer narrower":          {offers("", "", number), offers("", "", whole), ""},
		"sent wider":               {offers("", whole, ""), offers("", number, ""), ""},
		"sent narrower":            {offers("", number, ""), offers("", whole, ""), "the body was a number, and is a whole number"},
		"answer null":              {offers("", "", text), offers("", "", maybe), "the answer can be null now"},
		"sent null":                {offers("", maybe, ""), offers("", text, ""), "the body must not be null any more"},
		"answer's new field":       {offers("", "", object(`"a"`, `"a": `+text)), offers("", "", object(`"a", "b"`, `"a": `+text+`, "b": `+text)), ""},
		"answer's field gone":      {offers("", "", object(`"a"`, `"a": `+text)), offers("", "", object(`"b"`, `"b": `+text)), "the answer's a is gone"},
		"answer's field optional":  {offers("", "", object(`"a"`, `"a": `+text)), offers("", "", object(``, `"a": `+text)), "the answer's a can be missing now"},
		"body's field needed":      {offers("", object(``, `"a": `+text), ""), offers("", object(`"a"`, `"a": `+text), ""), "the body's a is needed now"},
		"body's new field":         {offers("", object(`"a"`, `"a": `+text), ""), offers("", object(`"a"`, `"a": `+text+`, "b": `+text), ""), ""},
		"body's new needed field":  {offers("", object(`"a"`, `"a": `+text), ""), offers("", object(`"a", "b"`, `"a": `+text+`, "b": `+text), ""), "the body's b is needed now"},
		"in a list":                {offers("", "", `{"type": "array", "items": `+text+`}`), offers("", "", `{"type": "array", "items": `+whole+`}`), "the answer[] was text, and is a whole number"},
		"a value more to send":     {offers("", `{"enum": ["a"]}`, ""), offers("", `{"enum": ["a", "b"]}`, ""), ""},
		"a value less to send":     {offers("", `{"enum": ["a", "b"]}`, ""), offers("", `{"enum": ["a"]}`, ""), `the body must not be "b" any more`},
		"a value more to read":     {offers("", "", `{"enum": ["a"]}`), offers("", "", `{"enum": ["a", "b"]}`), `the answer can be "b" now`},
		"one of more to read":      {offers("", "", `{"oneOf": [`+text+`, `+whole+`]}`), offers("", "", `{"oneOf": [`+text+`, `+whole+`, {"type": "boolean"}]}`), "the answer was one of several, and is true or false"},
		"one of fewer to read":     {offers("", "", `{"oneOf": [`+text+`, `+whole+`]}`), offers("", "", text), ""},
		"anything to read":         {offers("", "", `{}`), offers("", "", text), ""},
		"typed to anything":        {offers("", "", text), offers("", "", `{}`), "the answer was text, and is anything"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(Breaks(read(t, []byte(c.was)), read(t, []byte(c.is))), "; ")
			if got = strings.TrimPrefix(got, "POST /a/{id}: "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
