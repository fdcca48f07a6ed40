package templates

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"gopkg.in/yaml.v3"
)

// Record is what is kept of a service that a template wrote: what it was rendered
// from, and what that gave. It is in .msctl/scaffold, and belongs under version
// control.
type Record struct {
	Template string  `yaml:"template"` // a name, or where it came from
	Digest   string  `yaml:"digest"`   // of the template
	Dir      string  `yaml:"dir"`      // the service's folder, from the stack's
	Answers  Answers `yaml:"answers"`

	Base *Rendering `yaml:"-"`
}

const (
	scaffoldDir = stateDir + "/scaffold"
	recordExt   = ".yaml"
	baseExt     = ".tar.gz"
	entryFile   = "stack.yaml"
	onceFile    = "once"
)

// Changes are what writes the record into the stack's folder: beside what is in
// disk, which is that folder.
func (r *Record) Changes(disk fs.FS) ([]Change, error) {
	head := "# How msctl wrote this service; msctl update and msctl add read it. Commit it.\n"
	data, err := yaml.Marshal(r)
	if err != nil {
		return nil, err
	}
	files := Tree{entryFile: File{Data: r.Base.Entry}}
	for p, f := range r.Base.Files {
		files["files/"+p] = f
	}
	var once []string
	for _, p := range r.Base.Files.Paths() {
		if r.Base.Once[p] {
			once = append(once, p)
		}
	}
	files[onceFile] = File{Data: []byte(strings.Join(once, "\n"))}
	base, err := pack(files)
	if err != nil {
		return nil, err
	}
	var plan []Change
	for ext, content := range map[string][]byte{recordExt: append([]byte(head), data...), baseExt: base} {
		c := Change{Path: path.Join(scaffoldDir, r.Answers.Service+ext), Action: Create, To: content}
		was, err := fs.ReadFile(disk, c.Path)
		switch {
		case err == nil && bytes.Equal(was, content):
			continue
		case err == nil:
			c.Action, c.From = Modify, orEmpty(was)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
		plan = append(plan, c)
	}
	return plan, nil
}

// NoRecordError says that a service was not written by a template.
type NoRecordError struct{ Service string }

func (e *NoRecordError) Error() string {
	return fmt.Sprintf("service %q was not written by msctl new", e.Service)
}

// Hint tells where it was looked for.
func (e *NoRecordError) Hint() string {
	return path.Join(scaffoldDir, e.Service+recordExt) + " is not there"
}

// ReadRecord reads a service's record from the stack's folder.
func ReadRecord(disk fs.FS, service string) (*Record, error) {
	data, err := fs.ReadFile(disk, path.Join(scaffoldDir, service+recordExt))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NoRecordError{service}
	}
	if err != nil {
		return nil, err
	}
	r := &Record{}
	if err := yaml.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%s%s: %w", path.Join(scaffoldDir, service), recordExt, err)
	}
	if r.Answers.Service != service || !cleanPath(r.Dir) && r.Dir != "." {
		return nil, fmt.Errorf("%s%s: it is not of this service, or its dir is outside of the stack", path.Join(scaffoldDir, service), recordExt)
	}
	packed, err := fs.ReadFile(disk, path.Join(scaffoldDir, service+baseExt))
	if err != nil {
		return nil, err
	}
	files, err := unpack(packed)
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", path.Join(scaffoldDir, service), baseExt, err)
	}
	r.Base = &Rendering{Answers: r.Answers, Files: Tree{}, Once: map[string]bool{}, Entry: files[entryFile].Data}
	for p, f := range files {
		if rel, ok := strings.CutPrefix(p, "files/"); ok {
			r.Base.Files[rel] = f
		}
	}
	for p := range strings.SplitSeq(string(files[onceFile].Data), "\n") {
		r.Base.Once[p] = true
	}
	return r, nil
}

// Recorded are the services that have a record in the stack's folder.
func Recorded(disk fs.FS) ([]string, error) {
	files, err := fs.Glob(disk, path.Join(scaffoldDir, "*"+recordExt))
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(path.Base(f), recordExt))
	}
	return names, err
}
