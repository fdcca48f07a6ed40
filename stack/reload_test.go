package stack

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommandsThatReloadByThemselves(t *testing.T) {
	dir := filepath.Dir(write(t, map[string]string{
		"package.json": `{"scripts": {"dev": "vite", "nested": "npm run -s dev", "many": "tsc && node --watch a.js", "start": "node a.js",
			"loop": "npm run loop", "number": 1, "python": "uv run fastapi dev", "vite": "vite build"}}`,
		"web/package.json": `{"scripts": {"dev": "next dev", "start": "next start"}}`,
		"odd/package.json": `{"scripts": [`,
	}))
	yes := []string{
		"vite --port $PORT", "npx vite", "npx --yes vite dev", "node_modules/.bin/vite", "yarn next dev", "pnpm exec next dev", "npm exec -- vite",
		"nodemon server.js", "node --watch server.js", "node --watch-path=src server.js", "tsx watch src/main.ts", "bun --hot a.ts", "deno run --watch a.ts",
		"uvicorn main:app --reload --port $PORT", "python -m uvicorn main:app --reload", "/usr/bin/python3.12 -u -m flask run --debug", "uv run --frozen uvicorn a:b --reload",
		"flask --app x run --debug", "flask run --reload", "fastapi dev main.py", "poetry run fastapi dev", "python manage.py runserver $PORT", "gunicorn --reload a:b",
		"air", "go tool air", "air -c .air.toml", "cargo watch -x run", "cargo-watch -x run", "watchexec -r -- go run .", "ls *.go | entr -r go run .",
		"FOO=1 exec env BAR=2 nodemon x.js", "cd web && vite", `sh -c "nodemon x.js"`, "concurrently 'vite' 'tsc -w'",
		"npm run dev", "npm run nested", "npm run many", "npm --silent run dev -- --host", "pnpm dev", "pnpm run dev", "yarn dev", "yarn run dev", "bun run dev", "npm run python",
		"npm --prefix web run dev", "yarn --cwd web dev", "pnpm -C web dev",
	}
	no := []string{
		"vite build", "vite preview", "next start", "node server.js", "python main.py --watch-dir=x", "uvicorn main:app", "flask run", "fastapi run", "fastapi dev --no-reload",
		"python manage.py runserver --noreload", "python manage.py migrate", "go run .", "cargo run", "gunicorn a:b", "./air.sh", "tsx src/main.ts",
		"npm start", "npm run start", "npm run loop", "npm run number", "npm run none", "npm install", "npm dev", "npm", "yarn vite", "npm run",
		"npm --prefix web start", "npm --prefix odd run dev", "npm --prefix none run dev", "npm --prefix", "pnpm --filter web dev", "echo vite dev",
	}
	for _, list := range []struct {
		commands []string
		want     bool
	}{{yes, true}, {no, false}} {
		for _, line := range list.commands {
			for _, c := range []Command{{Line: line}, {Args: []string{"sh", "-ec", line}}} {
				l := newLoader(dir, filepath.Join(dir, FileName), nil)
				if got := l.reloadsItself(&Service{Dir: dir, Command: c}); got != list.want {
					t.Errorf("%q: got %v", line, got)
				}
			}
		}
	}
}

