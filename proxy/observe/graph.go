package observe

import (
	"slices"
	"time"

	"github.com/msctl/msctl/registry"
)

// rateWindow is the time that rates are of, when the records go back that far.
const rateWindow = time.Minute

// Graph is who calls whom.
type Graph struct {
	Since  time.Time         `json:"since"`     // when counting began
	Window registry.Duration `json:"window_ms"` // what the rates are over: the minute before now, or less
	Nodes  []string          `json:"nodes"`     // services, sorted; "" first: whoever is outside
	Edges  []Edge            `json:"edges"`     // by caller and service
}

// Edge is what one calls of another: of those that could, too, without
// requests.
type Edge struct {
	Caller   string            `json:"caller"` // "" outside
	Service  string            `json:"service"`
	Requests uint64            `json:"requests"` // that are over
	Errors   uint64            `json:"errors"`   // of them
	InFlight int64             `json:"in_flight"`
	Rate     float64           `json:"rate"` // requests a second, over the window
	P50      registry.Duration `json:"p50_ms"`
	P99      registry.Duration `json:"p99_ms"`
}

// Graph returns who called whom so far. What no route took is not in it.
func (r *Recorder) Graph() Graph {
	rates, window := r.rates(time.Now())
	g := Graph{Since: r.started, Window: registry.Duration(window), Nodes: []string{}, Edges: []Edge{}}
	var took histogram
	for _, s := range r.all() {
		if s.service == "" {
			continue
		}
		g.Nodes = append(g.Nodes, s.caller, s.service)
		last := len(g.Edges) - 1
		if last < 0 || g.Edges[last].Caller != s.caller || g.Edges[last].Service != s.service {
			g.Edges = append(g.Edges, Edge{Caller: s.caller, Service: s.service, Rate: rates[label{caller: s.caller, service: s.service}]})
			took = histogram{}
			last++
		}
		e, h := &g.Edges[last], s.histogram()
		took.add(h)
		e.Requests += h.count()
		e.Errors += s.errors.Load()
		e.InFlight += s.inFlight.Load()
		e.P50, e.P99 = registry.Duration(took.quantile(0.5)), registry.Duration(took.quantile(0.99))
	}
	slices.Sort(g.Nodes)
	g.Nodes = slices.Compact(g.Nodes)
	return g
}

// rates are the requests a second by caller and service, of those that were
// over within the time before now that it returns.
func (r *Recorder) rates(now time.Time) (map[label]float64, time.Duration) {
	records := r.Recent()
	window := min(rateWindow, now.Sub(r.started))
	ended := func(r Record) time.Time { return r.Time.Add(time.Duration(r.Total)) }
	if len(records) > 0 && records[0].ID > 1 { // older ones are gone
		window = min(window, now.Sub(ended(records[0])))
	}
	rates := map[label]float64{}
	for _, record := range records {
		if now.Sub(ended(record)) <= window {
			rates[label{caller: record.Caller, service: record.Service}]++
		}
	}
	for l := range rates {
		rates[l] /= max(window, time.Millisecond).Seconds()
	}
	return rates, window
}
