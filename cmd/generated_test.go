//go:build unix

package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/msctl/msctl/templates"
)

// toolsOf are the programs that a language's services need.
var toolsOf = map[string][]string{"python": {"python3"}, "go": {"go"}, "node": {"node", "npm"}}

// nodeOf is the oldest Node that runs a language's services.
var nodeOf = map[string]int{"node": 24}

// TestGeneratedServicesServe writes a service from each template, brings them up
// in one stack, and uses them through the gateway: they keep one contract.
func TestGeneratedServicesServe(t *testing.T) {
	dir := t.TempDir()
	marker := "MSCTL_TEST_GENERATED=" + dir
	environ := append(os.Environ(), marker, "XDG_RUNTIME_DIR="+t.TempDir())
	msctl := func(args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), "msctl", args...)
		c.Dir, c.Env = dir, environ
		var said strings.Builder
		c.Stderr = &said
		out, err := c.Output()
		if err != nil {
			t.Fatalf("msctl %s: %v\n%s%s", strings.Join(args, " "), err, out, said.String())
		}
		return strings.TrimSpace(string(out))
	}
	t.Cleanup(func() { killCarriers(marker) })
	file := "name: generated\ngateway: {listen: 127.0.0.1:0}\nservices: {}\n"
	if err := os.WriteFile(filepath.Join(dir, "stack.yaml"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	names := runnable(t)
	for _, name := range names {
		msctl("new", "service", name, "--template", name, "--yes")
		msctl("add", "resource", "tag", "label:string", "weight:decimal", "--service", name)
	}
	msctl("up", "-d", "--wait", "--wait-timeout", "5m") // packages are installed, and SQLite is compiled
	url := msctl("open", "--print")
	for _, name := range names {
		t.Run(name, func(t *testing.T) { useGenerated(t, url+"/"+name) })
	}
	t.Run("clients", func(t *testing.T) { callEachOther(t, dir, names, msctl) })
	msctl("verify") // among others, that SIGTERM under load costs no request
	msctl("down")
}

// runnable are the templates whose services can run here, which are all of them
// where MSCTL_TEST_REQUIRE=all says so.
func runnable(t *testing.T) (names []string) {
	t.Helper()
	for _, name := range templates.Names() {
		tmpl, err := templates.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		switch err := (demoService{tools: toolsOf[tmpl.Language], node: nodeOf[tmpl.Language]}).missing(t.Context()); {
		case err == nil:
			names = append(names, name)
		case os.Getenv("MSCTL_TEST_REQUIRE") == "all":
			t.Fatalf("%s: %v", name, err)
		default:
			t.Logf("without %s: %v", name, err)
		}
	}
	if len(names) < 2 {
		t.Skip("services of two templates are needed, and there are no tools for them")
	}
	return names
}

// clientChecks hold the clients in a service of a template to what its project is
// held to.
var clientChecks = map[string]string{
	"go-api":     "go vet ./... && test -z \"$(gofmt -l .)\" && go test ./internal/clients/...",
	"node-api":   "node scripts/setup.mjs && npx tsc && npx biome check && npx vitest run tests/clients tests/calls.test.ts",
	"python-api": "python3 scripts/setup.py && .venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy . && .venv/bin/pytest -k client",
	"python-min": "python3 -B -W error -m unittest discover -s tests -t . -p 'test_*_client.py'",
}

// callEachOther gives each service a client of the next, while they run.
func callEachOther(t *testing.T, dir string, names []string, msctl func(...string) string) {
	t.Helper()
	for n, name := range names {
		if n+1 < len(names) {
			msctl("add", "client", "--service", name, "--for", names[n+1])
		} else {
			msctl("add", "client", "--service", name, "--for", "outside", "--openapi", filepath.Join(dir, "services", names[0], "clients", names[1]+".json"))
		}
		check := exec.CommandContext(t.Context(), "sh", "-c", clientChecks[name])
		check.Dir = filepath.Join(dir, "services", name)
		if out, err := check.CombinedOutput(); err != nil || clientChecks[name] == "" {
			t.Errorf("%s: %s: %v\n%s", name, clientChecks[name], err, out)
		}
	}
}

// useGenerated goes through what the contract says of a resource.
func useGenerated(t *testing.T, url string) {
	t.Helper()
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(method, path, body string, status int) map[string]any {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != status {
			t.Fatalf("%s %s: %s, %v, want %d\n%s", method, path, res.Status, err, status, text)
		}
		if want := "application/problem+json"; status >= 400 && !strings.HasPrefix(res.Header.Get("Content-Type"), want) {
			t.Errorf("%s %s: Content-Type is %q, want %q", method, path, res.Header.Get("Content-Type"), want)
		}
		var value map[string]any
		if len(text) > 0 && strings.Contains(res.Header.Get("Content-Type"), "json") {
			if err := json.Unmarshal(text, &value); err != nil {
				t.Fatalf("%s %s: %v\n%s", method, path, err, text)
			}
		}
		return value
	}
	for _, resource := range []struct{ path, one, other, wrong string }{
		{"/items", `{"name": "cup", "price": "12.50", "stock": 3}`, `{"name": "mug", "price": 1, "stock": 0}`, `{"name": "", "price": "x", "colour": 1}`},
		{"/tags", `{"label": "new", "weight": "0.5"}`, `{"label": "old", "weight": "1"}`, `{"label": 7}`},
	} {
		made := ask(http.MethodPost, resource.path, resource.one, http.StatusCreated)
		at := fmt.Sprintf("%s/%v", resource.path, made["id"])
		if made["created_at"] == nil || made["updated_at"] == nil {
			t.Errorf("made is %v", made)
		}
		ask(http.MethodGet, at, "", http.StatusOK)
		ask(http.MethodPut, at, resource.other, http.StatusOK)
		ask(http.MethodPost, resource.path, resource.one, http.StatusCreated)
		page := ask(http.MethodGet, resource.path+"?limit=1", "", http.StatusOK)
		if items, _ := page["items"].([]any); len(items) != 1 || page["next"] == nil {
			t.Errorf("a page of 1 of 2 is %v", page)
		}
		wrong := ask(http.MethodPost, resource.path, resource.wrong, http.StatusUnprocessableEntity)
		if errs, _ := wrong["errors"].([]any); len(errs) < 2 {
			t.Errorf("not all that is wrong is said: %v", wrong)
		}
		ask(http.MethodPost, resource.path, "{", http.StatusBadRequest)
		ask(http.MethodPatch, resource.path, "{}", http.StatusMethodNotAllowed)
		ask(http.MethodDelete, at, "", http.StatusNoContent)
		if gone := ask(http.MethodGet, at, "", http.StatusNotFound); gone["request_id"] == nil || gone["title"] != "Not Found" {
			t.Errorf("the problem is %v", gone)
		}
	}
	ask(http.MethodGet, "/nothing", "", http.StatusNotFound)
	if doc := ask(http.MethodGet, "/openapi.json", "", http.StatusOK); !strings.HasPrefix(fmt.Sprint(doc["openapi"]), "3.1") {
		t.Errorf("openapi is %v", doc["openapi"])
	}
	ask(http.MethodGet, "/healthz", "", http.StatusOK)
	ask(http.MethodGet, "/readyz", "", http.StatusOK)
	ask(http.MethodGet, "/metrics", "", http.StatusOK)
}
