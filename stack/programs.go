package stack

import (
	"encoding/json"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// What a command says about its service: whether it runs sources, and whether
// what it runs reloads them by itself. Both are guesses at the words; watch and
// reload say it where they are wrong.

// calls are the simple commands that a command is made of, as words. Quotes
// and variables mean nothing here.
func (c Command) calls() [][]string {
	line := c.Line
	if len(c.Args) > 0 {
		if !(len(c.Args) == 3 && shells[path.Base(c.Args[0])] && strings.HasPrefix(c.Args[1], "-")) {
			return [][]string{c.Args}
		}
		line = c.Args[2]
	}
	var out [][]string
	for call := range strings.FieldsFuncSeq(line, func(r rune) bool { return strings.ContainsRune(";|&\n()", r) }) {
		if words := strings.Fields(strings.NewReplacer(`"`, "", "'", "").Replace(call)); len(words) > 0 {
			out = append(out, words)
		}
	}
	return out
}

var shells = map[string]bool{"sh": true, "bash": true, "dash": true, "zsh": true}

// program is the name of the program that a word names: "python" for
// /usr/bin/python3.12.
func program(word string) string {
	name := strings.TrimSuffix(path.Base(filepath.ToSlash(word)), ".exe")
	if plain := strings.TrimRight(name, "0123456789."); plain != "" {
		return plain
	}
	return name
}

// toolchains run what is written in the languages that services are written in.
var toolchains = words(`python uv poetry pipenv pdm hatch rye uvicorn gunicorn hypercorn granian flask fastapi litestar celery
	rq dramatiq streamlit django-admin node npm npx pnpm yarn bun bunx deno tsx ts-node vite next nuxt nest go air cargo
	ruby bundle rails rackup puma php composer java mvn mvnw gradle gradlew sbt dotnet mix elixir swift dart make just task`)

func words(list string) map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(list) {
		out[w] = true
	}
	return out
}

// names reports whether a word of the command names a program of names.
func (c Command) names(names map[string]bool) bool {
	return slices.ContainsFunc(c.calls(), func(call []string) bool {
		return slices.ContainsFunc(call, func(w string) bool { return names[program(w)] })
	})
}

// runsFileOf reports whether the command runs a program by its path in dir, or
// a word of it is a file there.
func (c Command) runsFileOf(dir string) bool {
	return slices.ContainsFunc(c.calls(), func(call []string) bool {
		at := slices.IndexFunc(call, func(w string) bool { return filepath.IsLocal(w) && isFile(filepath.Join(dir, w)) })
		return at >= 0 || filepath.IsLocal(call[0]) && strings.ContainsRune(call[0], '/')
	})
}

// reloader is a program that reloads what it runs when it is called with one
// of with (always when there is none) and none of without.
type reloader struct{ with, without []string }

var reloaders = map[string]reloader{
	// Node
	"vite": {without: []string{"build", "preview", "optimize"}}, "next": {with: []string{"dev"}}, "nuxt": {with: []string{"dev"}}, "nuxi": {with: []string{"dev"}},
	"astro": {with: []string{"dev"}}, "remix": {with: []string{"dev", "vite:dev"}}, "react-router": {with: []string{"dev"}}, "ng": {with: []string{"serve"}},
	"vue-cli-service": {with: []string{"serve"}}, "react-scripts": {with: []string{"start"}}, "webpack": {with: []string{"serve"}}, "webpack-dev-server": {},
	"parcel": {without: []string{"build"}}, "gatsby": {with: []string{"develop"}}, "wrangler": {with: []string{"dev"}}, "nest": {with: []string{"--watch"}},
	"nodemon": {}, "node-dev": {}, "ts-node-dev": {}, "tsnd": {}, "tsx": {with: []string{"watch", "--watch"}},
	"node": {with: []string{"--watch", "--watch-path"}}, "bun": {with: []string{"--watch", "--hot"}}, "deno": {with: []string{"--watch", "--watch-hmr"}},
	// Python
	"uvicorn": {with: []string{"--reload"}}, "gunicorn": {with: []string{"--reload"}}, "hypercorn": {with: []string{"--reload"}}, "granian": {with: []string{"--reload"}},
	"flask": {with: []string{"--debug", "--reload"}, without: []string{"--no-reload"}}, "fastapi": {with: []string{"dev"}, without: []string{"--no-reload"}},
	"litestar": {with: []string{"--reload", "-r"}}, "sanic": {with: []string{"--dev", "-d", "--reload", "-r", "--auto-reload"}},
	"manage.py": {with: []string{"runserver"}, without: []string{"--noreload"}}, "django-admin": {with: []string{"runserver"}, without: []string{"--noreload"}},
	"watchmedo": {}, "watchfiles": {}, "jurigged": {},
	// Go, Rust, .NET, Elixir, Ruby, PHP, Java, and for anything
	"air": {}, "wgo": {}, "gow": {}, "CompileDaemon": {}, "cargo": {with: []string{"watch"}}, "cargo-watch": {}, "bacon": {}, "dotnet": {with: []string{"watch"}},
	"mix": {with: []string{"phx.server"}}, "rails": {with: []string{"server", "s"}}, "php": {with: []string{"-S"}}, "mvn": {with: []string{"quarkus:dev"}},
	"watchexec": {}, "entr": {}, "reflex": {},
}

