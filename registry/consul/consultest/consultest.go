// Package consultest runs a real Consul for tests and benchmarks, where there is
// one.
package consultest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// Variable names the Consul to run, if it is not the consul of PATH.
const Variable = "MSCTL_TEST_CONSUL"

// Missing is why there is none.
const Missing = "there is no consul in PATH, and none in " + Variable

// Find returns the path of a Consul, "" for none.
func Find() string {
	if path := os.Getenv(Variable); path != "" {
		return path
	}
	path, _ := exec.LookPath("consul") // "" is the answer
	return path
}

// Agent is a Consul that runs in dev mode. Its node is called "here".
type Agent struct {
	HTTP string // host:port
	DNS  string // host:port
	PID  int
	cmd  *exec.Cmd
}

// Start runs the Consul at path on free ports, and waits until it has a leader.
func Start(ctx context.Context, path string) (*Agent, error) {
	var ports [5]string
	for n := range ports {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() //nolint:errcheck // it only keeps the port from being found twice
		_, ports[n], _ = net.SplitHostPort(l.Addr().String())
		_ = l.Close() // as above
	}
	a := &Agent{HTTP: "127.0.0.1:" + ports[0], DNS: "127.0.0.1:" + ports[1]}
	a.cmd = exec.CommandContext(context.WithoutCancel(ctx), path, "agent", "-dev", "-bind", "127.0.0.1", "-client", "127.0.0.1", "-node", "here", "-log-level", "error", //nolint:gosec // it is the one that was asked for
		"-http-port", ports[0], "-dns-port", ports[1], "-server-port", ports[2], "-serf-lan-port", ports[3], "-serf-wan-port", ports[4],
		"-grpc-port", "-1", "-hcl", "ports { grpc_tls = -1 }", "-hcl", "limits { http_max_conns_per_client = 10000 }")
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	a.PID = a.cmd.Process.Pid
	if err := a.ready(ctx); err != nil {
		a.Stop()
		return nil, err
	}
	return a, nil
}

// ready waits until the agent has put its own node in.
func (a *Agent) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.HTTP+"/v1/catalog/node/here", nil)
		if err != nil {
			return err
		}
		if res, err := transport.RoundTrip(req); err == nil {
			_ = res.Body.Close() // its length says enough
			index, _ := strconv.Atoi(res.Header.Get("X-Consul-Index"))
			if res.StatusCode == http.StatusOK && res.ContentLength > 100 && index > 0 {
				return nil
			}
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("consul is not ready: %w", ctx.Err())
		}
	}
}

// Stop ends it.
func (a *Agent) Stop() {
	_ = a.cmd.Process.Kill() // it has nothing to keep
	_ = a.cmd.Wait()         // it was killed
}
