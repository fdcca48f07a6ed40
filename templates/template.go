// Package templates has the projects that msctl new writes services from:
// it renders them, plans what that changes in a folder, and carries it out, all
// or nothing. docs/templates.md is the format.
//
// Rendering is a function of a template and of answers. What is done to a
// service later (another resource, a newer template) is another rendering,
// merged with what the user has made of the last one.
package templates

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Template is a project that services are rendered from. It is immutable.
type Template struct {
	Name        string
	Description string
	Language    string
	Options     []Option
	Resource    *Resource  // what a new service has; nil for none
	Checks      []string   // shell commands that have to succeed in what is rendered
	Hooks       [][]string // what it wants to have run in what it wrote, as program and arguments
	Digest      string     // of all its files

	rules manifest
	files Tree
	marks map[string][]part
}

// Tree is files by their path, with slashes.
type Tree map[string]File

// File is a file's content.
type File struct {
	Data []byte
	Exec bool // may be executed
}

// Paths are the paths of t, sorted.
func (t Tree) Paths() []string { return slices.Sorted(maps.Keys(t)) }

const (
	projectDir = "project"
	entryName  = "stack.yaml"

	maxFiles = 5000
	maxBytes = 64 << 20 // of all files of a template
)

// leftOut are names that are in no template, wherever they stand: version
// control, and what tools make.
var leftOut = []string{
	".git", ".hg", ".svn", ".msctl", ".venv", ".tox", ".idea", ".vscode", ".DS_Store", "node_modules", "__pycache__",
	".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".coverage", "coverage.out",
}

// Load reads a template from its folder.
func Load(name string, dir fs.FS) (*Template, error) {
	t, err := load(name, dir)
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	return t, nil
}

func load(name string, dir fs.FS) (*Template, error) {
	data, files, err := read(dir)
	if err != nil {
		return nil, err
	}
	return newTemplate(name, data, files)
}

// read reads the manifest and the project of a template's folder.
func read(dir fs.FS) ([]byte, Tree, error) {
	data, err := fs.ReadFile(dir, ManifestName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("there is no %s", ManifestName)
	case err != nil:
		return nil, nil, err
	case len(data) > maxManifest:
		return nil, nil, fmt.Errorf("%s is larger than %d bytes", ManifestName, maxManifest)
	}
	m, err := parseManifest(data)
	if err != nil {
		return nil, nil, err
	}
	files, err := readTree(dir, m.Ignore)
	return data, files, err
}

func newTemplate(name string, data []byte, files Tree) (*Template, error) {
	m, err := parseManifest(data)
	if err != nil {
		return nil, err
	}
	t := &Template{
		Name: name, Description: m.Description, Language: m.Language, Options: m.Options, Checks: m.Checks, Hooks: m.Hooks,
		Digest: digest(data, files), rules: m, files: files, marks: map[string][]part{},
	}
	if m.Resource != "" {
		r, err := ParseResource(strings.Fields(m.Resource))
		if err != nil {
			return nil, err
		}
		t.Resource = &r
	}
	return t, t.parse()
}

// parse reads the marks, and checks what they and the rules name.
func (t *Template) parse() error {
	if _, ok := t.files[entryName]; !ok {
		return fmt.Errorf("there is no %s/%s, which says how the service is run", projectDir, entryName)
	}
	for _, p := range t.files.Paths() {
		if isBinary(t.files[p].Data) {
			continue
		}
		parts, err := parseMarks(t.files[p].Data)
		conditions(parts, func(line int, c condition) {
			if bad := t.check(c); bad != nil && err == nil {
				err = &markError{line, bad}
			}
		})
		if err != nil {
			return fmt.Errorf("%s/%s:%w", projectDir, p, err)
		}
		t.marks[p] = parts
	}
	if c := t.rules.Client; c != nil {
		for _, name := range slices.Sorted(maps.Keys(c.Options)) {
			o := t.option(name)
			if o == nil {
				return fmt.Errorf("%s: client: %w", ManifestName, &UnknownOptionError{Template: t.Name, Option: name, Known: t.optionNames()})
			}
			if err := o.Check(c.Options[name]); err != nil {
				return fmt.Errorf("%s: client: %w", ManifestName, err)
			}
		}
	}
	for _, r := range t.rules.Files {
		if err := t.checkRule("files", r.Paths, r.If.condition); err != nil {
			return err
		}
	}
	for _, r := range t.rules.Lines {
		if err := t.checkRule("lines", r.Paths, r.If.condition); err != nil {
			return err
		}
	}
	for _, r := range t.rules.Keys {
		if err := t.checkRule("keys", r.Paths, r.If.condition); err != nil {
			return err
		}
	}
	return nil
}

func (t *Template) checkRule(what string, paths []pattern, c condition) error {
	if len(paths) == 0 {
		return fmt.Errorf("%s: %s: want paths", ManifestName, what)
	}
	for _, p := range paths {
		if !slices.ContainsFunc(t.files.Paths(), p.matches) {
			return fmt.Errorf("%s: %s: no file is %q", ManifestName, what, string(p))
		}
	}
	if err := t.check(c); err != nil {
		return fmt.Errorf("%s: %s: %w", ManifestName, what, err)
	}
	return nil
}

func (t *Template) option(name string) *Option {
	for n := range t.Options {
		if t.Options[n].Name == name {
			return &t.Options[n]
		}
	}
	return nil
}

func (t *Template) optionNames() []string {
	var names []string
	for _, o := range t.Options {
		names = append(names, o.Name)
	}
	return names
}

// readTree reads the project, refusing what could reach outside of it.
func readTree(dir fs.FS, ignore []pattern) (Tree, error) {
	files, size := Tree{}, int64(0)
	err := fs.WalkDir(dir, projectDir, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(at, projectDir), "/")
		skip := slices.Contains(leftOut, path.Base(at)) || rel != "" && matchesAny(ignore, rel)
		switch {
		case d.IsDir() && (skip || rel != "" && matchesAny(ignore, rel+"/x")):
			return fs.SkipDir
		case d.IsDir() || skip:
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is no regular file: a template has neither links nor devices", at)
		case !cleanPath(rel):
			return fmt.Errorf("%s: such a name is not possible on every system", at)
		case len(files) == maxFiles:
			return fmt.Errorf("it has more than %d files", maxFiles)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if size += info.Size(); size > maxBytes {
			return fmt.Errorf("it is larger than %d MiB", maxBytes>>20)
		}
		data, err := readFile(dir, at, info.Size())
		if err != nil {
			return err
		}
		files[rel] = File{data, info.Mode()&0o100 != 0}
		return nil
	})
	return files, err
}

// readFile reads at most size bytes: what grows meanwhile is not followed.
func readFile(dir fs.FS, name string, size int64) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	return io.ReadAll(io.LimitReader(f, size))
}

func isBinary(data []byte) bool {
	return slices.Contains(data[:min(len(data), 8000)], 0) // as git tells
}

// digest is what two templates with the same content have in common.
func digest(manifest []byte, files Tree) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n", len(manifest))
	h.Write(manifest)
	for _, p := range files.Paths() {
		fmt.Fprintf(h, "%q %v %d\n", p, files[p].Exec, len(files[p].Data))
		h.Write(files[p].Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}
