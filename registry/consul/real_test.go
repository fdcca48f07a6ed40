package consul_test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/hashicorp/consul/api"
)

// everywhere runs a test against msctl's registry, and against a real Consul,
// where there is one: it is the same to a client.
func everywhere(t *testing.T, f func(t *testing.T, c *api.Client, url string)) {
	t.Run("msctl", func(t *testing.T) {
		_, c, url := start(t)
		f(t, c, url)
	})
	t.Run("consul", func(t *testing.T) {
		path := os.Getenv("MSCTL_TEST_CONSUL")
		if path == "" {
			var err error
			if path, err = exec.LookPath("consul"); err != nil {
				t.Skip("there is no consul in PATH, and none in MSCTL_TEST_CONSUL")
			}
		}
		c, url := startReal(t, path)
		f(t, c, url)
	})
}

// startReal runs a Consul of its own until the test ends.
func startReal(t *testing.T, path string) (*api.Client, string) {
	t.Helper()
	at := freePort(t)
	agent := exec.Command(path, "agent", "-dev", "-bind", "127.0.0.1", "-client", "127.0.0.1", "-node", "here", "-log-level", "error",
		"-http-port", at, "-dns-port", "-1", "-grpc-port", "-1", "-hcl", "ports { grpc_tls = -1 }", "-server-port", freePort(t), "-serf-lan-port", freePort(t), "-serf-wan-port", freePort(t))
	agent.Stderr = os.Stderr
	must(t, agent.Start())
	t.Cleanup(func() {
		_ = agent.Process.Kill()
		_ = agent.Wait()
	})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := api.NewClient(&api.Config{Address: "127.0.0.1:" + at, HttpClient: &http.Client{Transport: transport}})
	must(t, err)
	wait(t, func() bool {
		nodes, _, err := c.Catalog().Nodes(nil)
		return err == nil && len(nodes) == 1
	})
	return c, "http://127.0.0.1:" + at
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close() //nolint:errcheck // it was only to find the port
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
