package cmd

import (
	"context"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/proxy/observe"
)

// traffic is what the gateway's recorder has seen, in the API's words. It
// implements control.Traffic.
type traffic struct{ *observe.Recorder }

// Requests implements control.Traffic.
func (t traffic) Requests(ctx context.Context, after uint64) (control.RequestBatch, error) {
	records, next, dropped, err := t.Next(ctx, after)
	b := control.RequestBatch{Requests: make([]control.Request, 0, len(records)), Next: next, Dropped: dropped}
	for _, r := range records {
		b.Requests = append(b.Requests, control.Request(r))
	}
	return b, err
}

// Graph implements control.Traffic.
func (t traffic) Graph() control.Graph {
	g := t.Recorder.Graph()
	out := control.Graph{Since: g.Since, Window: g.Window, Nodes: g.Nodes, Edges: make([]control.Edge, 0, len(g.Edges))}
	for _, e := range g.Edges {
		out.Edges = append(out.Edges, control.Edge(e))
	}
	return out
}

// observed is a graph as it is drawn.
func observed(g control.Graph) observe.Graph {
	out := observe.Graph{Since: g.Since, Window: g.Window, Nodes: g.Nodes}
	for _, e := range g.Edges {
		out.Edges = append(out.Edges, observe.Edge(e))
	}
	return out
}
