package client

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// need skips the test for want of a tool, but where MSCTL_TEST_REQUIRE=all
// forbids that.
func need(t *testing.T, tool string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("MSCTL_TEST_REQUIRE") == "all":
		t.Fatalf("%s: %v", tool, err)
	default:
		t.Skipf("%s: %v", tool, err)
	}
}

func hard(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/hard.json")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func read(t *testing.T, data []byte) *API {
	t.Helper()
	api, err := Read("parts", data)
	if err != nil {
		t.Fatal(err)
	}
	return api
}

func TestRead(t *testing.T) {
	api := read(t, hard(t))
	var got strings.Builder
	for _, o := range api.Operations {
		fmt.Fprintf(&got, "%s %s %s", o.id.Snake(), o.Method, o.Path)
		for _, f := range append(o.Keys, o.Query...) {
			fmt.Fprintf(&got, " %s:%s", f.arg.Snake(), pythonType(f.Shape))
		}
		if o.Body != nil {
			fmt.Fprintf(&got, " < %s", pythonType(*o.Body))
		}
		if o.Answer != nil {
			fmt.Fprintf(&got, " > %s", pythonType(*o.Answer))
		}
		fmt.Fprintf(&got, " %d\n", o.Status)
	}
	want := `get_anything GET /anything > Any 200
either POST /anything < Tree | str | None > Names 201
list GET /things/{id}/parts/{class} id:int class:Literal["a", "b"] from:float id_2:str page_size:int tag:list[str] > list[Tree] 200
put_things_by_id_parts_by_class PUT /things/{id}/parts/{class} id:int class:str < Odd > Whole 200
remove_part DELETE /things/{id}/parts/{class} id:int class:str 204
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", &got, want)
	}
	left := []string{
		"POST /things/{id}/parts/{class}: it takes multipart/form-data, not JSON",
		"PATCH /things/{id}/parts/{class}: it needs the header X-Key",
	}
	if fmt.Sprint(api.LeftOut) != fmt.Sprint(left) {
		t.Errorf("left out %q, want %q", api.LeftOut, left)
	}
}

func TestReadRefuses(t *testing.T) {
	for doc, want := range map[string]string{
		`{"swagger": "2.0"}`:                `want version 3.x, got "2.0"`,
		`[]`:                                "cannot unmarshal array",
		`{"openapi": "3.0.0", "paths": {}}`: "has no operation that a client can call: it has no paths",
		`{"openapi": "3.0.0", "paths": {"/a": {"get": {"responses": {"302": {}}}}}}`:                                                                                "GET /a: it does not say what it answers",
		`{"openapi": "3.0.0", "paths": {"/a": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "other.json#/A"}}}}}}}}}`:          `GET /a: the reference "other.json#/A" leads out of #/components/schemas`,
		`{"openapi": "3.0.0", "paths": {"/a": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {"type": "file"}}}}}}}}}`:                   `GET /a: there is no type "file"`,
		`{"openapi": "3.0.0", "paths": {"/a": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}}}}}}`: "GET /a: there is no #/components/schemas/A",
	} {
		if _, err := Read("parts", []byte(doc)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", doc, err, want)
		}
	}
}

// TestWritten has the languages' own tools read what is written.
func TestWritten(t *testing.T) {
	api := read(t, hard(t))
	goCode(t, api)
	python, err := exec.LookPath("python3")
	need(t, "python3", err)
	code, test, err := Write(api, Place{Language: "python", Calls: "shop.calls", Code: "shop/{name}.py"}, "clients/parts.json")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"shop/parts.py": code, "test_parts.py": test,
		"shop/calls.py": []byte("class Calls:\n    def __init__(self, *args): pass\n"), "tests/stub.py": []byte("Stub = None\n"),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := exec.CommandContext(t.Context(), python, "-B", "-W", "error", "-c", `
import typing, test_parts
from shop import parts
assert typing.get_type_hints(parts.Odd)["Tree"] is parts.Tree
assert parts.Odd.__required_keys__ == {"@id", "class"}, parts.Odd.__required_keys__
assert parts.Tree.__required_keys__ == {"name", "left"}, parts.Tree.__required_keys__
`)
	check.Dir = dir
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, out, code)
	}
}

// TestWrittenForNode has Node read what is written. What the types are is checked
// where a project is that has the compiler.
func TestWrittenForNode(t *testing.T) {
	old := "const [major] = process.versions.node.split('.'); process.exit(major < 24 ? 1 : 0)"
	need(t, "node that reads TypeScript", exec.CommandContext(t.Context(), "node", "-e", old).Run())
	code, _, err := Write(read(t, hard(t)), Place{Language: "node", Calls: "src/calls.ts", Code: "src/clients/{name}.ts"}, "clients/parts.json")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "src", "clients"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"package.json":         []byte(`{"type": "module"}`),
		"src/clients/parts.ts": code,
		"src/calls.ts":         []byte("export class Calls { call(...all: unknown[]) { return all; } }\n"),
		"src/try.ts": []byte(`import { Calls } from "./calls.ts";
import { PartsClient } from "./clients/parts.ts";
const sent = await new PartsClient(new Calls()).list(1, "a", { from: 2 });
console.log(JSON.stringify(sent));
`),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.CommandContext(t.Context(), "node", "src/try.ts")
	run.Dir = dir
	out, err := run.CombinedOutput()
	want := `["GET","/things/{id}/parts/{class}",{"keys":{"id":1,"class":"a"},"query":{"from":2}}]` + "\n"
	if err != nil || string(out) != want {
		t.Errorf("%v: got %s, want %s\n%s", err, out, want, code)
	}
}

