package stack

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

// maxIncludes bounds how many files a stack may be made of.
const maxIncludes = 200

// Options say what Load loads.
type Options struct {
	Dir     string   // relative paths start here, and errors name files relative to it; "" is the working directory
	File    string   // the stack file; "" looks for FileName in Dir and above
	Environ []string // "NAME=value", for variables; these win over .env
}

// ErrNotFound says that there is no stack file where Find looked.
var ErrNotFound = errors.New("there is no " + FileName)

// Find looks for a stack file in dir and the folders above it.
func Find(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		for _, name := range []string{FileName, "stack.yml"} {
			file := filepath.Join(at, name)
			if i, err := os.Stat(file); err == nil && !i.IsDir() {
				return file, nil
			}
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%w in %s or in a folder above", ErrNotFound, dir)
		}
	}
}

// Load reads a stack file and all that it includes. Whatever is wrong with
// them comes back together, as Errors; other errors mean that the stack file
// could not be read.
func Load(o Options) (*Stack, error) {
	dir, err := filepath.Abs(cmp.Or(o.Dir, "."))
	if err != nil {
		return nil, err
	}
	file := o.File
	switch {
	case file == "":
		if file, err = Find(dir); err != nil {
			return nil, err
		}
	case !filepath.IsAbs(file):
		file = filepath.Join(dir, file)
	}
	l := newLoader(dir, file, o.Environ)
	data, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the stack file: %w", err)
	}
	l.main(file, data)
	if err := l.err(); err != nil {
		return nil, err
	}
	l.stack.Warnings = l.warnings
	return l.stack, nil
}

// loader collects one stack from its files.
type loader struct {
	*report
	base    string // errors name files relative to it
	environ map[string]string
	stack   *Stack
	loaded  map[string]bool // stack files
	said    map[string]bool // unset variables that have been warned of
	admin   Pos             // of gateway.admin
}

func newLoader(base, file string, environ []string) *loader {
	l := &loader{
		report: newReport(), base: base, environ: map[string]string{},
		stack: &Stack{Dir: filepath.Dir(file)}, loaded: map[string]bool{}, said: map[string]bool{},
	}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok {
			l.environ[name] = value
		}
	}
	return l
}

// show is how errors name a file.
func (l *loader) show(file string) string {
	if rel, err := filepath.Rel(l.base, file); err == nil && !strings.HasPrefix(rel, ".."+string(filepath.Separator)+"..") {
		return filepath.ToSlash(rel)
	}
	return file
}

// withoutServices is a stack that is a registry and nothing else, or a mistake.
func (l *loader) withoutServices(n *node) {
	if l.stack.Registry.Pos == (Pos{}) || l.stack.Registry.Consul != "" {
		l.add(n.pos(), "services", "", "want at least one service, got none")
		return
	}
	if n.get("gateway") == nil {
		l.stack.Gateway.Listen = "" // there is nothing to lead to
	}
}

func (l *loader) main(file string, data []byte) {
	l.stack.Files = append(l.stack.Files, file)
	l.loaded[file] = true
	l.stack.DotEnv = l.dotEnv(l.stack.Dir, nil)
	n := l.document(file, data, l.stack.DotEnv)
	if n == nil {
		return
	}
	l.include(n, file, []string{file})
	l.decodeStack(n)
	l.services(n.get("services"), l.stack.Dir, l.stack.DotEnv)
	if len(l.stack.Services) == 0 && len(l.errors) == 0 {
		l.withoutServices(n)
	}
	l.finish()
}

// document parses, interpolates and checks one stack file.
func (l *loader) document(file string, data []byte, vars map[string]string) *node {
	shown := l.show(file)
	l.source(shown, data)
	n := parse(l.report, shown, data)
	if n == nil {
		return nil
	}
	i := interpolation{l.report, l.finder(vars), l.said}
	c := checker{l.report, i.node}
	c.check(n, root, "")
	return n
}

// finder looks variables up in the environment, then in .env.
func (l *loader) finder(vars map[string]string) lookup {
	return func(name string) (string, bool) {
		if v, ok := l.environ[name]; ok {
			return v, true
		}
		v, ok := vars[name]
		return v, ok
	}
}

