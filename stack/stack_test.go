package stack

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"
	"gopkg.in/yaml.v3"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the golden files anew")

// write makes a stack file in a folder of its own, and returns its path.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, FileName)
}

func load(t *testing.T, text string, environ ...string) *Stack {
	t.Helper()
	s, err := Load(Options{File: write(t, map[string]string{FileName: text}), Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func corpus(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
	if err != nil || len(files) < 5 {
		t.Fatalf("corpus %s: %v, %v", dir, files, err)
	}
	return files
}

func TestValidFilesResolve(t *testing.T) {
	for _, file := range corpus(t, "valid") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			s, err := Load(Options{Dir: filepath.Dir(file), File: filepath.Base(file)})
			if err != nil {
				t.Fatal(err)
			}
			out, err := s.YAML()
			if err != nil {
				t.Fatal(err)
			}
			base, err := filepath.Abs("testdata")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", bytes.ReplaceAll(out, []byte(base), []byte("BASE")))
			again, err := Load(Options{File: write(t, map[string]string{FileName: string(out)})})
			if err != nil {
				t.Fatalf("what YAML writes does not load: %v\n%s", err, out)
			}
			if diff := cmp.Diff(s, again, cmpopts.IgnoreTypes(Pos{}), cmpopts.EquateEmpty(),
				cmpopts.IgnoreFields(Stack{}, "Dir", "Files", "Warnings", "DotEnv"), cmpopts.IgnoreFields(Service{}, "Keys", "EnvFiles"),
				cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Dir" }, cmp.Ignore())); diff != "" {
				t.Errorf("what YAML writes loads differently (-first +again):\n%s", diff)
			}
		})
	}
}

func TestInvalidFilesAreExplained(t *testing.T) {
	for _, file := range corpus(t, "invalid") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := Load(Options{Dir: filepath.Dir(file), File: filepath.Base(file)})
			var all Errors
			if !errors.As(err, &all) {
				t.Fatalf("want Errors, got %v", err)
			}
			var out bytes.Buffer
			all.Format(&out)
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", out.Bytes())
		})
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("stack.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("stack.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// instance is a YAML document as a JSON Schema sees it.
func instance(data []byte) (any, error) {
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	asJSON, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
}

// The schema and the loader are made of one tree; this shows that they agree.
func TestSchemaAgreesWithTheLoader(t *testing.T) {
	schema := compiled(t)
	validate := func(t *testing.T, file string) error {
		t.Helper()
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := instance(data)
		if err != nil {
			t.Skip(err) // nothing that a schema is asked about
		}
		return schema.Validate(doc)
	}
	for _, file := range append(corpus(t, "valid"), "testdata/valid/files/inner.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if err := validate(t, file); err != nil {
				t.Errorf("the loader takes it, the schema does not: %v", err)
			}
		})
	}
	for _, file := range corpus(t, "invalid") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasPrefix(data, []byte("# beyond the schema")) {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			if err := validate(t, file); err == nil {
				t.Error("the loader refuses it, the schema does not")
			}
		})
	}
}

