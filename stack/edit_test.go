package stack

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// addition is a template's stack file.
const addition = `name: acme
services:
  # what it keeps
  orders:
    command: $BIN # built by build_command
    route: /orders
    healthcheck:
      http: /readyz
`

func TestAddServices(t *testing.T) {
	const orders = `  # what it keeps
  orders:
    dir: services/orders
    command: $BIN # built by build_command
    route: /orders
    healthcheck:
      http: /readyz
`
	wide := strings.NewReplacer("    ", "        ", "  ", "    ").Replace(orders)
	for name, c := range map[string]struct{ file, want string }{
		"no file yet":     {"", "services:\n" + orders},
		"comments alone":  {"# mine\n", "# mine\n\nservices:\n" + orders},
		"no services":     {"name: shop\n", "name: shop\n\nservices:\n" + orders},
		"blank lines end": {"name: shop\n\n\n", "name: shop\n\nservices:\n" + orders + "\n\n"},
		"braces":          {"name: shop\nservices: {}\n", "name: shop\nservices:\n" + orders},
		"braces, comment": {"services: {} # none yet\n", "services: # none yet\n" + orders},
		"nothing":         {"services:\nname: shop\n", "services:\n" + orders + "name: shop\n"},
		"null":            {"services: null # none\n", "services: # none\n" + orders},
		"tilde":           {"services: ~\n", "services:\n" + orders},
		"comment within":  {"services:\n  # here\n\nname: shop\n", "services:\n  # here\n" + orders + "\nname: shop\n"},
		"the last key": {
			"# head\nname: shop\n\nservices:\n  web:\n    command: x\n",
			"# head\nname: shop\n\nservices:\n  web:\n    command: x\n\n" + orders,
		},
		"no final newline": {"services:\n  web:\n    command: x", "services:\n  web:\n    command: x\n\n" + strings.TrimSuffix(orders, "\n")},
		"in the midst": {
			"services:\n  web: {command: x}   # odd\n  # off:\n  #   command: y\n\n# the gateway\ngateway:\n  listen: 127.0.0.1:8080\n",
			"services:\n  web: {command: x}   # odd\n  # off:\n  #   command: y\n\n" + orders + "\n# the gateway\ngateway:\n  listen: 127.0.0.1:8080\n",
		},
		"close together": {
			"services:\n  web: {command: x}\n  # it\n  api: {command: y}\n",
			"services:\n  web: {command: x}\n  # it\n  api: {command: y}\n" + orders,
		},
		"spread out": {
			"services:\n  web: {command: x}\n\n  # it\n  api: {command: y}\n",
			"services:\n  web: {command: x}\n\n  # it\n  api: {command: y}\n\n" + orders,
		},
		"four blanks":         {"services:\n    web:\n        command: x\n", "services:\n    web:\n        command: x\n\n" + wide},
		"four blanks, so far": {"gateway:\n    listen: 127.0.0.1:8080\nservices: {}\n", "gateway:\n    listen: 127.0.0.1:8080\nservices:\n" + wide},
		"CRLF": {
			"services:\r\n  web:\r\n    command: x\r\n",
			"services:\r\n  web:\r\n    command: x\r\n\r\n" + strings.ReplaceAll(orders, "\n", "\r\n"),
		},
		"a script at the end": {
			"services:\n  web:\n    command: |\n      a\n      # b\n",
			"services:\n  web:\n    command: |\n      a\n      # b\n\n" + orders,
		},
		"anchors": {
			"x-base: &base\n  restart: always\nservices: &all\n  web:\n    <<: *base\n    command: x\n",
			"x-base: &base\n  restart: always\nservices: &all\n  web:\n    <<: *base\n    command: x\n\n" + orders,
		},
		"the document's end": {"---\nservices: {}\n...\n# after\n", "---\nservices:\n" + orders + "...\n# after\n"},
		"beyond ASCII":       {"name: shop # größer\n'services': {} # größer\n", "name: shop # größer\n'services': # größer\n" + orders},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := AddServices([]byte(c.file), []byte(addition), AddOptions{Dir: "services/orders"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Error(diff)
			}
			if want, err := AddServices(got, []byte(addition), AddOptions{}); err == nil {
				t.Errorf("added again: %s", want)
			}
		})
	}
}