// include loads what n includes; trail is the way there.
func (l *loader) include(n *node, file string, trail []string) {
	for at, item := range n.get("include").all() {
		path := resolve(filepath.Dir(file), item.Value)
		if i, err := os.Stat(path); err == nil && i.IsDir() {
			path = filepath.Join(path, FileName)
		}
		where := fmt.Sprintf("include[%d]", at)
		if slices.Contains(trail, path) {
			l.add(item.pos(), where, "", "the files include each other: %s", cycle(append(trail, path), l.show))
			continue
		}
		if l.loaded[path] {
			continue // two that include a third: it is there once
		}
		l.loaded[path] = true
		l.stack.Files = append(l.stack.Files, path)
		if len(l.loaded) > maxIncludes {
			l.add(item.pos(), where, "", "the stack has more than %d files", maxIncludes)
			return
		}
		data, err := readFile(path)
		if err != nil {
			l.add(item.pos(), where, "paths are relative to the file that includes", "want a stack file, got %s: %s", quote(item.Value), reason(err))
			continue
		}
		vars := l.dotEnv(filepath.Dir(path), l.stack.DotEnv)
		if child := l.document(path, data, vars); child != nil {
			l.include(child, path, append(slices.Clone(trail), path))
			l.included(child, filepath.Dir(path), vars)
		}
	}
}

// dotEnv reads the .env of a folder, over which the variables in above win.
func (l *loader) dotEnv(dir string, above map[string]string) map[string]string {
	file := filepath.Join(dir, ".env")
	if slices.Contains(l.stack.Files, file) {
		return above
	}
	l.stack.Files = append(l.stack.Files, file)
	data, err := readFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return above
	}
	shown := l.show(file)
	if err != nil {
		l.add(Pos{shown, 1, 1}, "", "", "want a file of variables: %s", reason(err))
		return above
	}
	vars := l.variables(shown, data, l.finder(above))
	for name, value := range above {
		vars[name] = value
	}
	return vars
}

var dotenvLine = regexp.MustCompile(`^line (\d+): `)

// variables reads a file of NAME=value lines.
func (l *loader) variables(shown string, data []byte, find lookup) map[string]string {
	l.source(shown, data)
	vars, err := dotenv.UnmarshalBytesWithLookup(data, dotenv.LookupFn(find))
	if err != nil {
		text, line := err.Error(), 1
		if m := dotenvLine.FindStringSubmatch(text); m != nil {
			line, _ = strconv.Atoi(m[1])
			text = strings.TrimPrefix(text, m[0])
		}
		l.add(Pos{shown, line, 1}, "", "write NAME=value, with quotes around what has blanks or $ in it", "%s", firstLine(text))
	}
	if vars == nil {
		vars = map[string]string{}
	}
	return vars
}

// envFile reads an env_file of a service.
func (l *loader) envFile(item *node, path, file string, required bool, vars map[string]string) map[string]string {
	if !slices.Contains(l.stack.Files, file) {
		l.stack.Files = append(l.stack.Files, file)
	}
	data, err := readFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !required:
		return nil
	case err != nil:
		l.add(item.pos(), path, "paths are relative to the stack file; required: false makes it optional", "want a file of variables, got %s: %s", quote(item.Value), reason(err))
		return nil
	}
	return l.variables(l.show(file), data, l.finder(vars))
}

// readFile reads a regular file, or a pipe, of a stack file's size at most.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return io.ReadAll(io.LimitReader(f, maxFileSize+1))
}

func resolve(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, filepath.FromSlash(path))
}

// reason is what is wrong with a file, without its path.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// cycle shows the end of trail that begins where it ends: a → b → a.
func cycle(trail []string, show func(string) string) string {
	last := trail[len(trail)-1]
	from := slices.Index(trail, last)
	out := make([]string, 0, len(trail)-from)
	for _, t := range trail[from:] {
		out = append(out, show(t))
	}
	return strings.Join(out, " → ")
}
