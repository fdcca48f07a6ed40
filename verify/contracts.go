package verify

import (
	"context"
	"strings"

	"github.com/msctl/msctl/templates/client"
)

// contracts holds what the service offers against what each of those that call
// it was written for.
func (r *run) contracts(ctx context.Context) Result {
	a, err := r.fetch(ctx, "/openapi.json")
	if err != nil {
		return skip("there is no description: %v", err)
	}
	now, err := client.Read(r.Name, a.body)
	if err != nil {
		return skip("%v", err)
	}
	var breaks, callers []string
	for _, c := range r.Contracts {
		was, err := client.Read(r.Name, c.Document)
		if err != nil {
			return fail("msctl add client --service "+c.Service+" --for "+r.Name+" writes it anew", "what %s knows of it: %v", c.Service, err)
		}
		for _, b := range client.Breaks(was, now) {
			breaks = append(breaks, c.Service+" relies on what has changed: "+b)
		}
		callers = append(callers, c.Service)
	}
	if len(breaks) > 0 {
		return fail("keep what they rely on, or change them: msctl add client --service NAME --for "+r.Name, "%s", strings.Join(breaks, "; "))
	}
	return pass("it offers what it offered to %s", strings.Join(callers, ", "))
}