// A package.json that keeps a service from being watched is followed as the
// stack file is. Others are sources, whose change reloads their service.
func TestThePackageFileIsOneOfTheStacks(t *testing.T) {
	file := write(t, map[string]string{
		FileName:           "services: {web: {dir: web, command: npm run dev}, api: {dir: api, command: npm start}, node: {command: node main.js}}",
		"web/package.json": `{"scripts": {"dev": "vite"}}`,
		"api/package.json": `{"scripts": {"start": "node main.js"}}`,
		"package.json":     `{}`,
	})
	s, err := Load(Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{file, filepath.Join(s.Dir, ".env"), filepath.Join(s.Dir, "web", "package.json")}
	if diff := cmp.Diff(want, s.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for name, mode := range map[string]string{"web": ReloadNone, "api": ReloadSwap, "node": ReloadSwap} {
		if sv, _ := s.Service(name); sv.Reload.Mode != mode {
			t.Errorf("%s: got %s, want %s", name, sv.Reload.Mode, mode)
		}
	}
}

func TestWhatIsWatched(t *testing.T) {
	file := write(t, map[string]string{
		FileName: `
services:
  python: {dir: services/python, command: python -m app}
  unknown: {dir: services/python, command: redis-server}
  named: {dir: services/python, command: python -m app, watch: [src, ../shared, "/abs"]}
  script: {command: python3 main.py}
  words: {command: caddy run --config Caddyfile}
  path: {command: bin/server --port $PORT}
  argv: {command: [uv, run, app]}
  built: {build_command: make, command: $BIN}
  set-up: {setup: make deps, command: serve}
  program: {command: redis-server --dir data}
  off: {dir: services/python, command: python -m app, watch: off}
  listed-none: {dir: services/python, command: python -m app, watch: []}
  itself: {dir: services/python, command: uvicorn a:b --reload}
  none: {dir: services/python, command: python -m app, reload: none, watch: src}
  job: {dir: services/python, command: python -m app, kind: job}
  job-named: {dir: services/python, command: python -m app, kind: job, watch: src}
  elsewhere: {endpoints: ["127.0.0.1:1"]}
  image: {image: redis}
  image-built: {build: services/python}
  go: {dir: services/go, build_command: go build -o $BIN ./cmd/go, command: $BIN}
  go-run: {dir: services/go/cmd/go, command: go run .}
  go-make: {dir: services/go, build_command: make build, command: $BIN}
  go-asset: {dir: services/go/cmd/go, command: npm start}
  work: {dir: work/a, command: go run .}
  alone: {dir: services/python, command: go run .}
`,
		"services/python/x.py": "", "Caddyfile": "", "data/dump.rdb": "", "work/b/go.mod": "module b", "work/c/go.mod": "module c",
		"services/go/go.mod":         "module go\n\nrequire x v1.0.0\nreplace x => ../lib // ours\nreplace (\n\ty v1.0.0 => example.com/y v1.2.3\n\tz => \"../odd name\"\n\tin => ./internal/in\n)\nexclude w v1.0.0\n",
		"services/go/cmd/go/main.go": "package main",
		"work/go.work":               "go 1.26\n\nuse (\n\t./a\n\t./b // two\n)\nuse ./c\nreplace q => ../q\n",
		"work/a/go.mod":              "module a\nreplace r => ../../r\n",
	})
	s, err := Load(Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"python": "services/python", "unknown": "services/python", "named": "services/python/src services/shared /abs",
		"script": ".", "words": ".", "path": ".", "argv": ".", "built": ".", "set-up": ".", "program": "",
		"off": "", "listed-none": "", "itself": "", "none": "", "job": "", "job-named": "services/python/src", "elsewhere": "", "image": "", "image-built": "services/python",
		"go": "services/go services/lib services/odd name", "go-run": "services/go services/lib services/odd name", "go-make": "services/go services/lib services/odd name",
		"go-asset": "services/go/cmd/go", "work": "q r work/a work/b work/c", "alone": "services/python",
	}
	got := map[string]string{}
	for i := range s.Services {
		var paths []string
		for _, p := range s.Services[i].Watched() {
			if rel, err := filepath.Rel(s.Dir, p); err == nil && filepath.IsLocal(rel) {
				p = filepath.ToSlash(rel)
			}
			paths = append(paths, p)
		}
		got[s.Services[i].Name] = strings.Join(paths, " ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("watched (-want +got):\n%s", diff)
	}

	// What is written for it says the same.
	out, err := s.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load(Options{File: write(t, map[string]string{FileName: string(out)})})
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Services {
		if a, b := s.Services[i].Watched(), again.Services[i].Watched(); !slices.Equal(a, b) {
			t.Errorf("%s: %v became %v", s.Services[i].Name, a, b)
		}
	}
}

func FuzzGoFolders(f *testing.F) {
	f.Add("module m\nreplace a => ../a\n", "use (\n\t./b\n)\n")
	f.Add("replace (\n=>\n", "use \"\n)\nuse .")
	f.Fuzz(func(t *testing.T, mod, work string) {
		dir := t.TempDir()
		for name, text := range map[string]string{"go.mod": mod, "go.work": work} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		folders := goFolders(dir)
		inside := slices.ContainsFunc(folders, func(p string) bool {
			rel, err := filepath.Rel(p, dir)
			return err == nil && filepath.IsLocal(rel)
		})
		if !inside {
			t.Errorf("%v leaves out the module itself", folders)
		}
	})
}

func FuzzReloadsItself(f *testing.F) {
	f.Add("npm run dev", `{"scripts": {"dev": "vite"}}`)
	f.Add("uv run -- python -m", `{`)
	f.Add("yarn a", `{"scripts": {"a": "yarn a && yarn b", "b": "yarn a | yarn b"}}`)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, line, manifest string) {
		if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(manifest), 0o644); err != nil {
			t.Fatal(err)
		}
		l := newLoader(dir, filepath.Join(dir, FileName), nil)
		l.reloadsItself(&Service{Dir: dir, Command: Command{Line: line}})
		l.reloadsItself(&Service{Dir: dir, Command: Command{Args: strings.Fields(line)}})
	})
}
