package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/stack"
	"github.com/msctl/msctl/templates"
)

// demoService is a service of the demo, and what it takes to run it.
type demoService struct {
	name, template, resource string
	calls                    []string
	tools                    []string
	node                     int // the oldest Node that runs it; 0 for none
}

// demoServices are the demo's, in the order of their calls.
var demoServices = []demoService{
	{name: "catalog", template: "python-min", resource: "item name:string price:decimal stock:int", tools: []string{"python3"}},
	{name: "orders", template: "go-api", resource: "order item_name:string amount:int paid:bool", calls: []string{"catalog"}, tools: []string{"go"}},
	{name: "reviews", template: "node-api", resource: "review item_name:string stars:int note:text", calls: []string{"catalog"}, tools: []string{"node", "npm"}, node: 24},
}

type demoOptions struct {
	dir   string
	write bool // and no more
}

func (a *app) demoCommand() *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use:   "demo [FOLDER]",
		Short: "Write a small shop and bring it up",
		Long: `Write a small shop into a folder (default ./shop) and bring it up: a service in
each of Python, Go and Node that is installed here, each with data of its own, behind
one gateway. A shop that is there already is brought up as it is.`,
		Example: "  msctl demo\n  msctl demo /tmp/shop --write-only",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.dir = "shop"
			if len(args) > 0 {
				o.dir = args[0]
			}
			return a.demo(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.write, "write-only", false, "write it, and do not bring it up")
	return c
}

func (a *app) demo(ctx context.Context, o demoOptions) error {
	if !filepath.IsAbs(o.dir) {
		o.dir = filepath.Join(a.dir, o.dir)
	}
	if _, err := os.Stat(filepath.Join(o.dir, stack.FileName)); errors.Is(err, os.ErrNotExist) {
		if err := a.writeDemo(ctx, o.dir); err != nil {
			return err
		}
	}
	if o.write {
		return nil
	}
	a.dir, a.file = o.dir, ""
	return a.up(ctx, upOptions{})
}

// writeDemo writes the services that can run here.
func (a *app) writeDemo(ctx context.Context, dir string) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return &exitError{code: exitFailed, err: fmt.Errorf("%s exists, and has no stack in it", dir), hint: "msctl demo FOLDER writes the shop elsewhere; nothing was written"}
	}
	p, err := a.freshProject(dir, "shop")
	if err != nil {
		return err
	}
	written := map[string]bool{}
	for _, s := range demoServices {
		if err := s.missing(ctx); err != nil {
			a.note("without %s: %v", s.name, err)
			continue
		}
		if err := addDemo(p, s, written); err != nil {
			return err
		}
		written[s.name] = true
	}
	if len(written) == 0 {
		return &exitError{code: exitFailed, err: errors.New("neither Python nor Go nor Node is installed"), hint: "msctl runs anything that listens on a port: see msctl new stack"}
	}
	if err := a.carryOutApart(ctx, p, showOptions{}); err != nil {
		return err
	}
	a.note("wrote %s", dir)
	for _, s := range demoServices {
		if written[s.name] {
			r := strings.Fields(s.resource)[0]
			a.note("try: curl http://127.0.0.1:8080/%s/%ss", s.name, r)
		}
	}
	return nil
}

func addDemo(p *project, s demoService, written map[string]bool) error {
	t, err := templates.Named(s.template)
	if err != nil {
		return err
	}
	answers, err := newServiceOptions{name: s.name, resource: s.resource}.complete(t, answersFile{})
	if err != nil {
		return err
	}
	at := placement{dir: servicesDir + "/" + s.name, source: s.template}
	for _, c := range s.calls {
		if written[c] {
			at.calls = append(at.calls, c)
		}
	}
	return p.add(t, answers, at)
}

// missing tells why the service cannot run here; nil when it can.
func (s demoService) missing(ctx context.Context) error {
	for _, t := range s.tools {
		if _, err := exec.LookPath(t); err != nil {
			return fmt.Errorf("%s is not installed", t)
		}
	}
	if s.node == 0 {
		return nil
	}
	return checkNode(ctx, s.node)
}

// checkNode fails when node is older than a version.
func checkNode(ctx context.Context, least int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	version, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return fmt.Errorf("node --version: %w", err)
	}
	var major int
	if _, err := fmt.Sscanf(string(version), "v%d.", &major); err != nil || major < least {
		return fmt.Errorf("it wants Node %d or newer, and this is %s", least, bytes.TrimSpace(version))
	}
	return nil
}
