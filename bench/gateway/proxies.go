//go:build linux

package main

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"text/template"
	"time"
)

//go:embed conf
var confs embed.FS

// kind is a proxy that can be measured. Its configuration is conf/FILE.
type kind struct {
	name, title string
	file        string
	argv        []string // from the folder that has the file
	version     []string
	h2Port      bool // HTTP/2 has a port of its own
}

// kinds are the proxies, in the order of the table's columns.
func kinds() []kind {
	return []kind{
		{"nginx", "nginx", "nginx.conf", []string{"nginx", "-e", "stderr", "-p", ".", "-c", "nginx.conf"}, []string{"nginx", "-v"}, true},
		{"haproxy", "HAProxy", "haproxy.cfg", []string{"haproxy", "-db", "-f", "haproxy.cfg"}, []string{"haproxy", "-v"}, true},
		{"caddy", "Caddy", "Caddyfile", []string{"caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"}, []string{"caddy", "version"}, false},
		{"msctl", "msctl", "stack.yaml", []string{"msctl", "up", "--plain"}, []string{"msctl", "version"}, false},
	}
}

// proxy is one that runs.
type proxy struct {
	kind
	port, h2Port int
	cpu          int // the processor that is its own; -1 when it has two
}

// settings are what the configurations are made from.
type settings struct {
	Dir          string
	Port, H2Port int
	A, B         string // the origin's addresses
	Width        int    // processors
}

// startProxy runs a proxy on the processors given, and returns once it answers.
func (l *lab) startProxy(ctx context.Context, k kind, cpus ...int) (*proxy, error) {
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	p := &proxy{kind: k, port: ports[0], h2Port: ports[0], cpu: cpus[0]}
	if k.h2Port {
		p.h2Port = ports[1]
	}
	if len(cpus) > 1 {
		p.cpu = -1
	}
	dir := filepath.Join(l.dir, k.name+strconv.Itoa(len(cpus)))
	s := settings{Dir: dir, Port: p.port, H2Port: p.h2Port, A: l.address(0), B: l.address(1), Width: len(cpus)}
	if err := writeConf(dir, k.file, s); err != nil {
		return nil, err
	}
	c, err := l.spawn(ctx, dir, cpus, k.argv, "GOMAXPROCS="+strconv.Itoa(len(cpus)))
	if err == nil {
		err = l.awaitAnswer(ctx, c, p.port)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.title, err)
	}
	return p, nil
}

func writeConf(dir, file string, s settings) error {
	t, err := template.ParseFS(confs, "conf/"+file)
	if err != nil {
		return err
	}
	// Another user's, when nginx drops root's rights.
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, file))
	if err != nil {
		return err
	}
	return errors.Join(t.Execute(f, s), f.Close())
}

// awaitAnswer returns once a port answers as the origin does.
func (l *lab) awaitAnswer(ctx context.Context, c *child, port int) error {
	const limit, pause = 20 * time.Second, 20 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	rt := &http.Transport{DisableKeepAlives: true}
	for {
		err := fetch(ctx, rt, spec{Port: port, Path: "/small"})
		if err == nil {
			return nil
		}
		select {
		case <-c.ended:
			return fmt.Errorf("it has ended: %s", c.said())
		case <-ctx.Done():
			return fmt.Errorf("no right answer within %v: %w: %s", limit, err, c.said())
		case <-time.After(pause):
		}
	}
}

var versionNumber = regexp.MustCompile(`\d+\.\d[^ ,\n]*`)

// version is what a program says its version is; ok is false when it is not installed.
func (l *lab) version(ctx context.Context, argv []string) (version string, ok bool) {
	said, err := exec.CommandContext(ctx, l.path(argv[0]), argv[1:]...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return "", false
	}
	return cmp.Or(versionNumber.FindString(string(said)), "of this checkout"), true
}
