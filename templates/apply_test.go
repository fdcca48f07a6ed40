package templates

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tree is what is in a folder, by path; the mode of executable files is after
// their text. Folders have an entry, and msctl's own is left out.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, p) // p is below dir
		switch {
		case rel == ".msctl":
			return fs.SkipDir
		case d.IsDir():
			got[filepath.ToSlash(rel)+"/"] = ""
			return nil
		}
		data, err := os.ReadFile(p)
		info, _ := d.Info() // it was just there
		text := string(data)
		if info.Mode()&0o100 != 0 {
			text += " (executable)"
		}
		got[filepath.ToSlash(rel)] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// workshop is a folder with some files, and a plan that does everything to it.
func workshop(t *testing.T) (dir string, plan []Change, before, after map[string]string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{"keep": "k", "edit": "old", "sub/run": "#!x", "gone": "g"} {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := fs.FileMode(0o644)
		if name == "sub/run" {
			mode = 0o755
		}
		if err := os.WriteFile(at, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	before = tree(t, dir)
	plan = []Change{
		{Path: "a/b/new", Action: Create, To: []byte("n")},
		{Path: "a/b/tool", Action: Create, To: []byte("t"), Exec: true},
		{Path: "edit", Action: Modify, From: []byte("old"), To: []byte("new")},
		{Path: "keep", Action: Keep},
		{Path: "sub/run", Action: Conflict, From: []byte("#!x"), To: []byte("#!y")},
		{Path: "gone", Action: Delete, From: []byte("g")},
		{Path: "empty", Action: Create, To: []byte{}},
	}
	after = maps.Clone(before)
	maps.Copy(after, map[string]string{"a/": "", "a/b/": "", "a/b/new": "n", "a/b/tool": "t (executable)", "edit": "new", "sub/run": "#!y (executable)", "empty": ""})
	delete(after, "gone")
	return dir, plan, before, after
}

func TestApply(t *testing.T) {
	dir, plan, _, after := workshop(t)
	if err := Apply(t.Context(), dir, plan); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(after, tree(t, dir)); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	if left, err := os.ReadDir(filepath.Join(dir, ".msctl")); err != nil || len(left) != 1 { // the lock
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestKilledAtAnyStepIsTakenBack does the steps of Apply up to each of them, as
// a killed one would have, and then what the next command does.
func TestKilledAtAnyStepIsTakenBack(t *testing.T) {
	for steps := range 9 {
		dir, plan, before, _ := workshop(t)
		r, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Mkdir(".msctl", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := stage(r, plan); err != nil {
			t.Fatal(err)
		}
		for n, c := range plan[:min(steps, len(plan))] {
			if c.Writes() {
				if err := move(r, n, c); err != nil {
					t.Fatal(err)
				}
			}
		}
		if steps == 8 { // and killed again while it was taken back
			if err := restore(r, 2, undo{Path: "edit", Had: true}); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if err := Recover(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
			t.Errorf("after %d steps: want (-), got (+):\n%s", steps, diff)
		}
	}
}

func TestNothingIsWrittenWhereTheFolderIsAnother(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"edited":        func(dir string) error { return os.WriteFile(filepath.Join(dir, "edit"), []byte("mine"), 0o644) },
		"there already": func(dir string) error { return os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644) },
		"removed":       func(dir string) error { return os.Remove(filepath.Join(dir, "gone")) },
		"a file where a folder has to be": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "a"), nil, 0o644)
		},
	} {
		dir, plan, _, _ := workshop(t)
		if err := change(dir); err != nil {
			t.Fatal(err)
		}
		before := tree(t, dir)
		if err := Apply(t.Context(), dir, plan); err == nil {
			t.Errorf("%s: no error", name)
		}
		if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", name, diff)
		}
	}
}

func TestNothingIsWrittenThroughLinksOutOfTheFolder(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	plan := []Change{{Path: "link/x", Action: Create, To: []byte("x")}}
	if err := Apply(t.Context(), dir, plan); err == nil {
		t.Error("no error")
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside: %v, %v", left, err)
	}
}

func TestApplyWaitsForAnother(t *testing.T) {
	dir, plan, _, _ := workshop(t)
	r, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	unlock, err := lock(t.Context(), r, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Apply(ctx, dir, plan); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
