package templates

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:generate go run ./pack

// packed has an archive a template: go:embed itself would lose the files'
// modes, and folders with a go.mod.
//
//go:embed packed
var packed embed.FS

const (
	packedDir = "packed"
	packedExt = ".tar.gz"
)

// Names are the templates that msctl has, the default first.
func Names() []string {
	entries, err := fs.ReadDir(packed, packedDir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), packedExt); ok {
			names = append(names, name)
		}
	}
	return names
}

// UnknownError says that there is no such template.
type UnknownError struct{ Name string }

func (e *UnknownError) Error() string { return fmt.Sprintf("there is no template %q", e.Name) }

// Hint names those there are.
func (e *UnknownError) Hint() string {
	return "there are " + strings.Join(Names(), ", ") + "; a folder with a " + ManifestName + " is named by a path, as in ./" + e.Name
}

// Named is the template of a name that msctl has.
func Named(name string) (*Template, error) {
	data, err := packed.ReadFile(path.Join(packedDir, name+packedExt))
	if err != nil {
		return nil, &UnknownError{name}
	}
	files, err := unpack(data)
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	return fromArchive(name, files)
}

func fromArchive(name string, files Tree) (*Template, error) {
	project := Tree{}
	for p, f := range files {
		if rel, ok := strings.CutPrefix(p, projectDir+"/"); ok {
			project[rel] = f
		}
	}
	return newTemplate(name, files[ManifestName].Data, project)
}

// Pack writes the template in dir as an archive for Named.
func Pack(dir fs.FS) ([]byte, error) {
	data, project, err := read(dir)
	if err != nil {
		return nil, err
	}
	files := Tree{ManifestName: File{Data: data}}
	for p, f := range project {
		files[path.Join(projectDir, p)] = f
	}
	return pack(files)
}
