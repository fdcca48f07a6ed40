//go:build linux

package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// scaffold measures how long a new service takes: as a whole command beside other
// generators, and until it answers through the gateway.
func scaffold(ctx context.Context, l *lab) error {
	w, err := newWorkshop(ctx, l)
	if err != nil {
		return err
	}
	if err := w.generate(ctx); err != nil {
		return err
	}
	for _, t := range []struct {
		template string
		limit    float64 // ms
	}{{"python-min", 1500}, {"go-api", 4000}} {
		if err := w.firstAnswer(ctx, t.template, t.limit); err != nil {
			return err
		}
	}
	return nil
}

// workshop is where services are written: a model, which is copied by the floor
// and made into templates for the peers, so that all write the same.
type workshop struct {
	lab   *lab
	dir   string
	model string
}

func newWorkshop(ctx context.Context, l *lab) (*workshop, error) {
	w := &workshop{lab: l, dir: filepath.Join(l.dir, "scaffold")}
	if err := os.MkdirAll(filepath.Join(w.dir, "model"), 0o700); err != nil {
		return nil, err
	}
	if err := w.do(ctx, "model", l.msctl, "new", "service", "catalog", "--template", "python-min", "--yes"); err != nil {
		return nil, err
	}
	w.model = filepath.Join(w.dir, "model", "services", "catalog")
	return w, errorsOf(w.peerTemplate("copier", "copier.yml", "name: {type: str, default: catalog}\n", "{{name}}"),
		w.peerTemplate("cookiecutter", "cookiecutter.json", `{"name": "catalog"}`, "{{cookiecutter.name}}"))
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// peerTemplate writes the model as a template of Jinja's.
func (w *workshop) peerTemplate(peer, manifest, content, name string) error {
	root := filepath.Join(w.dir, peer+"-template")
	if err := os.MkdirAll(root, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, manifest), []byte(content), 0o600); err != nil {
		return err
	}
	return filepath.WalkDir(w.model, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(w.model, at)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		escaped := strings.NewReplacer("{{", "{{'{{'}}", "{%", "{{'{%'}}", "{#", "{{'{#'}}", "catalog", name).Replace(string(text))
		to := filepath.Join(root, name, strings.ReplaceAll(rel, "catalog", name))
		if peer == "copier" {
			to += ".jinja"
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		return os.WriteFile(to, []byte(escaped), 0o600)
	})
}

// do runs a command in a folder of the workshop.
func (w *workshop) do(ctx context.Context, dir string, argv ...string) error {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Dir = filepath.Join(w.dir, dir)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, out)
	}
	return nil
}

// generate measures the generation alone.
func (w *workshop) generate(ctx context.Context) error {
	const floor = "cp -r"
	all := []struct {
		name string
		argv []string
	}{
		{floor, []string{"cp", "-r", w.model, "catalog"}},
		{"msctl", []string{w.lab.msctl, "new", "service", "catalog", "--template", "python-min", "--yes"}},
		{"copier", []string{"copier", "copy", "--defaults", "--quiet", filepath.Join(w.dir, "copier-template"), "."}},
		{"cookiecutter", []string{"cookiecutter", "--no-input", filepath.Join(w.dir, "cookiecutter-template")}},
		{"goctl", []string{"goctl", "api", "new", "catalog"}},
	}
	took := map[string]samples{}
	for round := range 2 * w.lab.rounds {
		for _, g := range all {
			if _, err := exec.LookPath(g.argv[0]); err != nil {
				continue
			}
			dir := fmt.Sprintf("%s-%d", filepath.Base(g.argv[0]), round)
			if err := os.Mkdir(filepath.Join(w.dir, dir), 0o700); err != nil {
				return err
			}
			began := time.Now()
			if err := w.do(ctx, dir, g.argv...); err != nil {
				return err
			}
			took[g.name] = append(took[g.name], ms(time.Since(began)))
		}
	}
	for _, g := range all {
		s, ok := took[g.name]
		switch {
		case !ok:
			fmt.Fprintf(os.Stderr, "%s is not in PATH\n", g.name)
		case g.name == floor:
			w.lab.table.add("a new service", g.name, s, "ms", "", nil)
		case g.name == "msctl":
			w.lab.table.add("a new service", g.name, s, "ms", times(s.over(took[floor])), below(s.median(), 50, " ms"))
		default:
			w.lab.table.add("a new service", g.name, s, "ms", times(s.over(took[floor])), nil)
		}
	}
	return nil
}

// firstAnswer measures from nothing to the first 200 through the gateway, with
// what tools cache warm from the first round on.
func (w *workshop) firstAnswer(ctx context.Context, template string, limit float64) error {
	var took samples
	for round := range w.lab.rounds + 1 {
		name := fmt.Sprintf("first-%s-%d", template, round)
		dir := filepath.Join(w.dir, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		services, err := w.lab.services(ctx, 1)
		if err != nil {
			return err
		}
		address := fmt.Sprintf("127.0.0.1:%d", services[0].port)
		file := fmt.Sprintf("name: first\ngateway: {listen: %q}\nservices: {}\n", address)
		if err := os.WriteFile(filepath.Join(dir, "stack.yaml"), []byte(file), 0o600); err != nil {
			return err
		}
		began := time.Now()
		err = errorsOf(
			w.do(ctx, name, w.lab.msctl, "new", "service", "catalog", "--template", template, "--yes"),
			w.do(ctx, name, w.lab.msctl, "up", "-d", "--wait"),
			w.lab.get(ctx, "http://"+address+"/catalog/items"),
		)
		if round > 0 { // the first one fills the caches
			took = append(took, ms(time.Since(began)))
		}
		if err := errorsOf(w.do(ctx, name, w.lab.msctl, "down"), err); err != nil {
			return err
		}
	}
	w.lab.table.add("from nothing to the first answer", template, took, "ms", "", below(took.median(), limit, " ms"))
	return nil
}