func (r reloader) is(args []string) bool {
	has := func(any []string) bool {
		return slices.ContainsFunc(args, func(a string) bool {
			flag, _, _ := strings.Cut(a, "=")
			return slices.Contains(any, flag)
		})
	}
	return (r.with == nil || has(r.with)) && !has(r.without)
}

// Programs that run the program after them, with the words that have to be in between.
var wrappers = map[string][]string{
	"sh": nil, "bash": nil, "exec": nil, "env": nil, "command": nil, "time": nil, "nohup": nil, "npx": nil, "bunx": nil, "cross-env": nil, "concurrently": nil,
	"uv": {"run"}, "poetry": {"run"}, "pipenv": {"run"}, "pdm": {"run"}, "hatch": {"run"}, "rye": {"run"}, "bundle": {"exec"},
	"npm": {"exec", "x"}, "pnpm": {"exec", "dlx"}, "yarn": {"exec", "dlx"}, "bun": {"x"}, "go": {"tool"},
}

// reloadsItself reports whether the service's command watches its sources, and
// reloads them: then nothing is left to do. Scripts of a package.json are read.
func (l *loader) reloadsItself(s *Service) bool {
	if s.Container != nil {
		return false
	}
	n := npm{manifests: map[string]map[string]any{}, seen: map[[2]string]bool{}}
	if !n.reloads(s.Command, s.Dir) {
		return false
	}
	// What the manifests say keeps the service from being watched, so they are
	// followed with the stack file. Of others they are sources.
	for _, file := range slices.Sorted(maps.Keys(n.manifests)) {
		if !slices.Contains(l.stack.Files, file) {
			l.stack.Files = append(l.stack.Files, file)
		}
	}
	return true
}

// npm follows a command through scripts of package.json files.
type npm struct {
	manifests map[string]map[string]any // scripts, by file
	seen      map[[2]string]bool        // folder and script
}

func (n npm) reloads(c Command, dir string) bool {
	return slices.ContainsFunc(c.calls(), func(call []string) bool { return n.callReloads(call, dir) })
}

func (n npm) callReloads(call []string, dir string) bool {
	call = unwrapped(call)
	if len(call) == 0 {
		return false
	}
	name, args := program(call[0]), call[1:]
	if r, ok := reloaders[name]; ok && r.is(args) {
		return true
	}
	if !packageManagers[name] {
		return false
	}
	folder, script, rest := scriptCall(name, args)
	dir = resolve(dir, folder)
	switch at := [2]string{dir, script}; {
	case script == "" || n.seen[at]:
		return false
	default:
		n.seen[at] = true
	}
	if line, ok := n.script(dir, script); ok {
		return n.reloads(Command{Line: line}, dir)
	}
	// yarn vite, pnpm vite: a program of node_modules/.bin
	return name != "npm" && n.reloads(Command{Args: append([]string{script}, rest...)}, dir)
}

func (n npm) script(dir, name string) (string, bool) {
	file := filepath.Join(dir, "package.json")
	scripts, ok := n.manifests[file]
	if !ok {
		var p struct {
			Scripts map[string]any `json:"scripts"`
		}
		if data, err := readFile(file); err == nil {
			_ = json.Unmarshal(data, &p) // one that makes no sense has no scripts
		}
		scripts = p.Scripts
		n.manifests[file] = scripts
	}
	line, ok := scripts[name].(string)
	return line, ok
}

// unwrapped takes off what only leads to the program: FOO=1, exec, npx,
// uv run, python -m.
func unwrapped(call []string) []string {
	for len(call) > 0 {
		name := program(call[0])
		between, ok := wrappers[name]
		switch {
		case strings.Contains(call[0], "=") && !strings.ContainsRune(call[0], '/'):
			call = call[1:]
		case ok && between == nil:
			call = withoutFlags(call[1:])
		case ok && len(call) > 1 && slices.Contains(between, call[1]):
			call = withoutFlags(call[2:])
		case name == "python":
			if m := slices.Index(call, "-m"); m > 0 {
				return call[m+1:]
			}
			return withoutFlags(call[1:])
		default:
			return call
		}
	}
	return nil
}

func withoutFlags(words []string) []string {
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		words = words[1:]
	}
	return words
}

var packageManagers = words("npm pnpm yarn bun")

// scriptCall is what a package manager is asked to run: the folder of its
// package.json, the script, and what follows. The script is "" where it is of
// another package, or none.
func scriptCall(manager string, args []string) (folder, script string, rest []string) {
	run := false
	for n := 0; n < len(args); n++ {
		switch a := args[n]; {
		case a == "--prefix" || a == "--dir" || a == "--cwd" || a == "-C":
			if n++; n < len(args) {
				folder = args[n]
			}
		case a == "--filter" || a == "-F" || a == "--workspace" || a == "-w" || a == "workspace":
			return "", "", nil
		case strings.HasPrefix(a, "-"):
		case !run && (a == "run" || a == "run-script"):
			run = true
		case run || manager != "npm" || a == "start":
			return folder, a, args[n+1:]
		default:
			return "", "", nil
		}
	}
	return "", "", nil
}
