//go:build !linux

package watch

import "os"

// lister lists folders, in no order.
type lister struct{}

func (*lister) list(path string, want wanted) (entries []entry, err error) {
	d, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer d.Close() //nolint:errcheck // only read
	all, err := d.ReadDir(-1)
	for _, f := range all {
		e := entry{name: f.Name(), kind: f.Type()}
		special := e.name == gitignoreName || e.name == ".git"
		if e.kind.IsDir() {
			st, err := f.Info()
			if err != nil {
				continue // it has gone
			}
			e.id = identify(st)
		}
		if e.kind.IsRegular() && !special {
			if !want.files() {
				continue
			}
			if !want.after.IsZero() {
				st, err := f.Info()
				if err != nil {
					continue // it has gone
				}
				e.mod = st.ModTime()
				if e.at = changeTime(st); !want.all && !e.at.After(want.after) {
					continue
				}
			}
		}
		entries = append(entries, e)
	}
	return entries, err
}
