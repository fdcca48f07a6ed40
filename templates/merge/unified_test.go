package merge

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnified(t *testing.T) {
	long := text("abcdefghijklmnopqrst")
	for name, c := range map[string]struct {
		name, want string
		from, to   []byte
	}{
		"equal":        {name: "f", from: []byte("a\n"), to: []byte("a\n")},
		"no file":      {name: "f"},
		"made":         {name: "f", to: []byte("a\nb\n"), want: "--- /dev/null\n+++ b/f\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
		"made, empty":  {name: "f", to: []byte{}, want: "--- /dev/null\n+++ b/f\n"},
		"removed":      {name: "f", from: []byte("a\n"), want: "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"},
		"blank":        {name: "a b", from: []byte("a\n"), to: []byte("b\n"), want: "--- a/a b\t\n+++ b/a b\t\n@@ -1 +1 @@\n-a\n+b\n"},
		"no newline":   {name: "f", from: []byte("a"), to: []byte("a\n"), want: "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"},
		"in the midst": {name: "f", from: []byte(long), to: []byte(strings.Replace(long, "j\n", "", 1)), want: "--- a/f\n+++ b/f\n@@ -7,7 +7,6 @@\n g\n h\n i\n-j\n k\n l\n m\n"},
		"two hunks": {
			name: "f", from: []byte(long), to: []byte(strings.NewReplacer("b\n", "B\n", "t\n", "").Replace(long)),
			want: "--- a/f\n+++ b/f\n@@ -1,5 +1,5 @@\n a\n-b\n+B\n c\n d\n e\n@@ -17,4 +17,3 @@\n q\n r\n s\n-t\n",
		},
		"six lines between are one hunk": {
			name: "f", from: []byte(long), to: []byte(strings.NewReplacer("b\n", "", "i\n", "").Replace(long)),
			want: "--- a/f\n+++ b/f\n@@ -1,12 +1,10 @@\n a\n-b\n c\n d\n e\n f\n g\n h\n-i\n j\n k\n l\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Unified(c.name, c.from, c.to); string(got) != c.want {
				t.Errorf("got:\n%q\nwant:\n%q", got, c.want)
			}
		})
	}
}

func TestUnifiedApplies(t *testing.T) {
	for _, tool := range [][]string{{"git", "apply"}, {"patch", "-p1", "--force"}} {
		t.Run(tool[0], func(t *testing.T) {
			needs(t, tool[0])
			for seed := range uint64(60) {
				r := rand.New(rand.NewPCG(seed, 3))
				text := random(r, r.IntN(60), 20)
				from, to := joined(r, text), joined(r, edited(r, text, 1+r.IntN(6), 20))
				diff := Unified("some file", from, to)
				if diff == nil {
					continue
				}
				dir := t.TempDir()
				path := filepath.Join(dir, "some file")
				if err := os.WriteFile(path, from, 0o644); err != nil {
					t.Fatal(err)
				}
				c := exec.CommandContext(t.Context(), tool[0], tool[1:]...)
				c.Dir, c.Stdin = dir, bytes.NewReader(diff)
				c.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
				if out, err := c.CombinedOutput(); err != nil {
					t.Fatalf("seed %d: %v\n%s\n%s", seed, err, out, diff)
				}
				got, err := os.ReadFile(path)
				if err != nil && len(to) > 0 {
					t.Fatal(err)
				}
				if !bytes.Equal(got, to) {
					t.Fatalf("seed %d: got:\n%q\nwant:\n%q\nby:\n%s", seed, got, to, diff)
				}
			}
		})
	}
}
