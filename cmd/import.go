package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/stack"
	"github.com/msctl/msctl/templates"
)

func (a *app) importCommand() *cobra.Command {
	var o showOptions
	c := &cobra.Command{
		Use:   "import compose|procfile|. [FILE]",
		Short: "Write a stack file for what there is already",
		Long: `Write a stack file for what there is already: from a compose file, from a
Procfile, or, with a dot, from what the folder and those in it look like.

What a stack file has no place for is left out, and said, each with its line and
what to do instead.`,
		Example: "  msctl import compose\n  msctl import procfile\n  msctl import . --dry-run",
		Args:    cobra.MatchAll(atLeast(1, "compose, procfile or a dot"), cobra.MaximumNArgs(2)),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return []string{"compose", "procfile", "."}, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(c *cobra.Command, args []string) error {
			file := ""
			if len(args) > 1 {
				file = args[1]
			}
			return a.importFrom(c.Context(), args[0], file, o)
		},
	}
	o.flags(c)
	return c
}

// composeFiles are what docker compose looks for, in its order.
var composeFiles = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}

func (a *app) importFrom(ctx context.Context, what, file string, o showOptions) error {
	root, err := filepath.Abs(a.dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(root, stack.FileName)); err == nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("there is a %s already", stack.FileName), hint: "nothing was written; it is not written over"}
	}
	var text []byte
	switch what {
	case "compose":
		text, err = a.importCompose(root, file)
	case "procfile":
		text, err = importProcfile(root, file)
	case ".":
		text, err = a.importFolder(root)
	default:
		return usagef("want compose, procfile or a dot, got %q", what)
	}
	if err != nil {
		return err
	}
	plan := []templates.Change{{Path: stack.FileName, Action: templates.Create, To: text}}
	if err := a.carryOut(ctx, root, plan, o); err != nil || o.dryRun || o.diff || o.json {
		return err
	}
	a.note("wrote %s", filepath.Join(root, stack.FileName))
	a.note("next: msctl doctor, msctl up")
	return nil
}

func (a *app) importCompose(root, file string) ([]byte, error) {
	names := composeFiles
	if file != "" {
		names = []string{file}
	}
	file, data, err := readFirst(root, names)
	if err != nil {
		return nil, err
	}
	text, dropped, err := stack.ImportCompose(file, data, environ())
	if err != nil {
		return nil, &exitError{code: exitFailed, err: err}
	}
	if len(dropped) > 0 {
		a.note("left out of the stack file:")
		dropped.Format(a.err)
	}
	return text, nil
}

func importProcfile(root, file string) ([]byte, error) {
	file, data, err := readFirst(root, []string{firstOf(file, "Procfile")})
	if err != nil {
		return nil, err
	}
	return stack.ImportProcfile(file, data)
}

// readFirst reads the first of the files that is there.
func readFirst(root string, names []string) (string, []byte, error) {
	for _, name := range names {
		if !filepath.IsAbs(name) {
			name = filepath.Join(root, name)
		}
		data, err := os.ReadFile(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return name, data, err
		}
	}
	return "", nil, usagef("there is no %s in %s", strings.Join(names, ", no "), root)
}

// importFolder makes a stack file of what the folder holds: a compose file, a
// Procfile, or services that are told by their files.
func (a *app) importFolder(root string) ([]byte, error) {
	for _, name := range composeFiles {
		if _, err := os.Stat(filepath.Join(root, name)); err == nil {
			a.note("from %s", name)
			return a.importCompose(root, name)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "Procfile")); err == nil {
		a.note("from Procfile")
		return importProcfile(root, "")
	}
	disk := os.DirFS(root)
	found := look(disk, ".", filepath.Base(root))
	for _, pattern := range []string{"*", "services/*", "apps/*"} {
		dirs, err := fs.Glob(disk, pattern)
		if err != nil {
			return nil, err
		}
		for _, dir := range dirs {
			if i, err := fs.Stat(disk, dir); err == nil && i.IsDir() && !strings.HasPrefix(path.Base(dir), ".") {
				found = append(found, look(disk, dir, path.Base(dir))...)
			}
		}
	}
	if len(found) == 0 {
		return nil, &exitError{code: exitFailed, err: fmt.Errorf("nothing in %s looks like a service", root), hint: "msctl new service writes one; a stack file is short to write by hand, too"}
	}
	for _, f := range found {
		a.note("%s: %s, from %s", f.Name, f.Command, f.Why)
	}
	return stack.ImportFound(found)
}

// look tells a service by the files of its folder.
func look(disk fs.FS, dir, name string) []stack.Found {
	has := func(file string) bool {
		_, err := fs.Stat(disk, path.Join(dir, file))
		return err == nil
	}
	f := stack.Found{Name: name, Dir: dir}
	switch {
	case has("go.mod") && has("main.go"):
		f.BuildCommand, f.Command, f.Why = "go build -o $BIN .", "$BIN", "go.mod"
	case has("package.json"):
		script := npmScript(disk, path.Join(dir, "package.json"))
		if script == "" {
			return nil
		}
		f.Setup, f.Command, f.Why = "npm install", "npm run "+script, "package.json"
		if has("package-lock.json") {
			f.Setup = "npm ci"
		}
	case has("manage.py"):
		f.Command, f.Why = "python3 manage.py runserver --noreload $PORT", "manage.py"
	default:
		at := slices.IndexFunc([]string{"app.py", "main.py"}, has)
		if at < 0 {
			return nil
		}
		f.Why = []string{"app.py", "main.py"}[at]
		f.Command = "python3 " + f.Why
	}
	if strings.HasPrefix(f.Command, "python3") {
		f.Setup, f.Command = pythonSetup(has, f.Command)
	}
	return []stack.Found{f}
}

// pythonSetup is how a Python service gets its packages, and is run with them.
func pythonSetup(has func(string) bool, command string) (setup, run string) {
	switch {
	case has("uv.lock"):
		return "uv sync --frozen", "uv run " + strings.Replace(command, "python3", "python", 1)
	case has("requirements.txt"):
		return "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt", ".venv/bin/" + strings.Replace(command, "python3", "python", 1)
	}
	return "", command
}

// npmScript is the script that starts a package, "" if none seems to.
func npmScript(disk fs.FS, file string) string {
	data, err := fs.ReadFile(disk, file)
	if err != nil {
		return ""
	}
	var p struct {
		Scripts map[string]string `json:"scripts"`
	}
	if json.Unmarshal(data, &p) != nil {
		return ""
	}
	for _, name := range []string{"dev", "start"} {
		if p.Scripts[name] != "" {
			return name
		}
	}
	return ""
}