// One wrong value at a time, so that none hides behind another.
func TestSchemaAndLoaderRefuseTheSameValues(t *testing.T) {
	schema := compiled(t)
	values := []string{
		`1`, `-1`, `0`, `"5"`, `1.5`, `true`, `false`, `text`, `10s`, `512m`, `/path`, `127.0.0.1:80`, `[a, b]`, `[]`, `{}`, `{a: b}`,
		`[{a: b}]`, `[[a]]`, `SIGTERM`, `no`, `on-failure:3`, `sqlite`, `service`, `http`, `auto`, `always`, `"${X:-1}"`, ``, `{signal: SIGHUP}`,
		`off`, `10/s`, `0/s`, `10/0s`, `10/90s`, `gzip`, `[gzip, zstd]`, `[5xx, reset]`, `https://a.example`, `["https://*.a.example"]`, `//a`, `10.0.0.0/8`,
		`"fd00::/8"`, `X-A`, `X A`, `{X-A: b}`, `{X A: b}`, `{X-A: "b\r\n"}`, `{X-A: 1}`, `{"a:b": c}`, `client`, `header:X-A`, `cookie:a`, `"header:a b"`, `0s`, `308`, `maglev`,
	}
	places := []struct {
		format string
		keys   []key
	}{
		{"services: {s: {command: c, %s: %s}}", service.keys},
		{"services: {s: {command: c, route: {%s: %s}}}", serviceRouteKeys},
		{"services: {s: {command: c, balance: {%s: %s}}}", balance.keys},
		{"services: {s: {command: c, ejection: {%s: %s}}}", ejection.keys},
		{"services: {s: {command: c, reload: {%s: %s}}}", reload.keys},
		{"services: {s: {command: c, watch: {%s: %s}}}", watch.keys},
		{"services: {}\ngateway: {%s: %s}", gateway.keys},
		{"services: {}\ngateway: {routes: [{%s: %s}]}", gatewayRoute.keys},
		{"services: {}\ngateway: {routes: [{redirect: {%s: %s}}]}", redirect.keys},
		{"services: {}\ngateway: {retries: {%s: %s}}", retries.keys},
		{"services: {}\ngateway: {rate_limit: {%s: %s}}", rateLimit.keys},
		{"services: {}\ngateway: {cors: {%s: %s}}", cors.keys},
		{"services: {}\ngateway: {jwt: {%s: %s}}", jwt.keys},
		{"services: {}\ngateway: {request_headers: {%s: %s}}", headerRules.keys},
	}
	for _, p := range places {
		for _, k := range p.keys {
			for _, v := range values {
				text := fmt.Sprintf(p.format, k.name, v)
				if k.name == "command" {
					text = "services: {s: {command: " + v + "}}"
				}
				refuseTheSame(t, schema, text, strings.Contains(v, "$"))
			}
		}
	}
}

// refuseTheSame compares what schema and loader say of a stack file. The
// schema cannot know what a variable will be.
func refuseTheSame(t *testing.T, schema *jsonschema.Schema, text string, variable bool) {
	t.Helper()
	r := newReport()
	n := parse(r, "f", []byte(text))
	if n == nil {
		t.Fatal(text, r.errors)
	}
	i := interpolation{r, func(string) (string, bool) { return "", false }, map[string]bool{}}
	(&checker{r, i.node}).check(n, root, "")
	doc, err := instance([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	bySchema := schema.Validate(doc)
	switch {
	case variable && bySchema != nil && len(r.errors) == 0:
		t.Errorf("%s: the loader takes it, the schema does not: %v", text, bySchema)
	case !variable && (bySchema == nil) != (len(r.errors) == 0):
		t.Errorf("%s: schema says %v, loader says %v", text, bySchema, r.errors)
	}
}

func TestVariables(t *testing.T) {
	file := write(t, map[string]string{
		".env": "FROM_DOTENV=dot\nBOTH=dot\nNESTED=${BOTH}-nested\n",
		FileName: `
services:
  web:
    command: echo $PORT ${UNTOUCHED:?at start}
    port: ${PORT_OF_WEB}
    environment:
      A: $FROM_DOTENV/$BOTH
      B: ${NONE:-default}${NONE-}
      C: ${FROM_DOTENV:+set}
      D: "$$HOME"
      E: ${NESTED}
      F: ${NONE:-${BOTH}}
      G: "[${NOT_SET}]"
      H:
      I:
  list:
    command: x
    environment: [K=1, SHELL_ONLY, NOT_THERE]
`,
	})
	s, err := Load(Options{File: file, Environ: []string{"BOTH=shell", "PORT_OF_WEB=9001", "H=from shell", "SHELL_ONLY=yes"}})
	if err != nil {
		t.Fatal(err)
	}
	web, _ := s.Service("web")
	want := map[string]string{
		"A": "dot/shell", "B": "default", "C": "set", "D": "$HOME", "E": "shell-nested", "F": "shell", "G": "[]", "H": "from shell",
	}
	if diff := cmp.Diff(want, web.Environment); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if web.Port != 9001 || web.Command.Line != "echo $PORT ${UNTOUCHED:?at start}" {
		t.Errorf("got %d and %q", web.Port, web.Command.Line)
	}
	list, _ := s.Service("list")
	if diff := cmp.Diff(map[string]string{"K": "1", "SHELL_ONLY": "yes"}, list.Environment); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0].Error(), "NOT_SET") {
		t.Errorf("want one warning, of NOT_SET; got %v", s.Warnings)
	}
}

