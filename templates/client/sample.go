package client

import "slices"

// sample is a value of the shape, as encoding/json decodes it.
func (s Shape) sample() any {
	return (&sampler{left: maxSample}).value(s)
}

// maxSample bounds a sample: how many values are within it.
const maxSample = 1000

// sampler makes a sample. Types may contain themselves: where they do, there is
// nothing, as far as the type allows that.
type sampler struct {
	within []*Type
	left   int
}

func (m *sampler) value(s Shape) any {
	s = s.plain()
	m.left--
	switch s.Kind {
	case Text:
		if len(s.Values) > 0 {
			return s.Values[0]
		}
		return sampleText(s.Format)
	case Whole:
		return 1
	case Number:
		return 1.5
	case Truth:
		return true
	case List:
		if m.ends(*s.Elem) {
			return []any{}
		}
		return []any{m.value(*s.Elem)}
	case Map:
		if m.ends(*s.Elem) {
			return map[string]any{}
		}
		return map[string]any{"key": m.value(*s.Elem)}
	case Named:
		if s.Null && m.ends(s) {
			return nil
		}
		return m.object(s.Type)
	case OneOf:
		return m.value(s.Of[0])
	}
	return "anything"
}

// ends reports whether a value that need not be there is left out.
func (m *sampler) ends(s Shape) bool {
	t, ok := s.object()
	return m.left <= 0 || ok && slices.Contains(m.within, t)
}

func (m *sampler) object(t *Type) any {
	value := map[string]any{}
	if m.left < -maxSample { // it needs itself, or is too large
		return value
	}
	m.within = append(m.within, t)
	for _, f := range t.Fields {
		if f.Required || !m.ends(f.Shape) {
			value[f.Name] = m.value(f.Shape)
		}
	}
	m.within = m.within[:len(m.within)-1]
	return value
}

func sampleText(format string) string {
	switch format {
	case "date-time":
		return "2026-01-31T12:00:00Z"
	case "date":
		return "2026-01-31"
	case "uuid":
		return "00000000-0000-4000-8000-000000000001"
	}
	return "text"
}
