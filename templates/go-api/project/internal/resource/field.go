// Package resource says what the fields of a resource take, how they are read from JSON and how OpenAPI describes them.
package resource

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Field is one field of one value.
type Field struct {
	Name string
	// Value points to where the field is, for JSON and for SQL alike.
	Value any
	// Schema is the field's JSON Schema.
	Schema map[string]any

	read func(json.RawMessage) error
}

// Read sets the field. The error says what it takes.
func (f Field) Read(raw json.RawMessage) error { return f.read(raw) }

// String is a line of 1 to 200 characters.
func String(name string, p *string) Field { return text(name, p, 1, 200) }

// Text is up to 10,000 characters.
func Text(name string, p *string) Field { return text(name, p, 0, 10_000) }

func text(name string, p *string, shortest, longest int) Field {
	wants := fmt.Errorf("has to be text of %d to %d characters", shortest, longest)
	schema := map[string]any{"type": "string", "minLength": shortest, "maxLength": longest}
	return Field{name, p, schema, func(raw json.RawMessage) error {
		if decode(raw, p) != nil {
			return wants
		}
		if n := utf8.RuneCountInString(*p); n < shortest || n > longest || strings.ContainsRune(*p, 0) { // PostgreSQL keeps no NUL
			return wants
		}
		return nil
	}}
}

// Int is a whole number of 64 bits.
func Int(name string, p *int64) Field {
	schema := map[string]any{"type": "integer", "format": "int64"}
	return Field{name, p, schema, func(raw json.RawMessage) error {
		if decode(raw, p) != nil {
			return fmt.Errorf("has to be a whole number of 64 bits")
		}
		return nil
	}}
}

// Bool is true or false.
func Bool(name string, p *bool) Field {
	schema := map[string]any{"type": "boolean"}
	return Field{name, p, schema, func(raw json.RawMessage) error {
		if decode(raw, p) != nil {
			return fmt.Errorf("has to be true or false")
		}
		return nil
	}}
}

// Number is the text of a decimal number, with the digits that it was given.
type Number string

const decimalPattern = `^-?(0|[1-9][0-9]*)(\.[0-9]{1,4})?$`

var (
	decimal = regexp.MustCompile(decimalPattern)
	digit   = regexp.MustCompile(`[0-9]`)
)

// Decimal has at most 18 digits, at most 4 of them after the point. JSON's numbers are taken as well as text.
func Decimal(name string, p *Number) Field {
	schema := map[string]any{"type": "string", "pattern": decimalPattern, "examples": []string{"12.50"}}
	return Field{name, p, schema, func(raw json.RawMessage) error {
		s := string(raw)
		if len(raw) > 0 && raw[0] == '"' && decode(raw, &s) != nil {
			s = ""
		}
		if !decimal.MatchString(s) || len(digit.FindAllString(s, -1)) > 18 {
			return fmt.Errorf("has to be a decimal of at most 18 digits, at most 4 of them after the point")
		}
		*p = Number(s)
		return nil
	}}
}

// DateTime is a moment, RFC 3339.
func DateTime(name string, p *Time) Field {
	schema := map[string]any{"type": "string", "format": "date-time"}
	return Field{name, p, schema, func(raw json.RawMessage) error {
		var s string
		if decode(raw, &s) == nil {
			if t, err := time.Parse(time.RFC3339, s); err == nil {
				if year := t.UTC().Year(); year >= 1 && year <= 9999 {
					*p = At(t)
					return nil
				}
			}
		}
		return fmt.Errorf("has to be a time such as %s", strconv.Quote("2026-01-31T12:00:00Z"))
	}}
}

// decode is json.Unmarshal less its leniency about null.
func decode(raw json.RawMessage, to any) error {
	if string(raw) == "null" {
		return fmt.Errorf("null")
	}
	return json.Unmarshal(raw, to)
}
