//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// service is what a tool is to run.
type service struct {
	name, command string
	port          int
	keys          map[string]any // more keys of the stack file
}

// tool brings services up.
type tool interface {
	// start returns as soon as they are on their way; stop takes them down
	// and returns when the tool has ended.
	start(ctx context.Context, r *run, services []service) (stop func() error, err error)
	String() string
}

// turn lets each round begin with another tool: what comes after a rest, or
// after much work, is not as fast as the next.
func turn(tools []tool, round int) []tool {
	first := round % len(tools)
	return slices.Concat(tools[first:], tools[:first])
}

// floor is the least there is: it forks, signals and waits.
type floor struct{}

func (floor) String() string { return "floor" }

func (floor) start(ctx context.Context, r *run, services []service) (func() error, error) {
	var all []*exec.Cmd
	for _, s := range services {
		argv := strings.Fields(s.command)
		c := r.command(ctx, argv[0], argv[1:]...)
		if err := c.Start(); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return func() error {
		for _, c := range all {
			_ = c.Process.Signal(syscall.SIGTERM)
		}
		for _, c := range all {
			_ = c.Wait() // the signal's
		}
		return nil
	}, nil
}

// cli is a tool that runs services from a file.
type cli struct {
	name  string
	argv  []string
	write func(dir string, services []service) error
	down  []string // the command that stops what runs in the background; nil: Ctrl-C does
}

func (t cli) String() string { return t.name }

func (t cli) start(ctx context.Context, r *run, services []service) (func() error, error) {
	if err := t.write(r.dir, services); err != nil {
		return nil, err
	}
	c := r.command(ctx, t.argv[0], t.argv[1:]...)
	if t.down == nil {
		r.leader = c
		return r.interrupt, c.Start()
	}
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", t, err, r.said())
	}
	return func() error { return r.command(ctx, t.down[0], t.down[1:]...).Run() }, nil
}

// foreground is msctl as a developer runs it, its output in a file.
func (l *lab) foreground() cli {
	return cli{name: "msctl", argv: []string{l.msctl, "up", "--plain"}, write: writeStack}
}

// background is msctl with nobody looking at the output.
func (l *lab) background() cli {
	return cli{name: "msctl -d", argv: []string{l.msctl, "up", "-d"}, write: writeStack, down: []string{l.msctl, "down"}}
}

func writeStack(dir string, services []service) error {
	all := map[string]any{}
	for _, s := range services {
		keys := map[string]any{"command": s.command}
		if s.port != 0 {
			keys["port"] = s.port
		}
		for k, v := range s.keys {
			keys[k] = v
		}
		all[s.name] = keys
	}
	return writeJSON(filepath.Join(dir, "stack.yaml"), map[string]any{ // which is YAML
		"name":     "bench",
		"gateway":  map[string]any{"listen": "127.0.0.1:0"},
		"registry": map[string]any{"listen": "127.0.0.1:0", "dns": "127.0.0.1:0"},
		"services": all,
	})
}

// peers are the others that are in PATH.
func (l *lab) peers() []tool {
	all := []cli{
		{name: "goreman", argv: []string{"goreman", "-set-ports=false", "-rpc-server=false", "start"}, write: writeProcfile},
		{name: "process-compose", argv: []string{"process-compose", "-t=false", "--no-server", "-L", "tool.log", "up"}, write: writeProcessCompose},
	}
	var found []tool
	for _, t := range all {
		if _, err := exec.LookPath(t.argv[0]); err == nil {
			found = append(found, t)
		}
	}
	return found
}

func writeProcfile(dir string, services []service) error {
	var b strings.Builder
	for _, s := range services {
		fmt.Fprintf(&b, "%s: %s\n", s.name, s.command)
	}
	return os.WriteFile(filepath.Join(dir, "Procfile"), []byte(b.String()), 0o600)
}

func writeProcessCompose(dir string, services []service) error {
	all := map[string]any{}
	for _, s := range services {
		p := map[string]any{"command": s.command}
		if _, probed := s.keys["healthcheck"]; probed {
			p["readiness_probe"] = map[string]any{
				"http_get":       map[string]any{"host": "127.0.0.1", "path": "/", "port": s.port},
				"period_seconds": int(probeEvery.Seconds()),
			}
		}
		all[s.name] = p
	}
	return writeJSON(filepath.Join(dir, "process-compose.yaml"), map[string]any{"version": "0.5", "processes": all})
}

func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	return errors.Join(err, os.WriteFile(path, b, 0o600))
}