func TestAddServicesOptions(t *testing.T) {
	const file = "services: {}\n"
	for name, c := range map[string]struct {
		from, want string
		o          AddOptions
	}{
		"as it is": {"services:\n  a:\n    command: x\n", "services:\n  a:\n    command: x\n", AddOptions{}},
		"folders": {
			"services:\n  a:\n    dir: part # of it\n    command: x\n  b:\n    dir: \"in\"\n    command: x\n  c:\n    dir: /srv\n    command: x\n",
			"services:\n  a:\n    dir: svc/part # of it\n    command: x\n  b:\n    dir: svc/in\n    command: x\n  c:\n    dir: /srv\n    command: x\n",
			AddOptions{Dir: "svc"},
		},
		"a folder before remarks": {
			"services:\n  a: # one\n    # how\n    command: x\n", "services:\n  a: # one\n    dir: svc\n    # how\n    command: x\n",
			AddOptions{Dir: "svc"},
		},
		"a folder to quote": {"services:\n  a:\n    command: x\n", "services:\n  a:\n    dir: 'a: b'\n    command: x\n", AddOptions{Dir: "a: b"}},
		"another route":     {"services:\n  a:\n    route: /a # here\n    command: x\n", "services:\n  a:\n    route: /b # here\n    command: x\n", AddOptions{Route: "/b"}},
		"a route at last":   {"services:\n  a:\n    command: x\n", "services:\n  a:\n    command: x\n    route: /b\n", AddOptions{Route: "/b"}},
		"a long route":      {"services:\n  a:\n    route:\n      - path: /a\n    command: x\n", "services:\n  a:\n    route: /b\n    command: x\n", AddOptions{Route: "/b"}},
		"no route":          {"services:\n  a:\n    route:\n      - path: /a\n    command: x\n", "services:\n  a:\n    command: x\n", AddOptions{Route: NoRoute}},
		"the main one": {
			"services:\n  job:\n    command: x\n\n  a:\n    route: /a\n",
			"services:\n  job:\n    command: x\n\n  a:\n    route: /b\n    depends_on: [db, mq]\n",
			AddOptions{Route: "/b", DependsOn: []string{"db", "mq"}},
		},
		"beside what it depends on": {
			"services:\n  a:\n    depends_on:\n      job: {condition: service_completed_successfully}\n    command: x\n",
			"services:\n  a:\n    depends_on:\n      job: {condition: service_completed_successfully}\n      db: {condition: service_started}\n    command: x\n",
			AddOptions{DependsOn: []string{"db", "job"}},
		},
		"CRLF": {"services:\r\n  a:\r\n    command: x\r\n", "services:\n  a:\n    command: x\n", AddOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := AddServices([]byte(file), []byte(c.from), c.o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A script's own indentation is part of it.
func TestAddServicesKeepsScripts(t *testing.T) {
	const from = "services:\n  a:\n    command: |\n      if x; then\n        y\n      fi\n"
	const want = "services:\n    web:\n        command: x\n\n    a:\n      command: |\n        if x; then\n          y\n        fi\n"
	got, err := AddServices([]byte("services:\n    web:\n        command: x\n"), []byte(from), AddOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

// Every stack file can be added to, and loads to what it did and the new service.
func TestAddServicesToCorpus(t *testing.T) {
	for _, file := range corpus(t, "valid") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			const added = "services:\n  added-one:\n    command: x\n"
			got, err := AddServices(data, []byte(added), AddOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if !within(data, got) {
				t.Errorf("bytes are gone:\n%s", got)
			}
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Dir(file))); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, filepath.Base(file))
			before, err := Load(Options{File: path})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
			after, err := Load(Options{File: path})
			if err != nil {
				t.Fatalf("%v\n%s", err, got)
			}
			if n := len(after.Services) - 1; n != len(before.Services) || after.Services[n].Name != "added-one" {
				t.Errorf("%d services became %d\n%s", len(before.Services), n+1, got)
			}
		})
	}
}

func TestAddServicesRefuses(t *testing.T) {
	for name, c := range map[string]struct{ file, from, want string }{
		"a name that is taken": {"services:\n  orders: {command: x}\n", addition, `stack.yaml:2:3: services.orders: the service "orders" is there already`},
		"braces":               {"services: {web: {command: x}}\n", addition, "stack.yaml:1:11: services: want services beneath each other to add one, got braces"},
		"braces around all":    {"{name: shop}\n", addition, "stack.yaml:1:1: want keys beneath each other to add services, got braces"},
		"an alias":             {"x-all: &all\n  web: {command: x}\nservices: *all\n", addition, "stack.yaml:3:11: services: want services to add to, got an alias"},
		"a list":               {"services:\n  - web\n", addition, "stack.yaml:1:1: services: want services that can be added to, got a form that is not understood here"},
		"not YAML":             {"services: [\n", addition, "stack.yaml:1:1: not YAML: did not find expected node content"},
		"two documents":        {"name: a\n---\nname: b\n", addition, "stack.yaml:2:1: want one YAML document, got several"},
		"no services to add":   {"", "name: acme\n", "the template's stack.yaml:1:1: services: want services beneath each other, got none"},
		"braces to add":        {"", "services:\n  a: {command: x}\n", "the template's stack.yaml:2:3: services.a: want keys beneath the service's name, got another form"},
		"anchors elsewhere":    {"", "x-a: &a {restart: always}\nservices:\n  a:\n    <<: *a\n    command: x\n", "stack.yaml:1:1: services: want services that can be added to, got a form that is not understood here"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := AddServices([]byte(c.file), []byte(c.from), AddOptions{Dir: "d"})
			var errs Errors
			if !errors.As(err, &errs) || err.Error() != c.want {
				t.Errorf("got %v\nwant %s\n%s", err, c.want, got)
			}
		})
	}
}

