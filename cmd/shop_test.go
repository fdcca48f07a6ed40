//go:build unix

package cmd

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The sample that the README begins with: three languages, real services.
func TestShop(t *testing.T) {
	for _, tool := range []string{"python3", "node", "go"} {
		require(t, tool)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../testdata/stacks/shop")); err != nil {
		t.Fatal(err)
	}
	marker := "MSCTL_TEST_SHOP=" + dir
	environ := append(os.Environ(), marker, "SHOP_LISTEN=127.0.0.1:0", "XDG_RUNTIME_DIR="+t.TempDir())
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
	msctl("up", "-d", "--wait", "--wait-timeout", "5m") // the first build of orders compiles SQLite
	url := msctl("open", "--print")

	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(method, path, body string, status int) (string, http.Header) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != status {
			t.Fatalf("%s %s: %s, %v, want %d\n%s", method, path, res.Status, err, status, text)
		}
		return string(text), res.Header
	}
	var items []struct {
		ID         int
		Name       string
		PriceCents int `json:"price_cents"`
	}
	answered := map[string]bool{}
	for range 64 { // of two idle replicas, each takes about half
		body, header := ask(http.MethodGet, "/catalog/items", "", http.StatusOK)
		if err := json.Unmarshal([]byte(body), &items); err != nil || len(items) == 0 {
			t.Fatalf("items: %v\n%s", err, body)
		}
		answered[header.Get("X-Instance")] = true
	}
	if !answered["catalog-1"] || !answered["catalog-2"] {
		t.Errorf("want both replicas to answer, got %v", answered)
	}
	var order struct {
		Item       string
		TotalCents int `json:"total_cents"`
	}
	body, _ := ask(http.MethodPost, "/orders", `{"item_id": 1, "quantity": 2}`, http.StatusCreated)
	if err := json.Unmarshal([]byte(body), &order); err != nil || order.Item != items[0].Name || order.TotalCents != 2*items[0].PriceCents {
		t.Errorf("order: %v\n%s", err, body)
	}
	ask(http.MethodPost, "/orders", `{"item_id": 1000, "quantity": 1}`, http.StatusUnprocessableEntity)
	if body, _ := ask(http.MethodGet, "/", "", http.StatusOK); !strings.Contains(body, items[0].Name) {
		t.Errorf("the page does not show %q:\n%s", items[0].Name, body)
	}
	if body, _ := ask(http.MethodGet, "/catalog/nothing", "", http.StatusNotFound); strings.Contains(body, "no route") {
		t.Errorf("the gateway answered for catalog:\n%s", body)
	}

	msctl("down")
	if left, err := carriers(marker); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
