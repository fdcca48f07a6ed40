package consul_test

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/msctl/msctl/registry"
)

// TestPrometheusFindsServices: its own code for the discovery of services, which knows
// nothing of msctl, finds an instance. It is a module of its own, for what it needs.
func TestPrometheusFindsServices(t *testing.T) {
	program := filepath.Join(t.TempDir(), "consumers")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = filepath.Join("testdata", "consumers")
	if out, err := build.CombinedOutput(); err != nil {
		if os.Getenv("MSCTL_TEST_REQUIRE") != "" {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Skipf("it cannot be built: %v\n%s", err, out)
	}
	table, _, at := start(t)
	table.Put(registry.Instance{
		ID: "web-1", Service: "web", Replica: 1, Kind: "service", Address: "127.0.0.1:8001", State: registry.Ready,
		Tags: []string{"v1", "blue"}, Meta: map[string]string{"team": "a"},
	})
	u, err := url.Parse(at)
	must(t, err)
	out, err := exec.CommandContext(t.Context(), program, u.Host, "web").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		`"__address__":"127.0.0.1:8001"`, `"__meta_consul_service":"web"`, `"__meta_consul_service_id":"web-1"`, `"__meta_consul_tags":",v1,blue,"`,
		`"__meta_consul_service_metadata_team":"a"`, `"__meta_consul_health":"passing"`, `"__meta_consul_dc":"dc1"`, `"__meta_consul_node":"here"`,
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s is not in %s", want, out)
		}
	}
}
