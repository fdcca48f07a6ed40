//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// lab is where the proxies run, before their origin.
type lab struct {
	dir      string
	self     string
	proxy    int // the processor of the proxies
	load     int // that of the origin and the generator
	ports    []int
	narrow   []*proxy
	wide     []*proxy
	versions []version
	hasH2    bool // h2load is installed
	children sync.WaitGroup
}

// version is what is measured; Missing when it is not installed.
type version struct {
	Name, Title, Version string
	Missing              bool
}

// open builds msctl, and starts the origin and the proxies, which run until ctx
// is done. Whether it fails or not, close has to be called.
func (l *lab) open(ctx context.Context, o options) (err error) {
	if l.self, err = os.Executable(); err != nil {
		return err
	}
	if l.proxy, l.load, err = twoProcessors(); err != nil {
		return err
	}
	if l.dir, err = os.MkdirTemp("", "msctl-bench-"); err != nil {
		return err
	}
	if err := os.Chmod(l.dir, 0o755); err != nil { // nginx drops root's rights
		return err
	}
	if err := l.startOrigin(ctx); err != nil {
		return err
	}
	_, l.hasH2 = l.version(ctx, []string{"h2load", "--version"})
	for _, k := range o.kinds {
		if k.name == "msctl" {
			if err := l.build(ctx); err != nil {
				return err
			}
		}
		text, ok := l.version(ctx, k.version)
		l.versions = append(l.versions, version{k.name, k.title, text, !ok})
		if !ok {
			continue
		}
		if err := l.startBoth(ctx, k, o.cells); err != nil {
			return err
		}
	}
	return nil
}

// startBoth starts a proxy on its processor and, if a cell asks for it, once
// more on both.
func (l *lab) startBoth(ctx context.Context, k kind, cells []cell) error {
	var narrow, wide bool
	for _, c := range cells {
		narrow, wide = narrow || !c.wide, wide || c.wide
	}
	if narrow {
		p, err := l.startProxy(ctx, k, l.proxy)
		if err != nil {
			return err
		}
		l.narrow = append(l.narrow, p)
	}
	if wide {
		p, err := l.startProxy(ctx, k, l.proxy, l.load)
		if err != nil {
			return err
		}
		l.wide = append(l.wide, p)
	}
	return nil
}

// close waits until all has ended that was started, and deletes the folder.
func (l *lab) close() {
	l.children.Wait()
	_ = os.RemoveAll(l.dir)
}

// twoProcessors are the first two that this process may use.
func twoProcessors() (first, second int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, 0, err
	}
	var all []int
	for cpu := 0; len(all) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	if len(all) < 2 {
		return 0, 0, errors.New("want two processors: one for the proxy, one for its origin and the load")
	}
	return all[0], all[1], nil
}

func (l *lab) build(ctx context.Context) error {
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", l.path("msctl"), "github.com/msctl/msctl")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build msctl: %w\n%s", err, said)
	}
	return nil
}

// path is where a program is: msctl is the one that was built here.
func (l *lab) path(program string) string {
	if program == "msctl" {
		return filepath.Join(l.dir, program)
	}
	return program
}

func (l *lab) startOrigin(ctx context.Context) error {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	l.ports = ports
	argv := []string{l.self, "origin", strconv.Itoa(ports[0]), strconv.Itoa(ports[1])}
	c, err := l.spawn(ctx, l.dir, []int{l.load}, argv)
	if err != nil {
		return err
	}
	for _, port := range ports {
		if err := l.awaitAnswer(ctx, c, port); err != nil {
			return fmt.Errorf("origin: %w", err)
		}
	}
	return nil
}

// address is one of the origin's.
func (l *lab) address(i int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.ports[i])) }

// rounds measures each cell of each proxy, once a round. What fails is left
// out, and told at the end.
func (l *lab) rounds(ctx context.Context, o options, s samples) error {
	var failed []error
	for round := range o.rounds {
		for _, c := range o.cells {
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, o.rounds, c.name)
			for _, p := range l.turn(c, round) {
				r, err := l.measure(ctx, c, p)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					failed = append(failed, fmt.Errorf("%s, %s: %w", c.name, p.title, err))
					continue
				}
				s.add(c.name, p.name, r)
			}
		}
	}
	return errors.Join(failed...)
}

// turn is who is measured for a cell, in an order that is another each round.
func (l *lab) turn(c cell, round int) []*proxy {
	all := l.narrow
	if c.wide {
		all = l.wide
	}
	if len(all) > 0 {
		first := round % len(all)
		all = append(all[first:len(all):len(all)], all[:first]...)
	}
	if c.spec.Rate > 0 {
		direct := &proxy{kind: kind{name: direct, title: "the origin"}, port: l.ports[0], cpu: -1}
		return append([]*proxy{direct}, all...)
	}
	return all
}

// measure runs one cell against one proxy.
func (l *lab) measure(ctx context.Context, c cell, p *proxy) (result, error) {
	s := c.spec
	s.Port, s.CPU = p.port, p.cpu
	if s.Rate > 0 {
		s.CPU = -1 // what a processor does that mostly waits is not counted finely enough
	}
	if s.H2 {
		s.Port = p.h2Port
	}
	if s.PIDs = listeners(s.Port); len(s.PIDs) == 0 {
		return result{}, fmt.Errorf("nobody listens on port %d", s.Port)
	}
	if s.H2 && l.hasH2 {
		return l.h2load(ctx, s)
	}
	arg, err := json.Marshal(s)
	if err != nil {
		return result{}, err
	}
	cmd := l.pinned(ctx, []int{l.load}, l.self, "load", string(arg))
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return result{}, fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	var r result
	if err := json.Unmarshal(out, &r); err != nil {
		return result{}, err
	}
	if r.Done == 0 {
		return result{}, errors.New("nothing was answered")
	}
	return r, nil
}
