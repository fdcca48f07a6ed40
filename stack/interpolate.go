package stack

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"github.com/sirupsen/logrus"
	"gopkg.in/yaml.v3"
)

// lookup finds a variable.
type lookup func(name string) (string, bool)

// The template package tells logrus' global logger of variables that are not
// set, whatever its options say; they are warnings of the stack here.
func init() { logrus.SetOutput(io.Discard) }

// maxInterpolated bounds a value once its variables are replaced.
const maxInterpolated = 1 << 20

// substitute replaces the variables of s by compose's rules: $NAME, ${NAME},
// ${NAME:-default}, ${NAME:?message}, ${NAME:+other}, nested ones, and $$ for a
// dollar sign. Unset lists those that were replaced by nothing.
func substitute(s string, find lookup) (out string, unset []string, err error) {
	var missing []string
	out, err = template.SubstituteWithOptions(s, func(name string) (string, bool) {
		v, ok := find(name)
		if !ok {
			missing = append(missing, name)
		}
		return v, ok
	}, template.WithoutLogging)
	if err != nil {
		return "", nil, err
	}
	if len(out) > maxInterpolated {
		return "", nil, fmt.Errorf("the value has %d bytes once its variables are replaced; at most %d are allowed", len(out), maxInterpolated)
	}
	for _, name := range missing {
		if plainUse(s, name) {
			unset = append(unset, name)
		}
	}
	return out, unset, nil
}

// plainUse reports whether name is used without a default: $name or ${name}.
func plainUse(s, name string) bool {
	if strings.Contains(s, "${"+name+"}") {
		return true
	}
	for {
		_, after, found := strings.Cut(s, "$"+name)
		if !found {
			return false
		}
		if after == "" || !isNameByte(after[0]) {
			return true
		}
		s = after
	}
}

func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// interpolation replaces the variables in the nodes of a document.
type interpolation struct {
	*report
	find lookup
	said map[string]bool // unset variables that have been warned of
}

func (i *interpolation) node(n *node, path string) bool {
	if !strings.Contains(n.Value, "$") {
		return true
	}
	out, unset, err := substitute(n.Value, i.find)
	if err != nil {
		i.refuse(n, path, err)
		return false
	}
	for _, name := range unset {
		if !i.said[name] {
			i.said[name] = true
			i.warn(n.pos(), path, fmt.Sprintf("set it, or write ${%s:-default}", name), "the variable %s is not set; it counts as empty", name)
		}
	}
	was := n.Node
	// A copy: an anchor's node is shared by all of its aliases.
	n.Node = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: out, Line: was.Line, Column: was.Column, Style: was.Style}
	n.written = was.Value
	return true
}

func (i *interpolation) refuse(n *node, path string, err error) {
	var required *template.MissingRequiredError
	var invalid *template.InvalidTemplateError
	switch {
	case errors.As(err, &required):
		hint := "set " + required.Variable + " in the environment or in .env"
		if required.Reason != "" {
			i.add(n.pos(), path, hint, "want the variable %s: %s", required.Variable, required.Reason)
			return
		}
		i.add(n.pos(), path, hint, "want the variable %s, which is not set", required.Variable)
	case errors.As(err, &invalid):
		i.add(n.pos(), path, "write $$ for a dollar sign", "want variables such as ${NAME:-default}, got %s", quote(n.Value))
	default:
		i.add(n.pos(), path, "", "%v", err)
	}
}
