package admin

import (
	"cmp"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// part is one service's document on its way into the merged one.
type part struct {
	*merged
	service string
	doc     map[string]any
	base    string // path that its servers put before its own

	keys    map[string]string    // of Paths, for its own
	renamed map[string]string    // operation ids
	placed  []operation          // whose references are still its own
	names   map[component]string // that differ from its own
}

// operation is an operation and the id that it will have.
type operation struct {
	fields map[string]any
	id     string
}

// origin is where a path item comes from. Operations of one origin share an
// item, since they share its fields.
type origin struct{ service, path, server string }

// verbs are the operations that a path item may have.
var verbs = []string{"delete", "get", "head", "options", "patch", "post", "put", "trace"}

func newPart(m *merged, service string, doc map[string]any) *part {
	p := &part{
		merged: m, service: service, doc: doc,
		keys: map[string]string{}, renamed: map[string]string{}, names: map[component]string{},
	}
	p.base = p.prefix()
	return p
}

// prefix is the path of the document's first server. One that a route strips
// is left out: a service that names it has been told where it is mounted, and
// means the same place.
func (p *part) prefix() string {
	servers := list(p.doc["servers"])
	if len(servers) == 0 {
		return ""
	}
	u, err := url.Parse(text(object(servers[0])["url"]))
	if err != nil {
		return ""
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	if !strings.HasPrefix(path, "/") || strings.Contains(u.Path, "{") {
		return ""
	}
	for _, r := range p.view.Routes {
		if r.Service == p.service && strings.TrimRight(r.Strip, "/") == path {
			return ""
		}
	}
	return path
}

// growth bounds the bytes that the document comes to.
func (p *part) growth() int {
	each := size(p.doc["security"]) + len(p.base) + 4*len(p.service) + 256
	n := size(p.doc)
	for path, item := range object(p.doc["paths"]) {
		shared := size(shared(object(item)))
		for _, verb := range verbs {
			if object(object(item)[verb]) != nil {
				n += each + shared + len(path)
			}
		}
	}
	return n
}

// shared is what the operations of a path item have in common.
func shared(item map[string]any) map[string]any {
	out := maps.Clone(item)
	for _, verb := range verbs {
		delete(out, verb)
	}
	delete(out, "servers")
	delete(out, "$ref")
	return out
}

// place puts each operation where the front door has it, and counts those that
// it has, and those that it has nowhere.
func (p *part) place() (placed, left int) {
	paths := object(p.doc["paths"])
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := object(paths[path])
		for _, verb := range verbs {
			fields := object(item[verb])
			switch {
			case fields == nil:
			case p.put(path, verb, item, fields):
				p.claim(fields)
				placed++
			default:
				left++
			}
		}
	}
	return placed, left
}

// put finds a place for an operation.
func (p *part) put(path, verb string, item, fields map[string]any) bool {
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "#?") {
		return false
	}
	for _, at := range p.view.mounts(p.service, strings.ToUpper(verb), p.base+path) {
		from := origin{p.service, path, at.server}
		for _, key := range []string{at.path, at.path + "#" + p.service} {
			if p.Paths[key] == nil {
				p.Paths[key] = shared(item)
				p.origins[key] = from
				if at.server != "" {
					p.Paths[key]["servers"] = []server{{at.server}}
				}
			}
			if p.origins[key] != from || p.Paths[key][verb] != nil {
				continue
			}
			p.Paths[key][verb] = fields
			if p.keys[path] == "" {
				p.keys[path] = key
			}
			return true
		}
	}
	return false
}

// claim gives an operation an id of its own, its service's tag, and what the
// document says for all of its operations.
func (p *part) claim(fields map[string]any) {
	if id := text(fields["operationId"]); id != "" {
		to := p.identify(id)
		if p.renamed[id] == "" {
			p.renamed[id] = to
		}
		p.placed = append(p.placed, operation{fields, to})
	}
	delete(fields, "servers")
	fields["x-msctl-service"] = p.service
	tags := slices.DeleteFunc(slices.Clone(list(fields["tags"])), func(t any) bool { return t == any(p.service) })
	fields["tags"] = append([]any{p.service}, tags...)
	if all, ok := p.doc["security"]; ok && fields["security"] == nil {
		fields["security"] = all
	}
}

// components adds those of the document, renamed where others have different
// ones of their name.
func (p *part) components() {
	kinds := object(p.doc["components"])
	users := map[component][]component{} // of what components refer to
	var differ []component
	for _, c := range p.own() {
		own := object(kinds[c.kind])[c.name]
		if have, ok := p.Components[c.kind][c.name]; ok && !reflect.DeepEqual(have, own) {
			differ = append(differ, c)
		}
		walk(own, false, func(to component) string {
			if users[to] = append(users[to], c); p.name(to) != to.name && to.kind == operationIDs {
				differ = append(differ, c)
			}
			return to.name
		})
	}
	for len(differ) > 0 {
		c := differ[0]
		differ = differ[1:]
		if _, there := p.Components[c.kind][c.name]; there && p.names[c] == "" {
			p.names[c] = p.rename(c)
			differ = append(differ, users[c]...) // which say something else now
		}
	}
	for _, c := range p.own() {
		own := object(kinds[c.kind])[c.name]
		walk(own, false, p.name)
		if p.Components[c.kind] == nil {
			p.Components[c.kind] = map[string]any{}
		}
		p.Components[c.kind][p.name(c)] = own
	}
}

// own are the document's components, sorted.
func (p *part) own() (all []component) {
	kinds := object(p.doc["components"])
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		for _, name := range slices.Sorted(maps.Keys(object(kinds[kind]))) {
			all = append(all, component{kind, name})
		}
	}
	return all
}

func (p *part) rename(c component) string {
	own := object(object(p.doc["components"])[c.kind])
	return p.unique(c.kind, p.service, c.name, func(name string) bool {
		_, there := p.Components[c.kind][name]
		_, mine := own[name]
		return there || mine
	})
}

// rewrite makes the operations refer to what things are called now.
func (p *part) rewrite() {
	walk(p.doc["paths"], true, p.name)
	for _, o := range p.placed {
		o.fields["operationId"] = o.id
	}
}

// name is what something of the document is called in the merged one.
func (p *part) name(c component) string {
	switch c.kind {
	case operationIDs:
		if p.renamed[c.name] == "" { // a callback's
			p.renamed[c.name] = p.identify(c.name)
		}
		return p.renamed[c.name]
	case paths:
		return cmp.Or(p.keys[c.name], c.name)
	}
	return cmp.Or(p.names[c], c.name)
}

// identify takes an operation id, or one like it that nobody has.
func (p *part) identify(id string) string {
	id = p.unique(operationIDs, p.service, id, func(s string) bool { return p.ids[s] })
	p.ids[id] = true
	return id
}
