package watch

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// git runs git in a folder, with no configuration but its own.
func git(t *testing.T, dir string, stdin []byte, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("MSCTL_TEST_REQUIRE") == "all" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "core.excludesFile=", "-c", "user.name=n", "-c", "user.email=e", "-c", "gc.auto=0"}, args...)...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (args[0] != "check-ignore" || !errors.As(err, &exit) || exit.ExitCode() != 1) { // 1: none is ignored
		if exit != nil {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		t.Fatal("git", args, err)
	}
	return out
}

// everything returns all that is in dir but .git, from dir, sorted.
func everything(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.Name() == ".git" {
			return fs.SkipDir
		}
		if rel, inside := within(dir, path); inside {
			all = append(all, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// gitIgnored returns which of the paths in dir git ignores.
func gitIgnored(t *testing.T, dir string, all []string) map[string]bool {
	t.Helper()
	out := git(t, dir, []byte(strings.Join(all, "\x00")), "check-ignore", "--no-index", "-z", "--stdin")
	paths := map[string]bool{}
	for path := range strings.SplitSeq(string(out), "\x00") {
		paths[path] = true
	}
	return paths
}

// layersIgnored returns which of them .gitignore files ignore, as a walk finds it.
func layersIgnored(t *testing.T, dir string, all []string) map[string]bool {
	t.Helper()
	layers := map[string]*layer{}
	out := map[string]bool{}
	for _, rel := range append([]string{"."}, all...) {
		path, up := filepath.Join(dir, rel), filepath.Dir(rel)
		st, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if rel != "." && (out[up] || layers[up].match(path, st.IsDir()) == ignored) {
			out[rel] = true
		}
		if st.IsDir() {
			layers[rel] = &layer{dir: path, outer: layers[up], patterns: readGitignore(path)}
		}
	}
	return out
}

func TestGitignoreAsGit(t *testing.T) {
	dir := folderOf(t)
	git(t, dir, nil, "init", "-q")
	for _, tt := range []struct {
		name   string
		ignore map[string]string // by folder
		files  []string
	}{
		{"names", map[string]string{"": "a\nb.log\n"}, []string{"a", "b.log", "d/a/x", "d/b.log", "d/aa", "ab"}},
		{"endings", map[string]string{"": "*.log\n*~\n"}, []string{"x.log", ".log", "d/y.log", "log", "x~", "x.logs"}},
		{"folders alone", map[string]string{"": "out/\n"}, []string{"out/x", "d/out", "e/out/y"}},
		{"anchored", map[string]string{"": "/out\nd/e\n"}, []string{"out", "x/out", "d/e/f", "x/d/e"}},
		{"negation", map[string]string{"": "*.log\n!keep.log\n"}, []string{"a.log", "keep.log", "d/keep.log"}},
		{"not below an ignored folder", map[string]string{"": "d/\n!d/keep\n"}, []string{"d/keep", "d/x"}},
		{"below a folder's content", map[string]string{"": "/d/*\n!/d/keep\n"}, []string{"d/keep/x", "d/x"}},
		{"the last one counts", map[string]string{"": "!x\nx\n!x\nx\n"}, []string{"x"}},
		{"deeper files win", map[string]string{"": "*.py\n", "d": "!*.py\n", "d/e": "x.py\n"}, []string{"a.py", "d/a.py", "d/e/x.py", "d/e/y.py"}},
		{"relative to their folder", map[string]string{"d": "/x\ny/z\n"}, []string{"x", "d/x", "d/e/x", "y/z", "d/y/z"}},
		{"leading stars", map[string]string{"": "**/x\n**/d/e\n"}, []string{"x", "a/b/x", "d/e", "a/d/e/f"}},
		{"trailing stars", map[string]string{"": "d/**\n"}, []string{"d/x", "d/e/f", "e/d/x"}},
		{"stars between", map[string]string{"": "a/**/b\n"}, []string{"a/b", "a/x/b", "a/x/y/b", "ab", "a/bb"}},
		{"stars that are none", map[string]string{"": "a**/b\n**c/d\nx/**y/z\n"}, []string{"a/b", "ax/b", "ax/y/b", "a/y/b", "cc/d", "q/cc/d", "x/y/z", "x/ay/z", "x/a/y/z"}},
		{"one star", map[string]string{"": "a/*/c\n/*.o\nd/*\n"}, []string{"a/b/c", "a/b/b/c", "x.o", "y/x.o", "d/e/f"}},
		{"question marks", map[string]string{"": "?\na?c\nd/?\n"}, []string{"x", "abc", "ac", "a/c", "d/ee", "d/e"}},
		{"sets", map[string]string{"": "[abc]1\n[!abc]2\n[a-c]3\n[]]4\n[a-]5\n[[:digit:]]6\n[\\]]7\n[^a]8\n"}, []string{"a1", "d1", "a2", "d2", "b3", "d3", "]4", "-5", "a5", "b5", "76", "x6", "]7", "a8", "b8"}},
		{"sets that are broken", map[string]string{"": "[ab\n[a\n[[:nope:]]x\n[[:digit]x\na[\n[]\n"}, []string{"[ab", "[a", "ax", "1x", ":x", "a[", "a", "[]"}},
		{"escapes", map[string]string{"": "\\!a\n\\#b\n\\*c\nd\\ \ne\\\n\\f\n"}, []string{"!a", "#b", "*c", "xc", "d ", "d", "e\\", "e", "f"}},
		{"comments and blanks", map[string]string{"": "# a\n\n   \n\t\n#b\n"}, []string{"# a", "b", "#b", "a"}},
		{"trailing spaces", map[string]string{"": "a  \nb\\ \nc \\ \n d\n"}, []string{"a", "a  ", "b ", "b", "c  ", "c", " d", "d"}},
		{"returns and a mark", map[string]string{"": "\ufeffa\r\nb/\r\n*.c\r\n"}, []string{"a", "b/x", "x.c"}},
		{"slashes alone", map[string]string{"": "/\n!\n//\n!/\n//x\n"}, []string{"x", "d/x"}},
		{"all but", map[string]string{"": "*\n!*/\n!*.go\n"}, []string{"a.go", "a.c", "d/a.go", "d/a.c"}},
		{"all but a folder", map[string]string{"": "/*\n!/d\n/d/*\n!/d/e\n"}, []string{"a", "d/e/f", "d/g"}},
		{"in the middle", map[string]string{"": "d*r/x\n*/y/*.z\n"}, []string{"dir/x", "dr/x", "d/r/x", "q/y/a.z", "y/a.z", "q/q/y/a.z"}},
		{"no end of line", map[string]string{"": "a\nb"}, []string{"a", "b", "c"}},
	} {
		files(t, dir, prefixed(tt.name, tt.files)...)
		for at, text := range tt.ignore {
			mkdir(t, filepath.Join(dir, tt.name, at))
			write(t, filepath.Join(dir, tt.name, at, ".gitignore"), text)
		}
	}
	asGit(t, dir)
}

func prefixed(dir string, names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, dir+"/"+n)
	}
	return out
}

// asGit compares what is ignored in a repository to what git says.
func asGit(t *testing.T, dir string) {
	t.Helper()
	all := everything(t, dir)
	got, want := layersIgnored(t, dir, all), gitIgnored(t, dir, all)
	for _, path := range all {
		if got[path] != want[path] {
			sub, _, _ := strings.Cut(path, "/")
			text, _ := os.ReadFile(filepath.Join(dir, sub, ".gitignore"))
			t.Errorf("%q with %q: ignored %v, git says %v", path, text, got[path], want[path])
		}
	}
}

// TestGeneratedPatternsAsGit asks git about patterns that nobody would write.
func TestGeneratedPatternsAsGit(t *testing.T) {
	t.Parallel()
	dir := folderOf(t)
	git(t, dir, nil, "init", "-q")
	parts := []string{"a", "b", "ab", "*", "**", "?", "/", "/", "[ab]", "[!a]", "[a-", "]", "!", "\\", " ", "-", "**/", "/**", "[[:alpha:]]", "."}
	names := []string{"a", "b/a", "b/b", "ab/a/b", "ab/b", "ba", "a.b", "a b", "aab/ab/a", "]", "a-", "bb ", "-/a"}
	random := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	for i := range 30 {
		sub := fmt.Sprintf("d%d", i)
		files(t, dir, prefixed(sub, names)...)
		var lines []string
		for range 1 + random.IntN(3) {
			line := ""
			for range 1 + random.IntN(5) {
				line += parts[random.IntN(len(parts))]
			}
			lines = append(lines, line)
		}
		write(t, filepath.Join(dir, sub, ".gitignore"), strings.Join(lines, "\n"))
	}
	asGit(t, dir)
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"*.log", "!/a/**/b", "[[:alpha:]-z]", "a**b/**", `\ `, "**/", "[", "d/"} {
		f.Add(seed, "a/b/c.log")
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		if len(path) > maxPattern {
			return
		}
		p := parsePatterns(text)
		p.match(path, true)
		p.match(path, false)
		p.below(path)
		d := parseDockerignore(text)
		d.ignored(path)
		d.below(path)
		// What floats matches a name in any folder.
		name := path[strings.LastIndexByte(path, '/')+1:]
		if !strings.Contains(text, "/") && p.match(name, false) != p.match("x/"+name, false) {
			t.Errorf("%q and %q in a folder differ for %q", name, name, text)
		}
	})
}

