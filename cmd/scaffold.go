package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/stack"
	"github.com/msctl/msctl/templates"
)

// showOptions say how a plan is shown, and whether it is carried out.
type showOptions struct {
	dryRun, diff, json bool
}

func (o *showOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&o.dryRun, "dry-run", false, "print what would be written, and write nothing")
	f.BoolVar(&o.diff, "diff", false, "print the changes as a unified diff, and write nothing")
	f.BoolVar(&o.json, "json", false, "print the plan as JSON")
	c.MarkFlagsMutuallyExclusive("diff", "json")
}

// project is a stack's folder while services are put into it. Nothing is written
// before its plan is applied.
type project struct {
	root string // absolute
	file string // the stack file's name in root
	disk fs.FS
	from []byte // the stack file; nil where there is none
	text []byte // what it becomes
	plan []templates.Change
}

// openProject finds the stack that a service is to become part of. Where there
// is none, the working folder becomes one.
func (a *app) openProject() (*project, error) {
	file := a.file
	switch {
	case file == "":
		found, err := stack.Find(a.dir)
		if errors.Is(err, stack.ErrNotFound) {
			return a.freshProject(a.dir, "")
		}
		if err != nil {
			return nil, err
		}
		file = found
	case !filepath.IsAbs(file):
		file = filepath.Join(a.dir, file)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the stack file: %w", err)
	}
	root, err := filepath.Abs(filepath.Dir(file))
	return &project{root: root, file: filepath.Base(file), disk: os.DirFS(root), from: data, text: data}, err
}

// freshProject is a stack that is not there yet. name is that of the folder
// unless it is given.
func (a *app) freshProject(dir, name string) (*project, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = notInName.ReplaceAllString(strings.ToLower(filepath.Base(root)), "-")
		name = strings.Trim(name, "-")
	}
	return &project{root: root, file: stack.FileName, disk: os.DirFS(root), text: fmt.Appendf(nil, freshStack, name)}, nil
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// freshStack is the stack file of a new stack.
const freshStack = `# What msctl up runs. msctl validate checks it; msctl config shows it with all defaults.
name: %s

gateway:
  listen: 127.0.0.1:8080

services: {}
`

// placement is where and how a new service is put into a stack.
type placement struct {
	dir    string // from the stack's folder, with slashes
	source string // what the template is named by, from the stack's folder
	calls  []string
	route  string
}

// add plans a new service.
func (p *project) add(t *templates.Template, answers templates.Answers, at placement) error {
	r, err := t.Render(answers)
	if err != nil {
		return err
	}
	if err := p.free(at.dir); err != nil {
		return err
	}
	p.text, err = stack.AddServices(p.text, r.Entry, stack.AddOptions{Dir: at.dir, Route: at.route, DependsOn: at.calls})
	if err != nil {
		return err
	}
	files, err := templates.Plan(nil, r, emptyFS{}, at.dir)
	if err != nil {
		return err
	}
	record := &templates.Record{Template: at.source, Digest: t.Digest, Dir: at.dir, Answers: r.Answers, Base: r}
	kept, err := record.Changes(p.disk)
	if err != nil {
		return err
	}
	p.plan = append(append(p.plan, files...), kept...)
	return nil
}

// free makes sure that there is nothing yet where a service is to go.
func (p *project) free(dir string) error {
	entries, err := fs.ReadDir(p.disk, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(entries) == 0:
		return nil
	case err != nil:
		return fmt.Errorf("look into %s: %w", dir, err)
	}
	return &exitError{code: exitFailed, err: fmt.Errorf("%s exists, and is not empty", dir), hint: "--path puts the service elsewhere; nothing was written"}
}

// changes are the whole plan.
func (p *project) changes() []templates.Change {
	plan := p.plan
	switch {
	case p.from == nil:
		plan = append(plan, templates.Change{Path: p.file, Action: templates.Create, To: p.text})
	case string(p.from) != string(p.text):
		plan = append(plan, templates.Change{Path: p.file, Action: templates.Modify, From: p.from, To: p.text})
	}
	if _, err := fs.Stat(p.disk, ignorePath); err != nil {
		plan = append(plan, templates.Change{Path: ignorePath, Action: templates.Create, To: []byte(ignoreState)})
	}
	return plan
}

const ignorePath = stateDirName + "/.gitignore"

// emptyFS has no files.
type emptyFS struct{}