func TestDependOn(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"none":                 {"command: x\n", "command: x\n    depends_on: [db, mq]\n"},
		"none, in braces":      {"{command: x} # short\n", "{depends_on: [db, mq], command: x} # short\n"},
		"empty braces":         {"{}\n", "{depends_on: [db, mq]}\n"},
		"brackets":             {"depends_on: [a, 'b'] # two\n", "depends_on: [a, 'b', db, mq] # two\n"},
		"brackets over lines":  {"depends_on: [\n      a,\n      b, # last\n    ]\n", "depends_on: [\n      a,\n      b, db, mq, # last\n    ]\n"},
		"empty brackets":       {"depends_on: []\n", "depends_on: [db, mq]\n"},
		"one is there":         {"depends_on: [mq]\n", "depends_on: [mq, db]\n"},
		"both are there":       {"depends_on: [mq, db]\n", "depends_on: [mq, db]\n"},
		"list":                 {"depends_on:\n      - a # first\n    command: x\n", "depends_on:\n      - a # first\n      - db\n      - mq\n    command: x\n"},
		"list, not indented":   {"depends_on:\n    - a\n", "depends_on:\n    - a\n    - db\n    - mq\n"},
		"mapping":              {"depends_on:\n      a:\n        condition: service_healthy\n\n    command: x\n", "depends_on:\n      a:\n        condition: service_healthy\n      db: {condition: service_started}\n      mq: {condition: service_started}\n\n    command: x\n"},
		"mapping in braces":    {"depends_on: {a: {required: false}}\n", "depends_on: {db: {condition: service_started}, mq: {condition: service_started}, a: {required: false}}\n"},
		"nothing":              {"depends_on: # none\n    command: x\n", "depends_on: # none\n      - db\n      - mq\n    command: x\n"},
		"null":                 {"depends_on: ~\n", "depends_on: [db, mq]\n"},
		"no final newline":     {"depends_on:\n      - a", "depends_on:\n      - a\n      - db\n      - mq"},
		"CRLF":                 {"command: x\r\n", "command: x\r\n    depends_on: [db, mq]\r\n"},
		"before what follows":  {"command: x\n\n  # next\n  api:\n    command: y\n", "command: x\n    depends_on: [db, mq]\n\n  # next\n  api:\n    command: y\n"},
		"after its own remark": {"command: x\n    # remark\n\nname: shop\n", "command: x\n    # remark\n    depends_on: [db, mq]\n\nname: shop\n"},
	} {
		t.Run(name, func(t *testing.T) {
			head := "services:\n  web:\n    "
			if strings.HasPrefix(c.file, "{") {
				head = "services:\n  web: "
			}
			if strings.Contains(c.file, "\r\n") {
				head = strings.ReplaceAll(head, "\n", "\r\n")
			}
			got, err := DependOn([]byte(head+c.file), "web", "db", "mq", "db")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(head+c.want, string(got)); diff != "" {
				t.Error(diff)
			}
			again, err := DependOn(got, "web", "db", "mq")
			if err != nil || !bytes.Equal(again, got) {
				t.Errorf("again: %v\n%s", err, again)
			}
		})
	}
}

