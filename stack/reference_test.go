package stack

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The reference of the stack file is made of the shapes, so that it says what
// the loader does. Write it anew with -update.
func TestTheReferenceIsCurrent(t *testing.T) {
	var out bytes.Buffer
	out.WriteString("# The stack file\n\nEvery key of `stack.yaml`, made from what the loader checks. `x-` keys are free at every level, " +
		"variables (`${NAME:-default}`, `${NAME:?message}`, `$$` for a dollar sign) are replaced in every value but commands, and a key without a value counts as one that is not there.\n")
	shown := map[*shape]bool{}
	show := func(title string, s *shape) {
		if s.keys != nil && !shown[s] {
			shown[s] = true
			section(&out, title, s.keys)
		}
	}
	show("The file", root)
	show("services.NAME", service)
	for _, s := range []*shape{root, service, gateway, gatewayRoute} {
		for _, k := range s.keys {
			if s == gateway && k.name == "routes" {
				show("gateway.routes, each", gatewayRoute)
				continue
			}
			show(k.name, k.shape)
			if k.shape.list != nil && k.shape.keys == nil {
				show(k.name+", each", k.shape.list)
			}
			if k.shape.free != nil {
				show(k.name+".NAME", k.shape.free)
			}
		}
	}
	section(&out, "Policies", policyKeys)
	golden(t, filepath.Join("..", "docs", "stack-file.md"), out.Bytes())
}

// section is a table of keys; those of policies, which stand in several
// places, have one of their own.
func section(out *bytes.Buffer, title string, keys []key) {
	fmt.Fprintf(out, "\n## %s\n\n| Key | Takes | |\n|---|---|---|\n", title)
	plain := strings.NewReplacer("|", `\|`, "*", `\*`, "<", "&lt;")
	policies := false
	for _, k := range keys {
		if title != "Policies" && isPolicy(k) {
			policies = true
			continue
		}
		fmt.Fprintf(out, "| `%s` | %s | %s |\n", k.name, plain.Replace(k.shape.want), plain.Replace(k.doc))
	}
	if policies {
		fmt.Fprint(out, "\nAnd the [policies](#policies).\n")
	}
}

func isPolicy(k key) bool {
	return slices.ContainsFunc(policyKeys, func(p key) bool { return p == k })
}