// callsStub is what clients in Go need of a project.
const callsStub = `package calls
import "context"
type Values map[string]any
type Request struct { Method, Path string; Keys, Query Values; Body any }
type Calls struct{}
func (*Calls) Do(context.Context, Request, any) error { return nil }
`

const callstestStub = `package callstest
import ("calls"; "testing"; "net/url")
type Service struct { Calls *calls.Calls }
func Answer(*testing.T, string, int, string) *Service { return nil }
func Value[T any](*testing.T, string) T { panic("") }
func (*Service) Answered(*testing.T, any) {}
func (*Service) Called(*testing.T, string, string, url.Values, string) {}
`

// packages are those that clients import.
type packages map[string]*types.Package

func (p packages) Import(path string) (*types.Package, error) {
	if pkg, ok := p[path]; ok {
		return pkg, nil
	}
	return nil, fmt.Errorf("clients do not import %s", path)
}

var importable = func() packages {
	p := packages{}
	source := importer.ForCompiler(token.NewFileSet(), "source", nil)
	for _, path := range []string{"context", "testing", "net/url"} {
		pkg, err := source.Import(path)
		if err != nil {
			panic(err)
		}
		p[path] = pkg
	}
	for _, stub := range []struct{ path, code string }{{"calls", callsStub}, {"calls/callstest", callstestStub}} {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, "stub.go", stub.code, 0)
		if err != nil {
			panic(err)
		}
		if p[stub.path], err = (&types.Config{Importer: p}).Check(stub.path, set, []*ast.File{file}, nil); err != nil {
			panic(err)
		}
	}
	return p
}()

// goCode checks the types of a client and of its test.
func goCode(t *testing.T, api *API) {
	t.Helper()
	code, test, err := Write(api, Place{Language: "go", Calls: "calls"}, "clients/parts.json")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, data := range [][]byte{code, test} {
		f, err := parser.ParseFile(set, "", data, 0)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		files = append(files, f)
	}
	if _, err := (&types.Config{Importer: importable}).Check("parts", set, files, nil); err != nil {
		t.Fatalf("%v\n%s\n%s", err, code, test)
	}
}

func TestWriteIsGenerated(t *testing.T) {
	api := read(t, hard(t))
	place := Place{Language: "go", Calls: "calls", Code: "internal/clients/{name}/{name}.go", Test: "internal/clients/{name}/{name}_test.go"}
	code, test, err := Write(api, place, "clients/parts.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{code, test} {
		if first, _, _ := strings.Cut(string(data), "\n"); first != "// Code generated by msctl add client from clients/parts.json; DO NOT EDIT." || !IsGenerated(data) {
			t.Errorf("begins with %q", first)
		}
	}
	if code, test := place.Paths("order-lines"); code != "internal/clients/orderlines/orderlines.go" || test != "internal/clients/orderlines/orderlines_test.go" {
		t.Errorf("got %s and %s", code, test)
	}
	if IsGenerated([]byte("package parts\n// Code generated by msctl add client\n")) {
		t.Error("a file that is the user's own passes for generated")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(hard(f))
	f.Add([]byte(`{"openapi": "3.0.0", "paths": {"/a": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}}}}}, "components": {"schemas": {"A": {"$ref": "#/components/schemas/A"}}}}`))
	for _, a := range []string{
		`{"oneOf": [{"$ref": "#/components/schemas/A"}, {"type": "string"}]}`, `{"type": "array", "items": {"$ref": "#/components/schemas/A"}}`,
		`{"allOf": [{"$ref": "#/components/schemas/A"}], "nullable": true}`, `{"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/components/schemas/A"}}}`,
		`{"anyOf": [{"type": "array", "items": {"$ref": "#/components/schemas/A"}}, {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/A"}}]}`,
	} {
		f.Add([]byte(`{"openapi": "3.0.0", "paths": {"/a": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}}}}}, "components": {"schemas": {"A": ` + a + `}}}`))
	}
	f.Add([]byte(`{"openapi": "3.0.0", "paths": {"/a/{b}": {"get": {"parameters": [{"in": "path", "name": "b", "schema": {"$ref": "#/components/schemas/A"}}], "responses": {"200": {}}}}},
		"components": {"schemas": {"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		api, err := Read("parts", data)
		if err != nil {
			return
		}
		if breaks := Breaks(api, api); len(breaks) > 0 {
			t.Errorf("the same breaks: %q", breaks)
		}
		goCode(t, api)
		for _, place := range []Place{
			{Language: "python", Calls: "shop.calls", Code: "shop/{name}.py"},
			{Language: "node", Calls: "src/calls.ts", Code: "src/clients/{name}.ts", Test: "tests/clients/{name}.test.ts"},
		} {
			if _, _, err := Write(api, place, "clients/parts.json"); err != nil {
				t.Error(err)
			}
		}
	})
}
