package admin

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the merged documents that the tests expect")

// Each folder of testdata has the gateway in view.json, a document for each of
// its services, and what they come to in merged.json.
func TestMerge(t *testing.T) {
	folders, err := filepath.Glob("testdata/*/view.json")
	if err != nil || len(folders) == 0 {
		t.Fatal(folders, err)
	}
	for _, file := range folders {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			v, docs := load(t, dir)
			got := merge("shop", v, docs)
			var shown bytes.Buffer
			if err := json.Indent(&shown, got, "", "  "); err != nil {
				t.Fatal(err)
			}
			want := filepath.Join(dir, "merged.json")
			if *update {
				if err := os.WriteFile(want, shown.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(golden), shown.String()); diff != "" {
				t.Error(diff)
			}
			slices.Reverse(v.Services)
			slices.Reverse(docs)
			for range 5 {
				if again := merge("shop", v, docs); !bytes.Equal(again, got) {
					t.Fatalf("the same services come to something else:\n%s", again)
				}
			}
			sound(t, got)
		})
	}
}

func load(t *testing.T, dir string) (v View, docs []document) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "view.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	for _, s := range v.Services {
		body, err := os.ReadFile(filepath.Join(dir, s.Name+".json"))
		if err != nil {
			docs = append(docs, document{reason: "it has no /openapi.json"})
			continue
		}
		docs = append(docs, document{body: body})
	}
	return v, docs
}

// sound fails when a reference leads nowhere or two operations have one id.
func sound(t *testing.T, raw []byte) {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	known := func(c component) bool {
		if c.kind == paths {
			return object(doc["paths"])[c.name] != nil
		}
		return c.kind == operationIDs || object(object(doc["components"])[c.kind])[c.name] != nil
	}
	check := func(c component) string {
		if !known(c) && !strings.HasSuffix(c.name, ".json") {
			t.Errorf("nothing is called %v", c)
		}
		return c.name
	}
	ids := map[string]bool{}
	for _, item := range object(doc["paths"]) {
		for _, verb := range verbs {
			id := text(object(object(item)[verb])["operationId"])
			if id != "" && ids[id] {
				t.Errorf("two operations are called %s", id)
			}
			ids[id] = true
		}
	}
	walk(doc["paths"], true, check)
	for _, kind := range object(doc["components"]) {
		walk(kind, true, check)
	}
}

// What a document says once and each of its operations gets must not make
// gigabytes of megabytes.
func TestMergeBoundsWhatItRepeats(t *testing.T) {
	var operations []string
	for n := range 1000 {
		operations = append(operations, fmt.Sprintf(`"/%d": {"get": {}}`, n))
	}
	long := strings.Repeat("x", 1<<20)
	for name, more := range map[string]string{
		"security": `"security": [{"` + long + `": []}]`,
		"base":     `"servers": [{"url": "/` + long + `"}]`,
	} {
		got := merge("", twoServices, []document{
			{body: []byte(`{"openapi": "3.1.0", ` + more + `, "paths": {` + strings.Join(operations, ",") + `}}`)},
			{body: []byte(small)},
		})
		var out merged
		if err := json.Unmarshal(got, &out); err != nil {
			t.Fatal(err)
		}
		if len(got) > 4096 || out.Services[0].Reason == "" || out.Services[1].Operations != 1 {
			t.Errorf("%s: %d bytes: %+v", name, len(got), out.Services)
		}
	}
}

// Many of one name are told apart in linear time.
func TestMergeTellsManyApart(t *testing.T) {
	var operations []string
	for n := range 20_000 {
		operations = append(operations, fmt.Sprintf(`"/%d": {"get": {"operationId": "x"}}`, n))
	}
	body := []byte(`{"openapi": "3.1.0", "paths": {` + strings.Join(operations, ",") + `}}`)
	got := merge("", twoServices, []document{{body: body}, {body: body}})
	if !bytes.Contains(got, []byte(`"b_x_20000"`)) {
		t.Error("the last has no name of its own")
	}
	sound(t, got)
}

var twoServices = View{
	Front: "http://127.0.0.1:8080",
	Routes: []Route{
		{Service: "a", Path: "/a", Strip: "/a"},
		{Service: "b", Path: "/b", Strip: "/b"},
		{Service: "a", Host: "a.localhost", Path: "/"},
		{Service: "b", Host: "b.localhost", Path: "/"},
	},
	Services: []Service{{Name: "a"}, {Name: "b"}},
}

func FuzzMerge(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, []byte(small))
		f.Add([]byte(small), body)
	}
	f.Add([]byte(`{"openapi": "3.1.0", "security": ["`+strings.Repeat("x", 2000)+`"], "paths": {"/a": {"get": {}, "put": {}}, "/b": {"get": {}}}}`), []byte(`{`))
	const room = 64 << 10
	f.Fuzz(func(t *testing.T, a, b []byte) {
		run := func() []byte { return newMerged("fuzz", twoServices, room).merge([]document{{body: a}, {body: b}}) }
		got := run()
		if !json.Valid(got) {
			t.Fatalf("no JSON:\n%s", got)
		}
		// Each byte that there is room for becomes at most a \u escape, and a
		// name of two characters at most one with its service and a number.
		if len(got) > 4096+2*(len(a)+len(b))+8*room {
			t.Fatalf("%d and %d bytes came to %d", len(a), len(b), len(got))
		}
		if again := run(); !bytes.Equal(again, got) {
			t.Fatalf("the same documents come to something else:\n%s\n%s", got, again)
		}
	})
}

func TestPublic(t *testing.T) {
	for _, c := range []struct {
		route Route
		path  string
		want  string // "" none
	}{
		{Route{Path: "/"}, "/items", "/items"},
		{Route{Path: "/orders", Strip: "/orders"}, "/", "/orders"},
		{Route{Path: "/orders", Strip: "/orders"}, "/items/", "/orders/items/"},
		{Route{Path: "/api/orders", Strip: "/api"}, "/orders/{id}", "/api/orders/{id}"},
		{Route{Path: "/api/orders", Strip: "/api"}, "/ordersother", ""},
		{Route{Path: "/api/orders", Strip: "/api"}, "/health", ""},
		{Route{Path: "/orders"}, "/orders", "/orders"},
		{Route{Path: "/orders"}, "/items", ""},
		{Route{Path: "/orders", Rewrite: "/v2/"}, "/v2/items", "/orders/items"},
		{Route{Path: "/orders", Rewrite: "/v2"}, "/v2", "/orders"},
		{Route{Path: "/", Rewrite: "/v2"}, "/v2", "/"},
		{Route{Path: "/orders", Rewrite: "/v2"}, "/items", ""},
		{Route{Path: "/orders", Rewrite: "/"}, "/items", "/orders/items"},
		{Route{Path: "/now", Exact: true}, "/now", "/now"},
		{Route{Path: "/now", Exact: true}, "/now/x", ""},
		{Route{Path: "/now", Exact: true, Rewrite: "/clock"}, "/clock", "/now"},
		{Route{Path: "/now", Exact: true, Strip: "/now"}, "/", "/now"},
	} {
		got, ok := c.route.public(c.path)
		if !ok {
			got = ""
		}
		if got != c.want {
			t.Errorf("%+v %s: got %q, want %q", c.route, c.path, got, c.want)
		}
	}
}
