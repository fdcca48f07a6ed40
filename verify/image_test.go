package verify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUser(t *testing.T) {
	for _, c := range []struct {
		dockerfile string
		want       Status
	}{
		{"FROM scratch\nUSER 10001:10001\n", Pass},
		{"FROM scratch\nuser app\n", Pass},
		{"FROM a\nUSER app\nFROM b\n", Fail},
		{"FROM a AS base\nUSER app\nFROM base\n", Pass},
		{"FROM --platform=linux/amd64 a AS base\nUSER app\nFROM b\nFROM base AS last\n", Pass},
		{"FROM a AS base\nUSER app\nFROM base\nUSER root\n", Fail},
		{"FROM scratch\nUSER 0:0\n", Fail},
		{"FROM scratch\n# USER app\n", Fail},
		{"FROM scratch\nRUN echo \\\n  USER app\n", Fail},
		{"FROM scratch\nUSER $APP\n", Skip},
		{"", Fail},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(c.dockerfile), 0o600); err != nil {
			t.Fatal(err)
		}
		r := &run{Target: Target{Dir: dir}}
		if got := r.user(t.Context()); got.Status != c.want {
			t.Errorf("%q: %s, %s, want %s", c.dockerfile, got.Status, got.Seen, c.want)
		}
	}
	r := &run{Target: Target{Dir: t.TempDir()}}
	if got := r.user(t.Context()); got.Status != Skip {
		t.Errorf("no Dockerfile: %s, %s", got.Status, got.Seen)
	}
}

func FuzzImageUser(f *testing.F) {
	f.Add("FROM a AS b\nUSER \\\n app\nFROM b\n")
	f.Fuzz(func(t *testing.T, dockerfile string) {
		if user := imageUser(dockerfile); user != "" && !strings.Contains(dockerfile, user) {
			t.Errorf("USER %q is not in the file", user)
		}
	})
}
