package proxy

import (
	"io"

	"github.com/msctl/msctl/proxy/admin"
	"github.com/msctl/msctl/proxy/observe"
	"github.com/msctl/msctl/stack"
)

// Recorder is what was seen of the gateway's requests.
func (g *Gateway) Recorder() *observe.Recorder { return g.recorder }

// source is the gateway as its admin pages show it. It implements
// admin.Source.
type source struct{ g *Gateway }

// View implements admin.Source.
func (s source) View() admin.View {
	t := s.g.table.Load()
	v := admin.View{Front: s.g.URL(), Routes: make([]admin.Route, 0, len(t.routes)), Services: make([]admin.Service, 0, len(t.services))}
	for _, r := range t.routes {
		v.Routes = append(v.Routes, r.admin(t.show(r, v.Front)))
	}
	for _, sv := range t.services {
		if ready := t.pools[sv.Name].addresses(); len(ready) > 0 {
			sv.Address = ready[0]
		}
		v.Services = append(v.Services, sv)
	}
	return v
}

// Requests implements admin.Source.
func (s source) Requests() any {
	return append([]observe.Record{}, s.g.recorder.Recent()...)
}

// WriteMetrics implements admin.Source.
func (s source) WriteMetrics(w io.Writer) error { return s.g.recorder.WriteMetrics(w) }

// admin is the route, which is shown as r, as data.
func (r *route) admin(shown Route) admin.Route {
	out := admin.Route{
		Pattern: shown.Pattern, Service: shown.Service, Host: r.host, Path: r.shownPath(), Exact: r.exact, Methods: r.methods,
		Headers: named(r.headers), Query: named(r.query), Strip: shown.Strip, Rewrite: shown.Rewrite, Redirect: shown.Redirect,
		URL: shown.URL, Ready: shown.Ready, Declared: shown.Declared, Shadowed: shown.Shadowed,
	}
	if r.regexp != nil {
		out.Path, out.Regexp = "", r.path
	}
	return out
}

// named is what pairs made a list of.
func named(list []pair) map[string]string {
	out := make(map[string]string, len(list))
	for _, p := range list {
		out[p.name] = p.value
	}
	return out
}

// shownServices are those of st that are at the gateway.
func shownServices(st *stack.Stack) []admin.Service {
	var out []admin.Service
	for _, sv := range st.Services {
		if sv.Kind != stack.KindJob {
			out = append(out, admin.Service{Name: sv.Name, Protocol: string(sv.Protocol)})
		}
	}
	return out
}
