package templates

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func rendering(files map[string]string, once ...string) *Rendering {
	r := &Rendering{Answers: Answers{Service: "x"}, Files: Tree{}, Once: map[string]bool{}, Entry: []byte("services: {x: {}}\n")}
	for p, text := range files {
		r.Files[p] = File{Data: []byte(text)}
	}
	for _, p := range once {
		r.Once[p] = true
	}
	return r
}

func TestWhatTheUserMadeOfAFileStays(t *testing.T) {
	const lines = "1\n2\n3\n4\n5\n6\n7\n8\n9\n"
	edit := func(from, to string) string { return strings.Replace(lines, from, to, 1) }
	base := rendering(map[string]string{
		"same": lines, "theirs": lines, "ours": lines, "both": lines, "clash": lines, "removed": lines, "dropped": lines, "dropped-edited": lines,
		"once": lines, "bin": "\x00a",
	})
	next := rendering(map[string]string{
		"same": lines, "theirs": edit("2", "two"), "ours": lines, "both": edit("2", "two"), "clash": edit("2", "two"), "removed": edit("2", "two"),
		"once": edit("2", "two"), "bin": "\x00b", "added": "new\n", "added-there": "new\n",
	}, "once")
	disk := fstest.MapFS{}
	for p, text := range map[string]string{
		"same": edit("8", "x"), "theirs": lines, "ours": edit("8", "eight"), "both": edit("8", "eight"), "clash": edit("2", "zwei"),
		"dropped": lines, "dropped-edited": edit("8", "eight"), "once": lines, "bin": "\x00c", "added-there": "mine\n",
	} {
		disk[p] = &fstest.MapFile{Data: []byte(text)}
	}
	plan, err := Plan(base, next, disk, "services/x")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range plan {
		got[strings.TrimPrefix(c.Path, "services/x/")] = string(c.Action) + " " + string(c.To)
	}
	want := map[string]string{
		"theirs":         "modify " + edit("2", "two"),
		"both":           "modify " + strings.Replace(edit("2", "two"), "8", "eight", 1),
		"clash":          "conflict 1\n<<<<<<< yours\nzwei\n=======\ntwo\n>>>>>>> template\n3\n4\n5\n6\n7\n8\n9\n",
		"removed":        "keep ",
		"dropped":        "delete ",
		"dropped-edited": "keep ",
		"bin":            "keep ",
		"added":          "create new\n",
		"added-there":    "keep ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestRecordComesBack(t *testing.T) {
	dir := t.TempDir()
	r := &Record{
		Template: "python-min", Digest: "abc", Dir: "services/x",
		Answers: Answers{Service: "x", Options: map[string]string{"store": "no"}, Resources: []Resource{{Name: "a", Number: 1, Fields: []Field{{"b", "int"}}}}},
		Base:    rendering(map[string]string{"a/b": "1", "with space": "2"}, "with space"),
	}
	r.Base.Answers = r.Answers
	plan, err := r.Changes(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := Apply(t.Context(), dir, plan); err != nil {
		t.Fatal(err)
	}
	got, err := ReadRecord(os.DirFS(dir), "x")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	if again, err := r.Changes(os.DirFS(dir)); err != nil || len(again) > 0 {
		t.Errorf("it is written again: %v, %v", again, err)
	}
	if names, err := Recorded(os.DirFS(dir)); err != nil || !cmp.Equal(names, []string{"x"}) {
		t.Errorf("recorded: %v, %v", names, err)
	}
}

// TestRecordsThatLeaveTheStackAreRefused: records come from version control, so
// from anybody.
func TestRecordsThatLeaveTheStackAreRefused(t *testing.T) {
	for _, dir := range []string{"../x", "/x", "a/../../x", ""} {
		disk := fstest.MapFS{".msctl/scaffold/x.yaml": {Data: []byte("dir: " + dir + "\nanswers: {service: x}\n")}}
		if _, err := ReadRecord(disk, "x"); err == nil {
			t.Errorf("dir %q is taken", dir)
		}
	}
}

func TestLinksAreNoPartOfATemplate(t *testing.T) {
	dir := t.TempDir()
	for name, f := range sampleFS("", nil) {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "project", "link")); err != nil {
		t.Skip(err)
	}
	if _, err := Load("x", os.DirFS(dir)); err == nil || !strings.Contains(err.Error(), "links") {
		t.Errorf("got %v", err)
	}
}

func TestArchivesAreTheSameForTheSameFiles(t *testing.T) {
	files := Tree{"b": {Data: []byte("2"), Exec: true}, "a/c": {Data: []byte("1")}}
	one, err := pack(files)
	if err != nil {
		t.Fatal(err)
	}
	two, err := pack(files)
	if err != nil || string(one) != string(two) {
		t.Errorf("they differ: %v", err)
	}
	got, err := unpack(one)
	if diff := cmp.Diff(files, got); diff != "" || err != nil {
		t.Errorf("%v; want (-), got (+):\n%s", err, diff)
	}
}