func TestDefaults(t *testing.T) {
	s := load(t, "services: {web: {command: ./web}, done: {command: ./done, kind: job}, late: {command: x, depends_on: {implied: {condition: service_completed_successfully}}}, implied: {command: x}}")
	web, _ := s.Service("web")
	done, _ := s.Service("done")
	implied, _ := s.Service("implied")
	switch {
	case s.Gateway.Listen != DefaultListen, s.Registry.Listen != DefaultRegistryListen:
		t.Errorf("got %+v", s)
	case web.Restart.Mode != RestartOnFailure, web.Replicas != 1, web.StopGracePeriod != 10*time.Second, web.StopSignal != "SIGTERM", web.Protocol != HTTP:
		t.Errorf("got %+v", web)
	case done.Restart.Mode != RestartNo, implied.Kind != KindJob, implied.Restart.Mode != RestartNo:
		t.Errorf("got %+v, %+v", done, implied)
	case web.Pos != Pos{FileName, 1, 12} && web.Pos.Line != 1:
		t.Errorf("got %v", web.Pos)
	}
}

func TestRoutesOfAService(t *testing.T) {
	s := load(t, `services: {web: {command: x, route: [/a, {path: /b/, strip: false}, {path: /c/d, strip: /c}, {path: /e, exact: true}, {host: API.localhost}, /]}}`)
	web, _ := s.Service("web")
	var got []string
	for _, r := range web.Routes {
		got = append(got, r.Host+r.Path+" strips "+r.Strip)
	}
	want := []string{"/a strips /a", "/b strips ", "/c/d strips /c", "/e strips ", "api.localhost/ strips ", "/ strips "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

func TestSelect(t *testing.T) {
	s := load(t, `
services:
  a: {command: x, depends_on: [b]}
  b: {command: x}
  c: {command: x, profiles: [debug], depends_on: [d]}
  d: {command: x, profiles: [tools]}
  e: {command: x, depends_on: {d: {required: false}}}
`)
	for _, c := range []struct {
		services, profiles []string
		noDeps             bool
		want               string
	}{
		{nil, nil, false, "a b e"},
		{nil, []string{"debug"}, false, "a b c d e"},
		{nil, []string{"tools"}, false, "a b d e"},
		{nil, []string{"*"}, false, "a b c d e"},
		{[]string{"a"}, nil, false, "a b"},
		{[]string{"a"}, nil, true, "a"},
		{[]string{"c"}, nil, false, "c d"},
	} {
		got, err := s.Select(c.services, c.profiles, c.noDeps)
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%v: got %v, %v", c, got, err)
		}
	}
	var unknown *UnknownError
	if _, err := s.Select([]string{"bb"}, nil, false); !errors.As(err, &unknown) || unknown.Near == "" {
		t.Errorf("got %v", err)
	}
	if _, err := s.Select(nil, []string{"debg"}, false); !errors.As(err, &unknown) || unknown.Near != "debug" {
		t.Errorf("got %v", err)
	}
}

func TestAFileThatIsTooLarge(t *testing.T) {
	file := write(t, map[string]string{FileName: "services: {web: {command: x}}\n#" + strings.Repeat("x", maxFileSize)})
	_, err := Load(Options{File: file})
	if err == nil || !strings.Contains(err.Error(), "a stack file has at most 10485760 bytes") {
		t.Errorf("got %v", err)
	}
	// One that is as large as allowed loads.
	file = write(t, map[string]string{FileName: "services: {web: {command: x}}\n#" + strings.Repeat("x", maxFileSize-100)})
	if _, err := Load(Options{File: file}); err != nil {
		t.Error(err)
	}
}

// A file may be as long as allowed and wrong everywhere: that is told in a time
// that does not grow with its square.
func TestManyErrors(t *testing.T) {
	var b strings.Builder
	b.WriteString("services:\n")
	const n = 5_000
	for i := range n {
		fmt.Fprintf(&b, "  s%d: {comand: x}\n", i)
	}
	_, err := Load(Options{File: write(t, map[string]string{FileName: b.String()})})
	var all Errors
	if !errors.As(err, &all) || len(all) != n {
		t.Fatalf("got %d errors", len(all))
	}
}

func TestFindLooksUpwards(t *testing.T) {
	file := write(t, map[string]string{FileName: "services: {web: {command: x}}", "a/b/c.txt": ""})
	got, err := Find(filepath.Join(filepath.Dir(file), "a", "b"))
	if err != nil || got != file {
		t.Errorf("got %s, %v", got, err)
	}
	s, err := Load(Options{Dir: filepath.Join(filepath.Dir(file), "a")})
	if err != nil || s.Dir != filepath.Dir(file) {
		t.Errorf("got %v, %v", s, err)
	}
	if _, err := Load(Options{Dir: t.TempDir()}); !errors.Is(err, ErrNotFound) {
		t.Errorf("want ErrNotFound, got %v", err)
	}
}

func TestFilesToWatch(t *testing.T) {
	file := write(t, map[string]string{
		FileName:         "include: sub\nservices: {web: {command: x, env_file: web.env}}",
		"web.env":        "A=1",
		"sub/stack.yaml": "services: {sub: {command: x}}",
	})
	s, err := Load(Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{FileName, ".env", "web.env", "sub/stack.yaml", "sub/.env"} {
		if !slices.Contains(s.Files, filepath.Join(s.Dir, want)) {
			t.Errorf("%s is not in %v", want, s.Files)
		}
	}
	if sub, _ := s.Service("sub"); sub.Dir != filepath.Join(s.Dir, "sub") {
		t.Errorf("an included service runs in %s", sub.Dir)
	}
}

// Whatever a file holds, Load neither panics nor takes long, and what it takes
// can be written and loaded again.
func FuzzLoad(f *testing.F) {
	for _, dir := range []string{"valid", "invalid"} {
		files, _ := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	dir := f.TempDir()
	file := filepath.Join(dir, FileName)
	f.Fuzz(func(t *testing.T, data []byte) {
		l := newLoader(dir, file, nil)
		l.main(file, data)
		var out bytes.Buffer
		if err := l.err(); err != nil {
			var all Errors
			if errors.As(err, &all) {
				all.Format(&out)
			}
			return
		}
		yml, err := l.stack.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again := newLoader(dir, file, nil)
		again.main(file, yml)
		if err := again.err(); err != nil {
			t.Fatalf("what YAML writes does not load: %v\n%s", err, yml)
		}
	})
}

func FuzzInterpolate(f *testing.F) {
	for _, s := range []string{"$A", "${A:-b}", "${A:?c}", "$$", "${A:-${B:-${C}}}", "${", "$", "a${A}b${B}c", "${A+x}", "${A:+${B}}"} {
		f.Add(s, "value")
	}
	f.Fuzz(func(t *testing.T, s, value string) {
		out, _, err := substitute(s, func(name string) (string, bool) { return value, name == "A" })
		if err == nil && !strings.Contains(s, "$") && out != s {
			t.Errorf("%q without variables became %q", s, out)
		}
		// What is escaped comes back as it was.
		out, _, err = substitute(escape(s), func(string) (string, bool) { return "", false })
		if err != nil || out != s {
			t.Errorf("%q came back as %q, %v", s, out, err)
		}
	})
}