func (emptyFS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// carryOut shows a plan, or applies it and says what was written.
func (a *app) carryOut(ctx context.Context, root string, plan []templates.Change, o showOptions) error {
	if o.diff {
		for _, c := range plan {
			if !internalFile(c.Path) {
				_, _ = a.out.Write(c.Diff())
			}
		}
		return nil
	}
	if !o.dryRun {
		if err := templates.Apply(ctx, root, plan); err != nil {
			return err
		}
	}
	if o.json {
		return a.printJSON(struct {
			Dir     string             `json:"dir"`
			Written bool               `json:"written"`
			Changes []templates.Change `json:"changes"`
		}{root, !o.dryRun, plan})
	}
	for _, c := range plan {
		if o.dryRun && !internalFile(c.Path) {
			fmt.Fprintln(a.out, c)
		}
	}
	return nil
}

// internalFile reports whether a file is msctl's own.
func internalFile(p string) bool { return strings.HasPrefix(p, stateDirName+"/") }

// gitPatience bounds fetching a template.
const gitPatience = 60 * time.Second

var gitURL = regexp.MustCompile(`^(https?|ssh|git|file)://|^[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:`)

// template is the one that source names: one of msctl's, a folder from the folder
// from, or a git repository as URL, URL#ref or URL#ref:folder.
func template(ctx context.Context, from, source string) (*templates.Template, error) {
	switch {
	case gitURL.MatchString(source):
		return clonedTemplate(ctx, source)
	case isFolder(source):
		dir := source
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(from, dir)
		}
		if i, err := os.Stat(dir); err != nil || !i.IsDir() {
			return nil, usagef("template %s: there is no such folder", source)
		}
		return templates.Load(path.Base(filepath.ToSlash(filepath.Clean(dir))), os.DirFS(dir))
	}
	return templates.Named(source)
}

func isFolder(source string) bool {
	return !gitURL.MatchString(source) && (strings.ContainsAny(source, `/\`) || strings.HasPrefix(source, "."))
}

// sourceFrom is how a template that was named from one folder is named from
// another.
func sourceFrom(source, from, to string) (string, error) {
	if !isFolder(source) || filepath.IsAbs(source) {
		return source, nil
	}
	abs, err := filepath.Abs(filepath.Join(from, source))
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(to, abs)
	if err != nil {
		return abs, nil //nolint:nilerr // there is no way on this system, as from one drive to another
	}
	if !strings.HasPrefix(rel, "..") {
		rel = "./" + rel
	}
	return filepath.ToSlash(rel), nil
}

// clonedTemplate fetches a template with git, which knows the user's
// credentials and proxies.
func clonedTemplate(ctx context.Context, source string) (*templates.Template, error) {
	url, at, _ := strings.Cut(source, "#")
	ref, folder, _ := strings.Cut(at, ":")
	if folder != "" && !filepath.IsLocal(filepath.FromSlash(folder)) {
		return nil, usagef("template %s: the folder is outside of the repository", source)
	}
	tmp, err := os.MkdirTemp("", "msctl-template-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // a folder of the system's for such
	args := []string{"clone", "--quiet", "--depth=1"}
	if ref != "" {
		args = append(args, "--branch="+ref)
	}
	ctx, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	git := exec.CommandContext(ctx, "git", append(args, "--", url, tmp)...)
	git.Env = append(environ(), "GIT_TERMINAL_PROMPT=0")
	git.WaitDelay = time.Second
	out, err := git.CombinedOutput()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, &exitError{code: exitFailed, err: fmt.Errorf("template %s: %s did not answer within %v", source, url, gitPatience), hint: "nothing was written; is the URL right, and the network there?"}
	case errors.Is(err, exec.ErrNotFound):
		return nil, &exitError{code: exitFailed, err: fmt.Errorf("template %s: git is not installed", source), hint: "a template in a folder needs no git: --template ./folder"}
	case err != nil:
		return nil, &exitError{code: exitFailed, err: fmt.Errorf("template %s: git: %s", source, strings.TrimSpace(string(out))), hint: "nothing was written"}
	}
	dir := filepath.Join(tmp, filepath.FromSlash(folder))
	name := strings.TrimSuffix(path.Base(url), ".git")
	if folder != "" {
		name = path.Base(folder)
	}
	return templates.Load(name, os.DirFS(dir))
}

// mayRun refuses a template whose hooks were not allowed.
func mayRun(t *templates.Template, trust bool) error {
	if len(t.Hooks) == 0 || trust {
		return nil
	}
	var lines []string
	for _, h := range t.Hooks {
		line, _ := json.Marshal(h) // texts
		lines = append(lines, string(line))
	}
	return &exitError{
		code: exitUsage, err: fmt.Errorf("template %s wants to run, in the service's folder: %s", t.Name, strings.Join(lines, ", ")),
		hint: "--trust lets it; nothing was written",
	}
}

// runHooks runs what a template wants to have run.
func (a *app) runHooks(ctx context.Context, t *templates.Template, dir string) error {
	for _, h := range t.Hooks {
		a.note("%s: %s", t.Name, strings.Join(h, " "))
		c := exec.CommandContext(ctx, h[0], h[1:]...) //nolint:gosec // that is what --trust is for
		c.Dir, c.Stdout, c.Stderr = dir, a.err, a.err
		if err := c.Run(); err != nil {
			return &exitError{code: exitFailed, err: fmt.Errorf("hook %s: %w", strings.Join(h, " "), err), hint: "the service was written; run the command again in " + dir}
		}
	}
	return nil
}