func TestDependOnRefuses(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"no such service":     {"services:\n  api: {}\n", `stack.yaml:1:1: services.web: there is no service "web" in this file`},
		"no services":         {"# empty\n", `stack.yaml:1:1: services.web: there is no service "web" in this file`},
		"an alias":            {"x-d: &d [a]\nservices:\n  web:\n    depends_on: *d\n", "stack.yaml:3:3: services.web.depends_on: want a list or a mapping that can be added to, got a form that is not understood here"},
		"from a merge":        {"x-b: &b {depends_on: [a]}\nservices:\n  web:\n    <<: *b\n", "stack.yaml:3:3: services.web.depends_on: want a list or a mapping that can be added to, got a form that is not understood here"},
		"shared by an anchor": {"services:\n  web: &w\n    command: x\n  api: *w\n", "stack.yaml:2:3: services.web.depends_on: want a list or a mapping that can be added to, got a form that is not understood here"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := DependOn([]byte(c.file), "web", "db")
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v\nwant %s\n%s", err, c.want, got)
			}
		})
	}
}

// within reports whether whole is part with something added.
func within(part, whole []byte) bool {
	for _, b := range whole {
		if len(part) > 0 && part[0] == b {
			part = part[1:]
		}
	}
	return len(part) == 0
}

func FuzzAddServices(f *testing.F) {
	for _, s := range []string{
		"", "# x\n", "services: {}\n", "services: ~", "services:\n    web:\n        command: x\n\ngateway: {}\n",
		"services: &a\n  web: {command: x}\r\n...\n", "? services\n: web: {}\n", "---\nservices:\n  a: |+\n    x\n\n\nname: a",
	} {
		f.Add([]byte(s), []byte(addition), "web")
	}
	f.Add([]byte("services: {}\n"), []byte("services:\n  ? a\n  : b: 1\n"), "a")
	f.Fuzz(func(t *testing.T, file, from []byte, service string) {
		if got, err := AddServices(file, []byte(addition), AddOptions{Dir: "d", Route: "/r", DependsOn: []string{"db"}}); err == nil {
			if _, err := newSheet(FileName, got); err != nil {
				t.Errorf("broken: %v\n%s", err, got)
			}
			kept := file
			if s, err := newSheet(FileName, file); err == nil {
				if _, v := pair(s.root, "services"); v != nil && len(v.Content) == 0 {
					s.strip(v, "{}") // what stands for no services may go
					s.strip(v, v.Value)
					kept = s.bytes()
				}
			}
			if !within(kept, got) {
				t.Errorf("bytes are gone:\n%q\n%q", file, got)
			}
		}
		_, _ = AddServices(nil, from, AddOptions{Dir: "d", Route: NoRoute, DependsOn: []string{"db"}})
		if got, err := DependOn(file, service, "db"); err == nil {
			if _, err := newSheet(FileName, got); err != nil {
				t.Errorf("broken: %v\n%s", err, got)
			}
		}
	})
}
