package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

const module = "github.com/msctl/msctl"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var anything = []string{"*"}

// layers is the import table: which packages of ours a package may import, and
// why no more. A folder without a line belongs to the nearest one above it that
// has one. Tests import what they like.
var layers = map[string]struct {
	may []string
	why string
}{
	".":                          {[]string{"cmd"}, "main turns cmd's answer into the exit code, no more"},
	"cmd":                        {anything, "the one place where siblings meet"},
	"stack":                      {nil, "a stack file is checked without running anything"},
	"ports":                      {nil, "leases are machine-wide: they know no stack"},
	"templates":                  {nil, "files in, files out: who runs them, and the stack file, are cmd's matter"},
	"templates/client":           {[]string{"templates"}, "documents in, code out; of templates only how languages spell names"},
	"registry":                   {nil, "the table that all others read knows none of them"},
	"registry/journal":           {nil, "keys and values on disk; what they say is no matter"},
	"registry/waits":             {nil, "who waits for what, of any table"},
	"registry/catalog":           {[]string{"registry/journal", "registry/waits"}, "records and indexes: who serves them, and to whom, is no matter"},
	"registry/keys":              {[]string{"registry/journal", "registry/waits"}, "as the catalog, of which it hears that a check failed"},
	"registry/consul":            {[]string{"grpchealth", "registry", "registry/catalog", "registry/journal", "registry/keys"}, "a face of the catalog, of the keys, and of the table"},
	"registry/mirror":            {[]string{"registry"}, "the table here, a Consul there; whose that is is no matter"},
	"registry/dns":               {[]string{"registry/catalog"}, "a face of the catalog"},
	"registry/consul/consultest": {nil, "runs another program"},
	"grpchealth":                 {nil, "one question to a server"},
	"logs":                       {nil, "logs are lines with a source's name, whatever wrote them"},
	"runtime":                    {[]string{"grpchealth", "logs", "ports", "registry", "stack"}, "it tells the gateway and the API through the registry alone"},
	"runtime/process":            {[]string{"ports", "runtime", "stack"}, "a Runner; of ports only the name of StackEnv"},
	"runtime/watch":              {nil, "files in, batches out"},
	"proxy":                      {[]string{"registry", "stack"}, "routes come from the stack, endpoints from the registry; who started them is no matter"},
	"verify":                     {[]string{"templates/client"}, "looks at any service; who started it is no matter; clients know what breaks them"},
	"control":                    {[]string{"logs", "registry"}, "serves the tables; what a command does is behind an interface of its own"},
	"bench":                      {anything, "measures anything"},
}

// soleUsers are the imports, and the names of imported packages, that only the
// layers or files listed may use outside tests.
var soleUsers = []struct {
	what  string
	where []string
	why   string
}{
	{"os.Exit", []string{"main.go", "bench"}, "deferred calls run, and exit codes are mapped in one place"},
	{"os/signal", []string{"cmd", "runtime/process", "bench"}, "ctx is the only stop; the guardian must outlive the signals that end msctl, and the subreaper hears SIGCHLD"},
	{"os/exec", []string{"cmd", "runtime/process", "bench", "registry/consul/consultest"}, "a process that is not in a group and in the ledger may be left behind; cmd opens a browser"},
	{"os.StartProcess", []string{"runtime/process", "bench"}, "as os/exec"},
	{"github.com/spf13/cobra", []string{"cmd"}, "flags are parsed in cmd; all else takes an options struct"},
	{"gopkg.in/yaml.v3", []string{"stack", "templates"}, "one reader of stack files keeps errors at file:line:col; template.yaml and records are templates' own"},
	{"github.com/hashicorp/go-bexpr", []string{"registry/consul"}, "filters are Consul's"},
	{"github.com/hashicorp/consul/api", []string{"registry/mirror"}, "the one client of a Consul"},
	{"github.com/miekg/dns", []string{"registry/dns"}, "others know names, not messages"},
	{"github.com/fsnotify/fsnotify", []string{"runtime/watch"}, "others get settled batches, not events"},
}

func TestImports(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		from := layer(s.pkg)
		if from == "" {
			t.Errorf("%s: package %s is not in the import table: add it with its reason", s.path, s.pkg)
			continue
		}
		for what, pos := range s.uses {
			pkg, ours := strings.CutPrefix(what, module+"/")
			if !ours || strings.Contains(path.Base(pkg), ".") {
				continue // another's, or a name in one of ours
			}
			may := layers[from].may
			if to := layer(pkg); to != from && !slices.Contains(may, to) && !slices.Equal(may, anything) {
				t.Errorf("%s: %s may not import %s: %s", pos, from, pkg, layers[from].why)
			}
		}
	}
}

func TestSoleUsers(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, only := range soleUsers {
			pos, used := s.uses[only.what]
			if used && !slices.Contains(only.where, s.path) && !slices.Contains(only.where, layer(s.pkg)) {
				t.Errorf("%s: %s is for %s only: %s", pos, only.what, strings.Join(only.where, ", "), only.why)
			}
		}
	}
}

func TestNoTestSleeps(t *testing.T) {
	for _, s := range sources(t) {
		if pos, used := s.uses["time.Sleep"]; used && s.test {
			t.Errorf("%s: wait for the state, or use testing/synctest, instead of time.Sleep", pos)
		}
	}
}

func TestOnePackageComment(t *testing.T) {
	comments := map[string][]string{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		in := comments[s.pkg]
		if s.doc {
			in = append(in, s.path)
		}
		comments[s.pkg] = in
	}
	for pkg, in := range comments {
		if len(in) != 1 {
			t.Errorf("package %s has %d package comments, want 1: %v", pkg, len(in), in)
		}
	}
}

// layer is the line of the table that a package belongs to, "" if to none.
func layer(pkg string) string {
	for p := pkg; p != "."; p = path.Dir(p) {
		if _, ok := layers[p]; ok {
			return p
		}
	}
	if pkg == "." {
		return pkg
	}
	return ""
}

// source is what the rules look at in one Go file.
type source struct {
	path string // from the root, with slashes
	pkg  string // the folder of path
	test bool
	doc  bool // has the package comment
	// uses has each import ("os/exec"), and each name used of one ("os.Exit"), with a place.
	uses map[string]token.Position
}

// sources parses every Go file of the module, whatever system it is for.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != "." && outside(file):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(file) != ".go":
			return nil
		}
		f, err := parser.ParseFile(fset, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		file = filepath.ToSlash(file)
		all = append(all, source{
			path: file,
			pkg:  path.Dir(file),
			test: strings.HasSuffix(file, "_test.go"),
			doc:  f.Doc != nil,
			uses: uses(fset, f),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// outside reports whether the go command, too, passes over a folder.
func outside(dir string) bool {
	name := filepath.Base(dir)
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil || name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

func uses(fset *token.FileSet, f *ast.File) map[string]token.Position {
	found := map[string]token.Position{}
	imports := map[string]string{} // by the name that the file knows them by
	for _, spec := range f.Imports {
		p, _ := strconv.Unquote(spec.Path.Value) // it has been parsed
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imports[name] = p
		found[p] = fset.Position(spec.Pos())
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && imports[x.Name] != "" {
				found[imports[x.Name]+"."+sel.Sel.Name] = fset.Position(sel.Pos())
			}
		}
		return true
	})
	return found
}
