package runtime

import (
	"os"
	"path/filepath"
	"strings"
)

// dropBytecode deletes what Python has compiled of sources that have changed.
// It compares no more of a source than its size and the second in which it was
// saved (PEP 552), so that of two saves in a second the first would run on.
func dropBytecode(changed []string) {
	for _, p := range changed {
		module, ok := strings.CutSuffix(filepath.Base(p), ".py")
		if !ok {
			continue
		}
		cache := filepath.Join(filepath.Dir(p), "__pycache__")
		entries, _ := os.ReadDir(cache) // none where there is no cache
		for _, e := range entries {
			if name := e.Name(); strings.HasPrefix(name, module+".") && strings.HasSuffix(name, ".pyc") {
				_ = os.Remove(filepath.Join(cache, name)) // or Python looks at it as ever
			}
		}
	}
}
