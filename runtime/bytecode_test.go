package runtime

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestWhatPythonCompiledGoesWithItsSource(t *testing.T) {
	dir := t.TempDir()
	cache := filepath.Join(dir, "__pycache__")
	if err := os.Mkdir(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"app.cpython-311.pyc", "app.cpython-311.opt-1.pyc", "app2.cpython-311.pyc", "app.txt"} {
		if err := os.WriteFile(filepath.Join(cache, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dropBytecode([]string{filepath.Join(dir, "app.py"), filepath.Join(dir, "app2.js"), filepath.Join(dir, "none", "app.py")})
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{"app.txt", "app2.cpython-311.pyc"}; !slices.Equal(left, want) {
		t.Errorf("left: %v, want %v", left, want)
	}
}
