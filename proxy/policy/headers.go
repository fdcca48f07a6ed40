package policy

import (
	"maps"
	"slices"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/stack"
)

// rules is h for the wire, with more names to remove and fields to add; nil
// when nothing changes. The order is always the same.
func rules(h stack.HeaderRules, remove []string, add []wire.Field) *wire.Rules {
	if h.IsZero() && len(remove)+len(add) == 0 {
		return nil
	}
	r := &wire.Rules{Remove: slices.Concat(h.Remove, remove)}
	for _, fields := range []map[string]string{h.Set, h.Add} {
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			r.Add = append(r.Add, wire.Field{Name: name, Value: fields[name]})
		}
	}
	r.Remove = slices.AppendSeq(r.Remove, maps.Keys(h.Set))
	slices.Sort(r.Remove)
	r.Remove = slices.Compact(r.Remove)
	r.Add = append(r.Add, add...)
	return r
}
