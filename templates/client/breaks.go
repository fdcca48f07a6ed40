package client

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Breaks are the ways in which what a service offers now is less than what a
// client was written for; none when the client can go on. Fields and operations
// that are new break nothing.
func Breaks(written, now *API) []string {
	var out []string
	for _, was := range written.Operations {
		n := slices.IndexFunc(now.Operations, func(is Operation) bool {
			return is.Method == was.Method && pathKey.ReplaceAllString(is.Path, "{}") == pathKey.ReplaceAllString(was.Path, "{}")
		})
		if n < 0 {
			out = append(out, fmt.Sprintf("%s %s is gone", was.Method, was.Path))
			continue
		}
		c := &comparison{at: was.Method + " " + was.Path, seen: map[[2]*Type]bool{}, left: new(maxSteps)}
		c.operation(was, now.Operations[n])
		out = append(out, c.out...)
	}
	return out
}

// maxSteps bounds a comparison: schemas that are one of several, each of which
// is one of several, take exponential time.
const maxSteps = 1_000_000

// comparison finds what breaks in one operation.
type comparison struct {
	at    string
	seen  map[[2]*Type]bool
	depth int
	left  *int // steps
	out   []string
}

func (c *comparison) say(where, format string, args ...any) {
	c.out = append(c.out, c.at+": "+where+" "+fmt.Sprintf(format, args...))
}

func (c *comparison) operation(was, is Operation) {
	for n, key := range is.Keys {
		if n < len(was.Keys) {
			c.flows("the path's "+key.Name, was.Keys[n].Shape, key.Shape, true)
		}
	}
	for _, q := range is.Query {
		if n := find(was.Query, q.Name); n >= 0 {
			c.flows("the query's "+q.Name, was.Query[n].Shape, q.Shape, true)
		} else if q.Required {
			c.say("the query's "+q.Name, "is needed now")
		}
	}
	for _, q := range was.Query {
		if find(is.Query, q.Name) < 0 {
			c.say("the query's "+q.Name, "is not taken any more")
		}
	}
	switch {
	case was.Body == nil && is.Body != nil:
		c.say("a body", "is needed now")
	case was.Body != nil && is.Body == nil:
		c.say("a body", "is not taken any more")
	case was.Body != nil:
		c.flows("the body", *was.Body, *is.Body, true)
	}
	switch {
	case was.Answer != nil && is.Answer == nil:
		c.say("the answer", "has no body any more")
	case was.Answer != nil:
		c.flows("the answer", *is.Answer, *was.Answer, false)
	}
}

func find(fields []Field, name string) int {
	return slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
}

// flows finds what of the values of from is not among those of to. Values that
// are sent go from the client to the service, others the way back.
func (c *comparison) flows(where string, from, to Shape, sent bool) {
	if from.Kind == Named && to.Kind == Named && from.Null == to.Null {
		pair := [2]*Type{from.Type, to.Type}
		if c.seen[pair] {
			return
		}
		c.seen[pair] = true
	}
	*c.left--
	c.depth++
	defer func() { c.depth-- }()
	if c.depth > maxDepth || *c.left < 0 { // lists without an end, which no value has
		return
	}
	from, to = from.plain(), to.plain()
	switch {
	case to.Kind == Anything:
		return
	case from.Null && !to.Null && sent:
		c.say(where, "must not be null any more")
	case from.Null && !to.Null:
		c.say(where, "can be null now")
	}
	switch {
	case from.Kind == OneOf:
		for _, f := range from.Of {
			c.flows(where, f, to, sent)
		}
	case to.Kind == OneOf:
		if !slices.ContainsFunc(to.Of, func(t Shape) bool { return c.fits(from, t, sent) }) {
			c.changed(where, from, to, sent)
		}
	case from.Kind == Whole && to.Kind == Number:
	case from.Kind != to.Kind:
		c.changed(where, from, to, sent)
	case from.Kind == Text:
		c.values(where, from.Values, to.Values, sent)
	case from.Kind == List, from.Kind == Map:
		c.flows(where+"[]", *from.Elem, *to.Elem, sent)
	case from.Kind == Named:
		c.objects(where, from.Type, to.Type, sent)
	}
}

// fits reports whether nothing of from is missing in to.
func (c *comparison) fits(from, to Shape, sent bool) bool {
	try := &comparison{seen: maps.Clone(c.seen), depth: c.depth, left: c.left}
	try.flows("", from, to, sent)
	return len(try.out) == 0
}

func (c *comparison) changed(where string, from, to Shape, sent bool) {
	if sent {
		c.say(where, "was %s, and is %s", from.Kind, to.Kind)
	} else {
		c.say(where, "was %s, and is %s", to.Kind, from.Kind)
	}
}

func (c *comparison) values(where string, from, to []string, sent bool) {
	if len(to) == 0 {
		return
	}
	var more []string
	for _, v := range from {
		if !slices.Contains(to, v) {
			more = append(more, fmt.Sprintf("%q", v))
		}
	}
	switch {
	case len(from) == 0 && sent:
		c.say(where, "has to be one of %q now", to)
	case len(from) == 0:
		c.say(where, "can be any text now")
	case len(more) > 0 && sent:
		c.say(where, "must not be %s any more", strings.Join(more, ", "))
	case len(more) > 0:
		c.say(where, "can be %s now", strings.Join(more, ", "))
	}
}

func (c *comparison) objects(where string, from, to *Type, sent bool) {
	for _, f := range to.Fields {
		n := find(from.Fields, f.Name)
		field := fmt.Sprintf("%s's %s", where, f.Name)
		switch {
		case n < 0 && f.Required && sent:
			c.say(field, "is needed now")
		case n < 0 && f.Required:
			c.say(field, "is gone")
		case n < 0:
		case f.Required && !from.Fields[n].Required && sent:
			c.say(field, "is needed now")
		case f.Required && !from.Fields[n].Required:
			c.say(field, "can be missing now")
		default:
			c.flows(field, from.Fields[n].Shape, f.Shape, sent)
		}
	}
	if !sent || !to.Closed {
		return // a client reads what it knows, and no more
	}
	for _, f := range from.Fields {
		if find(to.Fields, f.Name) < 0 {
			c.say(fmt.Sprintf("%s's %s", where, f.Name), "is not taken any more")
		}
	}
}
