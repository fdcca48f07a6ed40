package templates

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sentinels are what must not be left of a project: its names, and marks.
var sentinels = regexp.MustCompile(`(?i)acme.?widgets?|spare.?gadgets?|msctl:(if|end|each|field)`)

// own are the folders of the templates that msctl has.
func own(t *testing.T) []string {
	t.Helper()
	manifests, err := filepath.Glob(filepath.Join("*", ManifestName))
	if err != nil || len(manifests) == 0 {
		t.Fatal("there are no templates: ", err)
	}
	var dirs []string
	for _, m := range manifests {
		dirs = append(dirs, filepath.Dir(m))
	}
	return dirs
}

func TestPackedIsWhatTheFoldersAre(t *testing.T) {
	dirs := own(t)
	if names := Names(); !slices.Equal(names, dirs) {
		t.Errorf("packed are %v, folders %v: go generate ./templates", names, dirs)
	}
	for _, dir := range dirs {
		data, err := Pack(os.DirFS(dir))
		if err != nil {
			t.Fatal(err)
		}
		want, err := unpack(data)
		if err != nil {
			t.Fatal(err)
		}
		archive, err := os.ReadFile(filepath.Join(packedDir, dir+packedExt))
		if err != nil {
			t.Fatal(err)
		}
		got, err := unpack(archive)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: go generate ./templates; want (-), got (+):\n%s", dir, diff)
		}
	}
}

// TestIdentityOfEachTemplate holds each template to its project: so the
// project's own tests are those of the template.
func TestIdentityOfEachTemplate(t *testing.T) {
	for _, name := range Names() {
		tmpl, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range tmpl.Identity() {
			t.Errorf("%s: %v", name, wrong)
		}
	}
}

func TestEachPairOfOptionsRenders(t *testing.T) {
	for _, name := range Names() {
		tmpl, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range tmpl.Pairs() {
			r, err := tmpl.Render(a)
			if err != nil {
				t.Errorf("%s: %v: %v", name, a, err)
				continue
			}
			for p, f := range r.Files {
				if left := sentinels.Find(append([]byte(p+"\n"), f.Data...)); left != nil {
					t.Errorf("%s: %v: %s has %q in it", name, a, p, left)
				}
			}
		}
	}
}
