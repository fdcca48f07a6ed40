package observe

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/registry"
)

func TestGraph(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New()
		since := time.Now()
		r.Series("web.localhost/", "", "web")
		shop, any := r.Series("/shop", "", "web"), r.Series("/", "", "web")
		edge := r.Series("", "web", "orders")
		r.Series("", "web", "mail")
		r.Add(request(r.Series("", "", ""), status(404)))

		r.Add(request(shop))
		after := func(d time.Duration) { <-time.After(d) }
		after(50 * time.Second)
		for range 20 {
			r.Add(request(shop))
		}
		for range 20 {
			r.Add(request(any, status(502)))
		}
		r.Add(request(edge))
		new(Entry).Begin(edge, &wire.Head{})
		after(30 * time.Second) // the first is too long ago to be of the rate
		p50, p99 := registry.Duration(750*time.Microsecond), registry.Duration(995*time.Microsecond)
		want := Graph{
			Since: since, Window: registry.Duration(time.Minute),
			Nodes: []string{"", "mail", "orders", "web"},
			Edges: []Edge{
				{Service: "web", Requests: 41, Errors: 20, Rate: 40. / 60, P50: p50, P99: p99},
				{Caller: "web", Service: "mail"},
				{Caller: "web", Service: "orders", Requests: 1, InFlight: 1, Rate: 1. / 60, P50: p50, P99: p99},
			},
		}
		if diff := cmp.Diff(want, r.Graph()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestTheRateIsOfNoMoreTimeThanTheRecordsAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New()
		s := r.Series("/", "", "web")
		<-time.After(30 * time.Second)
		r.Add(request(s))
		<-time.After(time.Second)
		for range Records {
			r.Add(request(s))
		}
		<-time.After(2 * time.Second)
		if g := r.Graph(); g.Window != registry.Duration(2*time.Second) || g.Edges[0].Rate != Records/2 || g.Edges[0].Requests != Records+1 {
			t.Errorf("got %+v", g)
		}
	})
}

// drawn has names that mean something in each of the forms.
var drawn = Graph{
	Since: time.Date(2026, 11, 24, 10, 20, 30, 0, time.UTC), Window: registry.Duration(12 * time.Second),
	Nodes: []string{"", `a"b\c`, "end", "web<b>#1"},
	Edges: []Edge{
		{Service: "web<b>#1", Requests: 1204, Errors: 3, Rate: 12.34, P50: registry.Duration(2100 * time.Microsecond), P99: registry.Duration(1500 * time.Millisecond)},
		{Caller: "web<b>#1", Service: `a"b\c`, Requests: 1, P50: registry.Duration(750 * time.Microsecond), P99: registry.Duration(995 * time.Microsecond)},
		{Caller: "web<b>#1", Service: "end"},
	},
}

const text = `CALLER    SERVICE     REQUESTS  ERRORS  RATE    P50    P99
outside   → web<b>#1  1204      3       12.3/s  2.1ms  1.5s
web<b>#1  → a"b\c     1         0       0.0/s   750µs  995µs
          → end       0         -       -       -      -
since 10:20:30, rates over the last 12s
`

const mermaid = `graph LR
  n0(["outside"])
  n1["a#quot;b#92;c"]
  n2["end"]
  n3["web#lt;b#gt;#35;1"]
  n0 -->|"1204, 12.3/s, p99 1.5s, 3 failed"| n3
  n3 -->|"1, 0.0/s, p99 995µs"| n1
  n3 -.-> n2
`

const dot = `digraph stack {
  rankdir=LR
  node [shape=box]
  n0 [label="outside", shape=oval]
  n1 [label="a\"b\\c"]
  n2 [label="end"]
  n3 [label="web<b>#1"]
  n0 -> n3 [label="1204, 12.3/s, p99 1.5s, 3 failed"]
  n3 -> n1 [label="1, 0.0/s, p99 995µs"]
  n3 -> n2 [style=dotted]
}
`

func TestForms(t *testing.T) {
	for _, c := range []struct {
		name  string
		write func(*bytes.Buffer) error
		want  string
	}{
		{"text", func(b *bytes.Buffer) error { return drawn.Text(b) }, text},
		{"Mermaid", func(b *bytes.Buffer) error { return drawn.Mermaid(b) }, mermaid},
		{"DOT", func(b *bytes.Buffer) error { return drawn.DOT(b) }, dot},
		{"a name with an escape sequence", func(b *bytes.Buffer) error {
			return Graph{Nodes: []string{"\x1b[31m\n"}}.DOT(b)
		}, "digraph stack {\n  rankdir=LR\n  node [shape=box]\n  n0 [label=\"\uFFFD[31m\uFFFD\"]\n}\n"},
	} {
		var b bytes.Buffer
		if err := c.write(&b); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(c.want, b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestGraphvizReadsIt(t *testing.T) {
	path, err := exec.LookPath("dot")
	if err != nil {
		t.Skip(err)
	}
	c := exec.CommandContext(context.WithoutCancel(t.Context()), path, "-Tcanon")
	c.Stdin = strings.NewReader(dot)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
