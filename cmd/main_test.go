//go:build unix

package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// TestMain makes the test binary three programs, by the name it is started
// under: the tests, msctl and svc. What msctl starts of itself, the guardian
// and the background supervisor, is msctl again.
func TestMain(m *testing.M) {
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // or every msctl under -race takes a second to end
	testscript.Main(leakChecked{m}, map[string]func(){
		"msctl": func() { os.Exit(Main(os.Args[1:])) },
		"svc":   svc,
	})
}

// leakChecked are tests that fail when they leave a goroutine.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// require skips the test where tool is not installed, but where
// MSCTL_TEST_REQUIRE=all forbids that.
func require(t *testing.T, tool string) {
	t.Helper()
	_, err := exec.LookPath(tool)
	switch {
	case err == nil:
	case os.Getenv("MSCTL_TEST_REQUIRE") == "all":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}
