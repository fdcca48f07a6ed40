package templates

import (
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sample is a template in memory: a manifest, and files in the form of txtar.
func sample(t *testing.T, manifest string, files map[string]string) *Template {
	t.Helper()
	tmpl, err := Load("sample", sampleFS(manifest, files))
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func sampleFS(manifest string, files map[string]string) fstest.MapFS {
	dir := fstest.MapFS{
		"template.yaml":      {Data: []byte("description: a sample\nlanguage: other\n" + manifest)},
		"project/stack.yaml": {Data: []byte("services:\n  acme-widgets:\n    command: ./run\n")},
	}
	for name, text := range files {
		dir["project/"+name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return dir
}

const storeOption = `options:
  store: {description: where data is, choices: [none, sqlite, postgres], default: sqlite}
`

func rendered(t *testing.T, tmpl *Template, a Answers) map[string]string {
	t.Helper()
	r, err := tmpl.Render(a)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for p, f := range r.Files {
		out[p] = string(f.Data)
	}
	return out
}

func TestNamesAreSpelledAsTheyStand(t *testing.T) {
	tmpl := sample(t, "files: [{paths: [acme_widgets/spare_gadgets.py], each: resource}]", map[string]string{
		"acme_widgets/spare_gadgets.py": "acme-widgets acme_widgets AcmeWidgets acmeWidgets ACME_WIDGETS Acme Widgets\n" +
			"spare-gadget spare_gadgets SpareGadgets spareGadget SPARE_GADGET spare gadgets Spare gadget 0001 0000\n",
	})
	got := rendered(t, tmpl, Answers{Service: "order-api", Resources: []Resource{{Name: "order-entry", Number: 12, Fields: []Field{{"n", "int"}}}}})
	want := "order-api order_api OrderApi orderApi ORDER_API Order Api\n" +
		"order-entry order_entries OrderEntries orderEntry ORDER_ENTRY order entries Order entry 0012 0011\n"
	if got["order_api/order_entries.py"] != want {
		t.Errorf("got %q", got)
	}
}

func TestPartsAreKeptByOptions(t *testing.T) {
	tmpl := sample(t, storeOption+`files:
  - {paths: [db.sql], if: store!=none}
  - {paths: [memory.py], as: repository.py, if: store=none}
  - {paths: [sql.py], as: repository.py, if: store!=none}
lines:
  - {paths: [go.sum], match: ^pgx, if: store=postgres}
`, map[string]string{
		"db.sql": "-- msctl:if store=sqlite\nPRAGMA x;\n-- msctl:end\nCREATE;\n",
		"a.md":   "one\n<!-- msctl:if store=sqlite|postgres -->\ntwo\n  <!-- msctl:if store!=sqlite -->\nthree\n<!-- msctl:end -->\n<!-- msctl:end -->\nfour",
		"go.sum": "cobra 1\npgx 2\npgx 3\n",

		"memory.py": "m", "sql.py": "s",
	})
	for store, want := range map[string]map[string]string{
		"none":     {"a.md": "one\nfour", "go.sum": "cobra 1\n", "repository.py": "m"},
		"sqlite":   {"a.md": "one\ntwo\nfour", "go.sum": "cobra 1\n", "db.sql": "PRAGMA x;\nCREATE;\n", "repository.py": "s"},
		"postgres": {"a.md": "one\ntwo\nthree\nfour", "go.sum": "cobra 1\npgx 2\npgx 3\n", "db.sql": "CREATE;\n", "repository.py": "s"},
	} {
		got := rendered(t, tmpl, Answers{Service: "x", Options: map[string]string{"store": store}})
		if len(got) != len(want) {
			t.Errorf("store %s: got %d files, want %d: %v", store, len(got), len(want), got)
		}
		for p, text := range want {
			if got[p] != text {
				t.Errorf("store %s: %s is %q, want %q", store, p, got[p], text)
			}
		}
	}
}

// fieldBlocks is a fields part whose block of each type is its name and its field's.
const fieldBlocks = `# msctl:fields
# msctl:field string
string title Title
# msctl:field text
text notes
# msctl:field int
int stock
# msctl:field decimal
decimal price
# msctl:field bool
bool active
# msctl:field datetime
datetime released_at ReleasedAt
# msctl:end
`

func TestResourcesAndTheirFieldsAreRepeated(t *testing.T) {
	tmpl := sample(t, "files: [{paths: [spare_gadget.txt], each: resource}]", map[string]string{
		"spare_gadget.txt": "# msctl:if fields=decimal\nuses decimals\n# msctl:end\n" + fieldBlocks,
		"all.txt":          "# msctl:if resources=none\nnothing\n# msctl:end\n# msctl:each resource\nhas SpareGadget\n" + fieldBlocks + "# msctl:end\n",
	})
	a := Answers{Service: "x", Resources: []Resource{
		{Name: "item", Number: 1, Fields: []Field{{"unit_price", "decimal"}, {"name", "string"}, {"sold_at", "datetime"}}},
		{Name: "tag", Number: 2, Fields: []Field{{"text_id", "string"}}},
	}}
	got := rendered(t, tmpl, a)
	item := "decimal unit_price\nstring name Name\ndatetime sold_at SoldAt\n"
	for p, want := range map[string]string{
		"item.txt": "uses decimals\n" + item,
		"tag.txt":  "string text_id TextID\n",
		"all.txt":  "has Item\n" + item + "has Tag\nstring text_id TextID\n",
	} {
		if got[p] != want {
			t.Errorf("%s is %q, want %q", p, got[p], want)
		}
	}
	if got := rendered(t, tmpl, Answers{Service: "x"}); len(got) != 1 || got["all.txt"] != "nothing\n" {
		t.Errorf("without resources: %q", got)
	}
}

func TestIdentity(t *testing.T) {
	files := map[string]string{"a.txt": "acme-widgets\n# msctl:each resource\nspare_gadget\n" + fieldBlocks + "# msctl:end\n"}
	if wrong := sample(t, storeOption, files).Identity(); wrong != nil {
		t.Errorf("got %v", wrong)
	}
	files["a.txt"] += "# msctl:each resource\n# msctl:fields\n# msctl:field string\ntitle\n# msctl:field text\nnotes\n# msctl:field int\nstock\n" +
		"# msctl:field bool\nactive\n# msctl:field decimal\nprice\n# msctl:field datetime\nreleased_at\n# msctl:end\n# msctl:end\n"
	if wrong := sample(t, storeOption, files).Identity(); len(wrong) != 1 || !strings.Contains(wrong[0].Error(), "a.txt") {
		t.Errorf("blocks in another order: got %v", wrong)
	}
}

func TestJSONLosesKeysAndTheLockWhatTheyNeeded(t *testing.T) {
	tmpl := sample(t, storeOption+"keys: [{paths: [package.json], keys: [dependencies.pg, 'scripts.a\\.b'], if: store=postgres}]", map[string]string{
		"package.json": `{"name": "acme-widgets", "scripts": {"a.b": "<x>"}, "dependencies": {"pg": "8", "pino": "1"}}`,
		"package-lock.json": `{"lockfileVersion": 3, "packages": {
			"": {"dependencies": {"pg": "8", "pino": "1"}},
			"node_modules/pg": {"dependencies": {"pg-types": "1", "shared": "1"}},
			"node_modules/pg/node_modules/shared": {},
			"node_modules/pg-types": {},
			"node_modules/pino": {"dependencies": {"shared": "2"}},
			"node_modules/shared": {}}}`,
	})
	got := rendered(t, tmpl, Answers{Service: "x", Options: map[string]string{"store": "none"}})
	if want := "{\n  \"name\": \"x\",\n  \"dependencies\": {\n    \"pino\": \"1\"\n  }\n}\n"; got["package.json"] != want {
		t.Errorf("package.json is %s", got["package.json"])
	}
	lock := got["package-lock.json"]
	if strings.Contains(lock, "pg") || !strings.Contains(lock, `"node_modules/shared"`) {
		t.Errorf("the lock is %s", lock)
	}
	with := rendered(t, tmpl, Answers{Service: "x", Options: map[string]string{"store": "postgres"}})
	if !strings.Contains(with["package-lock.json"], "node_modules/pg-types") || !strings.Contains(with["package.json"], `"<x>"`) {
		t.Errorf("with postgres: %v", with)
	}
}

func TestWhatIsWrongWithATemplateIsSaidWhere(t *testing.T) {
	for name, c := range map[string]struct {
		manifest string
		files    map[string]string
		want     string
	}{
		"no end":            {"", map[string]string{"a": "\n# msctl:if store=x\n"}, "a:2: msctl:if: there is no msctl:end"},
		"an end too many":   {"", map[string]string{"a": "# msctl:end\n"}, "a:1: msctl:end ends nothing"},
		"unknown mark":      {"", map[string]string{"a": "# msctl:when x\n# msctl:end\n"}, "a:1: msctl:when: want if, each"},
		"unknown option":    {"", map[string]string{"a": "# msctl:if store=x\n# msctl:end\n"}, `a:1: there is no option "store"`},
		"unknown value":     {storeOption, map[string]string{"a": "# msctl:if store=oracle\n# msctl:end\n"}, `a:1: store is never "oracle"`},
		"a type is missing": {"", map[string]string{"a": "# msctl:fields\n# msctl:field int\nx\n# msctl:end\n"}, "a:1: msctl:fields: there is no block for string"},
		"path without file": {"files: [{paths: [b]}]", nil, `no file is "b"`},
		"unknown key":       {"fils: []", nil, "field fils not found"},
		"path that leaves":  {"files: [{paths: [stack.yaml], as: ../x}]", nil, `"../x" is no path within the project`},
	} {
		if _, err := Load("sample", sampleFS(c.manifest, c.files)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want …%s…", name, err, c.want)
		}
	}
}

func TestNamesThatAreNone(t *testing.T) {
	for _, name := range []string{"", "-x", "x-", "X", "a b", "a/b", "..", "a--b", "1a", "é", "class", strings.Repeat("a", 41)} {
		if CheckService(name) == nil {
			t.Errorf("%q is taken", name)
		}
	}
	for _, args := range []string{"", "item", "item a", "item a:money", "item a:int a:int", "item class:int", "item id:int", "item A:int", "Item a:int", "item a-b:int", "select a:int"} {
		if r, err := ParseResource(strings.Fields(args)); err == nil {
			t.Errorf("%q is taken as %v", args, r)
		}
	}
}

func TestAnswersThatTheTemplateDoesNotKnow(t *testing.T) {
	tmpl := sample(t, storeOption, nil)
	for value, want := range map[string]string{"oracle": "want one of none, sqlite, postgres", "a\nb": "want one of"} {
		if _, err := tmpl.Render(Answers{Service: "x", Options: map[string]string{"store": value}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", value, err)
		}
	}
	if _, err := tmpl.Render(Answers{Service: "x", Options: map[string]string{"stor": "none"}}); err == nil || !strings.Contains(err.Error(), `no option "stor"`) {
		t.Error(err)
	}
}

func TestPairs(t *testing.T) {
	sizes := []int{3, 4, 2, 3}
	rows := pairwise(sizes)
	if len(rows) > 16 {
		t.Errorf("%d rows, where 12 are the least", len(rows))
	}
	for i := range sizes {
		for j := range i {
			seen := map[[2]int]bool{}
			for _, r := range rows {
				seen[[2]int{r[i], r[j]}] = true
			}
			if len(seen) != sizes[i]*sizes[j] {
				t.Errorf("columns %d and %d: %d pairs", i, j, len(seen))
			}
		}
	}
}

func FuzzMarks(f *testing.F) {
	f.Add("a\n# msctl:each resource\n" + fieldBlocks + "# msctl:end\n")
	f.Add("# msctl:if a=b c!=d|e\n# msctl:end")
	f.Fuzz(func(_ *testing.T, text string) {
		parts, err := parseMarks([]byte(text))
		if err != nil {
			return
		}
		w := &writer{numbers: func(r Resource) renamer { return renameResource(r, "0001", "0000") }}
		_ = w.write(parts, scope{all: true}, nil)
	})
}

func FuzzManifest(f *testing.F) {
	f.Add(storeOption + "resource: item a:int\nchecks: [x]\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = Load("fuzz", sampleFS(text, map[string]string{"a": "x"}))
	})
}

func FuzzLock(f *testing.F) {
	f.Add(`{"packages": {"": {"dependencies": {"a": "1"}}, "node_modules/a": {}}}`)
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = pruneLock([]byte(text), []string{"dependencies.a"})
	})
}
