package stack

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Watched lists the files and folders, as absolute paths, whose changes
// concern the service: those of watch or, without it, the folder that the
// service runs in. Code in Go has its module in place of that, with the local
// modules that go.mod and go.work name, which are read by this call: what is
// watched changes with them. A container has the folder that it is built from.
// Nothing is watched for a service that is not reloaded.
func (s *Service) Watched() []string {
	switch {
	case s.Reload.Mode == ReloadNone, len(s.Endpoints) > 0:
		return nil
	case s.Watch != nil:
		return slices.Clone(s.Watch)
	case s.Kind == KindJob:
		return nil
	case s.Container != nil && s.Container.Build != nil:
		return []string{s.Container.Build.Context}
	case s.Container != nil:
		return nil
	case s.isGo():
		return goFolders(s.Dir)
	}
	return []string{s.Dir}
}

// hasSource reports whether a process runs what lies in its folder. One whose
// folder was not chosen and whose command is the name of a program only, such
// as redis-server, does not.
func (s *Service) hasSource() bool {
	_, chosen := s.Keys["dir"]
	return chosen || s.Container != nil || s.Command.IsZero() || !s.BuildCommand.IsZero() || !s.Setup.IsZero() ||
		s.Command.names(toolchains) || s.Command.runsFileOf(s.Dir)
}

var goTool = words("go")

func (s *Service) isGo() bool {
	return s.Command.names(goTool) || s.BuildCommand.names(goTool) || isFile(filepath.Join(s.Dir, "go.mod"))
}

// goFolders are the folders that a build in dir reads: the module that dir is
// in, those that replace another by their path, and those of the workspace.
func goFolders(dir string) []string {
	module, ok := above(dir, "go.mod")
	if !ok {
		return []string{dir}
	}
	modules := []string{module}
	if work, ok := above(dir, "go.work"); ok {
		file := filepath.Join(work, "go.work")
		modules = append(modules, replacements(file)...)
		for _, use := range directives(file, "use") {
			modules = append(modules, resolve(work, use[0]))
		}
	}
	folders := slices.Clone(modules)
	for _, m := range modules {
		folders = append(folders, replacements(filepath.Join(m, "go.mod"))...)
	}
	return outermost(folders)
}

// replacements are the folders that a go.mod or go.work has in place of modules.
func replacements(file string) []string {
	var out []string
	for _, words := range directives(file, "replace") {
		arrow := slices.Index(words, "=>")
		if arrow < 0 || arrow+1 >= len(words) {
			continue
		}
		if to := words[arrow+1]; isPath(to) {
			out = append(out, resolve(filepath.Dir(file), to))
		}
	}
	return out
}

// isPath tells a path from a module, as the go command does.
func isPath(s string) bool {
	return s == "." || s == ".." || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../") || filepath.IsAbs(s)
}

var goWord = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`|\\S+")

// directives are the lines of one kind in a go.mod or go.work file, as words.
// A file that is not there or makes no sense has none: to complain of it is
// the go command's.
func directives(file, verb string) [][]string {
	data, err := readFile(file)
	if err != nil {
		return nil
	}
	var out [][]string
	block := ""
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "//")
		words := goWord.FindAllString(line, -1)
		switch {
		case len(words) == 0:
			continue
		case words[0] == ")":
			block = ""
			continue
		case len(words) == 2 && words[1] == "(":
			block = words[0]
			continue
		case block == "":
			if words[0] != verb || len(words) == 1 {
				continue
			}
			words = words[1:]
		case block != verb:
			continue
		}
		for n, w := range words {
			if text, err := strconv.Unquote(w); err == nil {
				words[n] = text
			}
		}
		out = append(out, words)
	}
	return out
}

// above finds the nearest folder from dir upwards that holds a file.
func above(dir, file string) (string, bool) {
	for {
		if isFile(filepath.Join(dir, file)) {
			return dir, true
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", false
		}
		dir = up
	}
}

func isFile(path string) bool {
	i, err := os.Stat(path)
	return err == nil && i.Mode().IsRegular()
}

// outermost drops the folders that lie in others.
func outermost(folders []string) []string {
	slices.Sort(folders)
	folders = slices.Compact(folders)
	return slices.DeleteFunc(slices.Clone(folders), func(f string) bool {
		return slices.ContainsFunc(folders, func(o string) bool {
			rel, err := filepath.Rel(o, f)
			return err == nil && rel != "." && filepath.IsLocal(rel)
		})
	})
}
