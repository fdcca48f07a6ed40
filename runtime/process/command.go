package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/msctl/msctl/stack"
)

// argv turns a command into what is executed, in the given environment.
//
// A plain command line is split and its variables expanded here: a shell in
// between would cost a process a service, stand between the service and its
// signals, and dash does not exec its last command. Anything that needs a
// shell gets one, which is replaced by the command where there is only one.
func argv(c stack.Command, env []string) ([]string, error) {
	if args := strings.Fields(c.Line); len(args) > 0 && bare(c.Line) && !builtin(args[0]) {
		return args, nil
	}
	vars := expand.ListEnviron(env...)
	if len(c.Args) > 0 {
		return expandArgs(c.Args, vars)
	}
	line := strings.ReplaceAll(c.Line, "$$", "$")
	file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(line), "")
	if err != nil {
		var p syntax.ParseError
		if errors.As(err, &p) {
			return nil, fmt.Errorf("command %q: %d: %s", line, p.Pos.Col(), p.Text)
		}
		return nil, fmt.Errorf("command %q: %w", line, err)
	}
	call := onlyCall(file)
	switch {
	case call == nil || len(call.Args) == 0 || builtin(call.Args[0].Lit()):
		return []string{"sh", "-c", line}, nil
	case len(call.Assigns) > 0:
		return []string{"sh", "-c", "exec env " + line}, nil
	case len(file.Stmts[0].Redirs) > 0 || !plain(call.Args):
		return []string{"sh", "-c", "exec " + line}, nil
	}
	args, err := expand.Fields(&expand.Config{Env: vars, NoUnset: false}, call.Args...)
	if err != nil {
		return nil, fmt.Errorf("command %q: %w", line, err)
	}
	if len(args) == 0 {
		return nil, fmt.Errorf("command %q is empty once its variables are expanded", line)
	}
	return args, nil
}

// bare reports whether a shell would see nothing but words in line: the usual
// case, which needs no parser.
func bare(line string) bool {
	return strings.Trim(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ./:,@%+-_") == ""
}

// expandArgs expands the variables of the list form, each argument staying one.
func expandArgs(args []string, vars expand.Environ) ([]string, error) {
	out := make([]string, 0, len(args))
	for _, a := range args {
		parts := strings.Split(a, "$$")
		for n, p := range parts {
			word, err := syntax.NewParser().Document(strings.NewReader(p))
			if err != nil {
				return nil, fmt.Errorf("argument %q: %w", a, err)
			}
			if parts[n], err = expand.Document(&expand.Config{Env: vars}, word); err != nil {
				return nil, fmt.Errorf("argument %q: %w", a, err)
			}
		}
		out = append(out, strings.Join(parts, "$"))
	}
	return out, nil
}

// onlyCall is the one simple command that file is, or nil.
func onlyCall(file *syntax.File) *syntax.CallExpr {
	if len(file.Stmts) != 1 {
		return nil
	}
	s := file.Stmts[0]
	if s.Negated || s.Background {
		return nil
	}
	call, _ := s.Cmd.(*syntax.CallExpr)
	return call
}

// plain reports whether words need nothing of a shell but quotes and variables.
func plain(words []*syntax.Word) bool {
	for _, w := range words {
		for n, part := range w.Parts {
			switch p := part.(type) {
			case *syntax.Lit:
				if strings.ContainsAny(p.Value, "*?[") || n == 0 && strings.HasPrefix(p.Value, "~") {
					return false
				}
			case *syntax.DblQuoted:
				for _, q := range p.Parts {
					switch q.(type) {
					case *syntax.Lit, *syntax.ParamExp:
					default:
						return false
					}
				}
			case *syntax.SglQuoted, *syntax.ParamExp:
			default:
				return false
			}
		}
	}
	return true
}

// builtin reports whether a shell does the command itself, so that it can
// neither be executed nor be the object of exec.
func builtin(name string) bool {
	switch name {
	case ".", ":", "alias", "bg", "break", "cd", "command", "continue", "eval", "exec", "exit", "export", "fg",
		"getopts", "hash", "jobs", "local", "read", "readonly", "return", "set", "shift", "source", "times", "trap",
		"type", "ulimit", "umask", "unalias", "unset", "wait":
		return true
	}
	return false
}

// NotFoundError is a program that is not installed.
type NotFoundError struct {
	Program string
	Dir     string // where a relative path was looked for; "" for a search of PATH
}

func (e *NotFoundError) Error() string {
	if e.Dir != "" {
		return fmt.Sprintf("%s: no such program in %s", e.Program, e.Dir)
	}
	return e.Program + " is not installed (not found in PATH)"
}

// Hint says what to install.
func (e *NotFoundError) Hint() string {
	if e.Dir != "" {
		return "check the command, or build the program with build_command"
	}
	return toolchainHint(e.Program)
}

// resolve turns a command into the program it names and its arguments.
func resolve(c stack.Command, dir string, env []string) (path string, args []string, err error) {
	if args, err = argv(c, env); err != nil {
		return "", nil, err
	}
	path, err = lookPath(args[0], dir, env)
	return path, args, err
}

// lookPath finds the program that argv[0] names, as execvp does, but with the
// PATH and from the folder of the service.
func lookPath(name, dir string, env []string) (string, error) {
	if strings.ContainsRune(name, '/') || goruntime.GOOS == "windows" && strings.ContainsRune(name, '\\') {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if executable(path) == "" {
			return "", &NotFoundError{Program: name, Dir: dir}
		}
		return executable(path), nil
	}
	for _, folder := range filepath.SplitList(lookup(env, "PATH")) {
		if folder == "" || !filepath.IsAbs(folder) {
			folder = filepath.Join(dir, folder)
		}
		if path := executable(filepath.Join(folder, name)); path != "" {
			return path, nil
		}
	}
	return "", &NotFoundError{Program: name}
}

// executable returns path, with the extension that Windows wants, when a
// program is there.
func executable(path string) string {
	names := []string{path}
	if goruntime.GOOS == "windows" {
		names = []string{path, path + ".exe", path + ".cmd", path + ".bat"}
	}
	for _, n := range names {
		if st, err := os.Stat(n); err == nil && !st.IsDir() && (goruntime.GOOS == "windows" || st.Mode()&0o111 != 0) {
			return n
		}
	}
	return ""
}

// lookup returns the last value of name in env.
func lookup(env []string, name string) string {
	for n := len(env) - 1; n >= 0; n-- {
		if k, v, ok := strings.Cut(env[n], "="); ok && k == name {
			return v
		}
	}
	return ""
}
