package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/msctl/msctl/runtime"
)

// setupInputs are the files that set-up commands read: what declares and locks
// a service's dependencies. A set-up runs again when one of them changed.
var setupInputs = []string{
	"uv.lock", "pyproject.toml", "poetry.lock", "Pipfile.lock", "requirements*.txt", ".python-version",
	"package.json", "package-lock.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", ".nvmrc",
	"go.mod", "go.sum", "Cargo.toml", "Cargo.lock", "Gemfile.lock", "composer.lock", "pom.xml", "build.gradle*",
}

// setup runs the set-up command unless it has succeeded before, as it is now
// and on the same inputs.
func (r *Runner) setup(ctx context.Context, s runtime.Spec, out io.Writer) error {
	stamp := filepath.Join(r.state, "setup", s.Service)
	sum, err := setupSum(s)
	if err != nil {
		return err
	}
	if last, err := os.ReadFile(stamp); err == nil && string(last) == sum {
		return nil
	}
	if err := r.run(ctx, s, s.Setup, out); err != nil {
		return err
	}
	if sum, err = setupSum(s); err != nil { // a set-up may write the very lock
		return err
	}
	if err := os.MkdirAll(filepath.Dir(stamp), 0o755); err != nil {
		return err
	}
	return os.WriteFile(stamp, []byte(sum), 0o644)
}

func setupSum(s runtime.Spec) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q\n", s.Dir, s.Setup.Line, s.Setup.Args)
	for _, pattern := range setupInputs {
		files, err := filepath.Glob(filepath.Join(s.Dir, pattern))
		if err != nil {
			return "", err
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(h, "%q %d\n", filepath.Base(f), len(data))
			_, _ = h.Write(data)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
