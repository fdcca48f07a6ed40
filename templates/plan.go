package templates

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/msctl/msctl/templates/merge"
)

// Action is what a change does to a file.
type Action string

// The actions.
const (
	Create   Action = "create"
	Modify   Action = "modify"
	Delete   Action = "delete"
	Conflict Action = "conflict" // both sides changed the same lines: they are marked
	Keep     Action = "keep"     // it stays as it is, for a reason that is worth a word
)

// Change is a step of a plan: what becomes of one file.
type Change struct {
	Path      string `json:"path"` // with slashes, from the folder that the plan is for
	Action    Action `json:"action"`
	Note      string `json:"note,omitempty"`
	Conflicts int    `json:"conflicts,omitempty"`

	From []byte `json:"-"` // nil where there is no file
	To   []byte `json:"-"` // nil where there will be none
	Exec bool   `json:"-"`
}

func (c Change) String() string {
	s := fmt.Sprintf("%-8s  %s", c.Action, c.Path)
	if c.Note != "" {
		s += "  (" + c.Note + ")"
	}
	return s
}

// Writes reports whether c changes anything.
func (c Change) Writes() bool { return c.Action != Keep }

// Diff is the change as a unified diff, "" where there is nothing to show.
func (c Change) Diff() []byte {
	if !c.Writes() {
		return nil
	}
	if isBinary(c.From) || isBinary(c.To) {
		return fmt.Appendf(nil, "Binary file %s differs\n", c.Path)
	}
	return merge.Unified(c.Path, c.From, c.To)
}

// Plan says what brings a service from one rendering to the next: what the user
// has made of the files since stays. base is nil for a new service. disk has the
// service's folder, prefix is where that is from the folder the plan is for.
func Plan(base, next *Rendering, disk fs.FS, prefix string) ([]Change, error) {
	if base == nil {
		base = &Rendering{}
	}
	all := Tree{}
	for p, f := range base.Files {
		all[p] = f
	}
	for p, f := range next.Files {
		all[p] = f
	}
	var plan []Change
	for _, p := range all.Paths() {
		ours, err := fs.ReadFile(disk, p)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		there := err == nil
		was, had := base.Files[p]
		will, has := next.Files[p]
		c := Change{Path: path.Join(prefix, p), Exec: will.Exec}
		if there {
			c.From = orEmpty(ours)
		}
		switch {
		case !had:
			c.add(will.Data, there)
		case next.Once[p], has && bytes.Equal(was.Data, will.Data):
			continue // nothing new
		case has:
			c.merge(was.Data, will.Data, there)
		default:
			c.remove(was.Data, there)
		}
		if c.Action != "" {
			plan = append(plan, c)
		}
	}
	return plan, nil
}

func (c *Change) add(will []byte, there bool) {
	switch {
	case !there:
		c.Action, c.To = Create, orEmpty(will)
	case !bytes.Equal(c.From, will):
		c.Action, c.Note = Keep, "it is there already; the template's is another"
	}
}

func (c *Change) merge(was, will []byte, there bool) {
	switch {
	case !there:
		c.Action, c.Note = Keep, "you removed it; the template's has changed"
	case bytes.Equal(c.From, will):
	case bytes.Equal(c.From, was):
		c.Action, c.To = Modify, orEmpty(will)
	case isBinary(was) || isBinary(will) || isBinary(c.From):
		c.Action, c.Note = Keep, "it is binary, and changed on both sides"
	default:
		c.Action = Modify
		c.To, c.Conflicts = merge.Merge(was, c.From, will, merge.Labels{Ours: "yours", Theirs: "template"})
		switch {
		case c.Conflicts > 0:
			c.Action = Conflict
		case bytes.Equal(c.To, c.From):
			c.Action = "" // what is new is there already
		}
	}
}

func (c *Change) remove(was []byte, there bool) {
	switch {
	case !there:
	case bytes.Equal(c.From, was):
		c.Action = Delete
	default:
		c.Action, c.Note = Keep, "the template has it no more; you changed it"
	}
}

// orEmpty keeps an empty file apart from none.
func orEmpty(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}
