package admin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Bounds of documents, which may be anything that a service sends.
const (
	maxDepth = 128
	// maxMerged bounds, in bytes, what all documents come to when what stands
	// once in one is given to each of its operations.
	maxMerged = 64 << 20
)

// merged is the OpenAPI document of all services.
type merged struct {
	OpenAPI    string                    `json:"openapi"`
	Info       map[string]string         `json:"info"`
	Servers    []server                  `json:"servers,omitempty"`
	Tags       []tag                     `json:"tags,omitempty"`
	Paths      map[string]map[string]any `json:"paths"`
	Components map[string]map[string]any `json:"components,omitempty"`
	Services   []outcome                 `json:"x-msctl-services"`

	view    View
	room    int               // bytes that documents may still come to
	origins map[string]origin // of Paths
	ids     map[string]bool   // of operations
	tags    map[string]bool
	counted map[string]int // numbers that a name has been given to tell it apart
}

type server struct {
	URL string `json:"url"`
}

type tag struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// outcome is what became of a service's document.
type outcome struct {
	Service    string `json:"service"`
	Title      string `json:"title,omitempty"`
	Version    string `json:"version,omitempty"`
	OpenAPI    string `json:"openapi,omitempty"`
	Operations int    `json:"operations"`
	Reason     string `json:"reason,omitempty"` // for having none of it
	Note       string `json:"note,omitempty"`
}

// merge makes one OpenAPI 3.1 document of docs, which are in the order of
// v.Services: with the paths of the front door, with a component renamed to
// {service}_{name} when another service has a different one of that name, and
// with the service as the first tag of its operations. A path that two
// services have under different hosts is told apart by a fragment, as in
// /items#shop, which no client sends. Schemas of OpenAPI 3.0 stay as they are
// written; references to other files are not followed. The same input makes
// the same bytes.
func merge(title string, v View, docs []document) []byte {
	return newMerged(title, v, maxMerged).merge(docs)
}

func newMerged(title string, v View, room int) *merged {
	m := &merged{
		OpenAPI: "3.1.0", Info: map[string]string{"title": cmp.Or(title, "msctl"), "version": "0"},
		Paths: map[string]map[string]any{}, Components: map[string]map[string]any{}, Services: []outcome{},
		view: v, room: room, origins: map[string]origin{},
		ids: map[string]bool{}, tags: map[string]bool{}, counted: map[string]int{},
	}
	if v.Front != "" {
		m.Servers = []server{{v.Front}}
	}
	return m
}

func (m *merged) merge(docs []document) []byte {
	order := make([]int, len(docs))
	for n := range order {
		order[n] = n
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(m.view.Services[a].Name, m.view.Services[b].Name)
	})
	for _, n := range order {
		o := outcome{Service: m.view.Services[n].Name, Reason: docs[n].reason}
		if o.Reason == "" {
			if err := m.add(&o, docs[n].body); err != nil {
				o.Reason = err.Error()
			}
		}
		m.Services = append(m.Services, o)
	}
	out, _ := encode(m) // what was decoded always encodes
	return out
}

// add takes in the document of a service and fills in o.
func (m *merged) add(o *outcome, body []byte) error {
	doc, err := parse(body)
	if err != nil {
		return err
	}
	info := object(doc["info"])
	o.OpenAPI, o.Title, o.Version = text(doc["openapi"]), text(info["title"]), text(info["version"])
	if m.view.Front == "" {
		return errors.New("the front door is off")
	}
	p := newPart(m, o.Service, doc)
	growth := p.growth()
	if growth > m.room {
		return errors.New("its document is too large to be merged")
	}
	m.room -= growth
	var left int
	o.Operations, left = p.place()
	p.components()
	p.rewrite()
	m.tag(o.Service, cmp.Or(text(info["description"]), o.Title))
	for _, t := range list(doc["tags"]) {
		m.tag(text(object(t)["name"]), text(object(t)["description"]))
	}
	var notes []string
	if strings.HasPrefix(o.OpenAPI, "3.0") {
		notes = append(notes, "schemas are of OpenAPI 3.0 (nullable and the like), as they are written")
	}
	if left > 0 {
		notes = append(notes, fmt.Sprintf("left out, since no route that a document can name leads there: %d", left))
	}
	o.Note = strings.Join(notes, "; ")
	return nil
}

func (m *merged) tag(name, description string) {
	if name != "" && !m.tags[name] {
		m.tags[name] = true
		m.Tags = append(m.Tags, tag{name, description})
	}
}

// unique is name, or where that is taken service_name, with a number if need
// be. Kind is what the numbers are of.
func (m *merged) unique(kind, service, name string, taken func(string) bool) string {
	if !taken(name) {
		return name
	}
	name = service + "_" + name
	key := kind + "/" + name
	for {
		m.counted[key]++
		out := name
		if n := m.counted[key]; n > 1 {
			out = fmt.Sprintf("%s_%d", name, n)
		}
		if !taken(out) {
			return out
		}
	}
}

// parse decodes a document and checks that it can be merged. Numbers stay as
// they are written.
func parse(body []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("/openapi.json is not JSON: %w", err)
	}
	if d.More() {
		return nil, errors.New("/openapi.json has something after its end")
	}
	if !shallow(v, maxDepth) {
		return nil, fmt.Errorf("/openapi.json is nested deeper than %d", maxDepth)
	}
	doc := object(v)
	if old := text(doc["swagger"]); old != "" {
		return nil, fmt.Errorf("it is Swagger %s; OpenAPI 3 is merged", old)
	}
	if !strings.HasPrefix(text(doc["openapi"]), "3.") {
		return nil, errors.New("/openapi.json is not a document of OpenAPI 3")
	}
	return doc, nil
}

func shallow(v any, depth int) bool {
	if depth == 0 {
		return false
	}
	switch v := v.(type) {
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !shallow(e, depth-1) })
	case map[string]any:
		for _, e := range v {
			if !shallow(e, depth-1) {
				return false
			}
		}
	}
	return true
}

// size is about how many bytes v is as JSON.
func size(v any) int {
	n := 4
	switch v := v.(type) {
	case string:
		n += len(v)
	case json.Number:
		n += len(v)
	case []any:
		for _, e := range v {
			n += size(e)
		}
	case map[string]any:
		for k, e := range v {
			n += 4 + len(k) + size(e)
		}
	}
	return n
}

// A document may have anything anywhere; what is not what it should be is as
// good as missing.

func object(v any) map[string]any {
	o, _ := v.(map[string]any)
	return o
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
