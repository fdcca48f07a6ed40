package templates

import (
	"io/fs"
	"path"
	"strconv"
)

// NextNumber is the number of the next resource's migration: one more than those
// of the answers, and than those of the migrations in the service's folder.
func (t *Template) NextNumber(disk fs.FS, a Answers) int {
	last := 0
	for _, r := range a.Resources {
		last = max(last, r.Number)
	}
	rename := renameService(a.Service)
	for p := range t.files {
		if len(path.Base(p)) < 4 || path.Base(p)[:4] != "0001" {
			continue
		}
		there, err := fs.Glob(disk, path.Join(path.Dir(rename.Replace(p)), "[0-9][0-9][0-9][0-9]*"))
		if err != nil {
			continue
		}
		for _, f := range there {
			if n, err := strconv.Atoi(path.Base(f)[:4]); err == nil {
				last = max(last, n)
			}
		}
	}
	return last + 1
}