func TestDockerignore(t *testing.T) {
	for _, tt := range []struct {
		text    string
		ignored string
		kept    string
	}{
		{"node_modules\n", "node_modules node_modules/x/y", "a/node_modules"},
		{"**/node_modules\n", "node_modules a/b/node_modules/x", "node_module"},
		{"*\n!src\n!package.json\n", "x x/y README", "src src/a/b package.json"},
		{"*\n!src/app\n", "src src/x", "src/app src/app/y"},
		{"*.md\n!README.md\n", "x.md", "README.md a/x.md"},
		{"# a\n  b  \n/c/\n", "b c c/d", "a d/c"},
		{"a/**/z\n", "a/z a/b/c/z a/b/z/q", "z a/b"},
		{"docs/**\n", "docs/x docs/a/b", "doc"},
		{"temp?\n[ab]c\n", "temp1 ac bc/x", "temp temp12 cc"},
	} {
		d := parseDockerignore(tt.text)
		for _, p := range strings.Fields(tt.ignored) {
			if !d.ignored(p) {
				t.Errorf("%q does not ignore %s", tt.text, p)
			}
		}
		for _, p := range strings.Fields(tt.kept) {
			if d.ignored(p) {
				t.Errorf("%q ignores %s", tt.text, p)
			}
		}
	}
	if d := parseDockerignore("*\n!src/app\n"); !d.below("src") || d.below("src/x") || d.below("lib") {
		t.Error("what may be taken back below a folder is not known")
	}
}
