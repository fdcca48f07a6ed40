package observe

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/msctl/msctl/registry"
)

// outside is the name of whoever is not of the stack.
const outside = "outside"

// Text writes g as a table for people.
func (g Graph) Text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "CALLER\tSERVICE\tREQUESTS\tERRORS\tRATE\tP50\tP99") // t keeps its error for Flush
	before := -1
	for _, e := range g.Edges {
		caller := ""
		if at := slices.Index(g.Nodes, e.Caller); at != before {
			caller, before = shown(e.Caller), at
		}
		_, _ = fmt.Fprintf(t, "%s\t→ %s\t%s\n", caller, shown(e.Service), strings.Join(e.columns(), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "since %s, rates over the last %s\n", g.Since.Format(time.TimeOnly), time.Duration(g.Window).Round(time.Second))
	return err
}

func (e Edge) columns() []string {
	if e.Requests == 0 {
		return []string{"0", "-", "-", "-", "-"}
	}
	return []string{strconv.FormatUint(e.Requests, 10), strconv.FormatUint(e.Errors, 10), e.rate(), Brief(e.P50), Brief(e.P99)}
}

func (e Edge) rate() string { return strconv.FormatFloat(e.Rate, 'f', 1, 64) + "/s" }

// label is what stands at an edge, "" for one that was not used.
func (e Edge) label() string {
	if e.Requests == 0 {
		return ""
	}
	l := fmt.Sprintf("%d, %s, p99 %s", e.Requests, e.rate(), Brief(e.P99))
	if e.Errors > 0 {
		l += fmt.Sprintf(", %d failed", e.Errors)
	}
	return l
}

// Mermaid writes g as a flowchart of Mermaid. Edges without requests are
// dotted.
func (g Graph) Mermaid(w io.Writer) error {
	var b strings.Builder
	b.WriteString("graph LR\n")
	for i, n := range g.Nodes {
		form := `  n%d["%s"]` + "\n"
		if n == "" {
			form = `  n%d(["%s"])` + "\n"
		}
		fmt.Fprintf(&b, form, i, mermaidText.Replace(shown(n)))
	}
	for _, e := range g.Edges {
		from, to := slices.Index(g.Nodes, e.Caller), slices.Index(g.Nodes, e.Service)
		if l := e.label(); l != "" {
			fmt.Fprintf(&b, "  n%d -->|\"%s\"| n%d\n", from, l, to)
		} else {
			fmt.Fprintf(&b, "  n%d -.-> n%d\n", from, to)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// DOT writes g for Graphviz. Edges without requests are dotted.
func (g Graph) DOT(w io.Writer) error {
	var b strings.Builder
	b.WriteString("digraph stack {\n  rankdir=LR\n  node [shape=box]\n")
	for i, n := range g.Nodes {
		form := "  n%d [label=\"%s\"]\n"
		if n == "" {
			form = "  n%d [label=\"%s\", shape=oval]\n"
		}
		fmt.Fprintf(&b, form, i, dotText.Replace(shown(n)))
	}
	for _, e := range g.Edges {
		style := ` [style=dotted]`
		if l := e.label(); l != "" {
			style = ` [label="` + l + `"]`
		}
		fmt.Fprintf(&b, "  n%d -> n%d%s\n", slices.Index(g.Nodes, e.Caller), slices.Index(g.Nodes, e.Service), style)
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// Mermaid's entities begin with #; a quoted text of DOT has two characters to
// escape.
var (
	mermaidText = strings.NewReplacer("#", "#35;", `"`, "#quot;", "&", "#amp;", "<", "#lt;", ">", "#gt;", "`", "#96;", `\`, "#92;")
	dotText     = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
)

// shown is the name of a node on one line.
func shown(name string) string {
	if name == "" {
		return outside
	}
	return Printable(name)
}

// Printable is s without what breaks a line, or moves a terminal's cursor.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// Brief is d in about three digits.
func Brief(d registry.Duration) string {
	t := time.Duration(d)
	for unit := time.Second; unit >= time.Microsecond; unit /= 1000 {
		if t >= unit {
			return t.Round(unit / 100).String()
		}
	}
	return t.String()
}
