package stack

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// The reference of the stack file is made of the shapes, so that it says what
// the loader does. Write it anew with -update.
func TestTheReferenceIsCurrent(t *testing.T) {
	var out bytes.Buffer
	out.WriteString("# The stack file\n\nEvery key of `stack.yaml`, made from what the loader checks. `x-` keys are free at every level, " +
		"variables (`${NAME:-default}`, `${NAME:?message}`, `$$` for a dollar sign) are replaced in every value but commands, and a key without a value counts as one that is not there.\n")
	section(&out, "The file", root)
	section(&out, "services.NAME", service)
	for _, s := range []*shape{root, service} {
		for _, k := range s.keys {
			if k.shape.keys != nil {
				section(&out, k.name, k.shape)
			}
			if k.shape.list != nil && k.shape.list.keys != nil && k.shape.keys == nil {
				section(&out, k.name+", each", k.shape.list)
			}
			if k.shape.free != nil && k.shape.free.keys != nil && k.name != "services" {
				section(&out, k.name+".NAME", k.shape.free)
			}
		}
	}
	section(&out, "gateway.routes, each", gatewayRoute)
	golden(t, filepath.Join("..", "docs", "stack-file.md"), out.Bytes())
}

func section(out *bytes.Buffer, title string, s *shape) {
	fmt.Fprintf(out, "\n## %s\n\n| Key | Takes | |\n|---|---|---|\n", title)
	for _, k := range s.keys {
		fmt.Fprintf(out, "| `%s` | %s | %s |\n", k.name, k.shape.want, strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(k.doc))
	}
}
