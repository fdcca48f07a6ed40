package watch

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxIgnoreFile is how much of an ignore file is read, in bytes.
const maxIgnoreFile = 1 << 20

const (
	gitignoreName    = ".gitignore"
	dockerignoreName = ".dockerignore"
)

// rules say what a scope does not watch. In this order: its own patterns, what
// is built in, the .gitignore files, and the .dockerignore of its folder.
type rules struct {
	dir    string
	own    *patterns
	docker dockerPatterns
	above  map[string]*layer // of folders above what is watched, by path
}

// layer is the .gitignore of a folder, above those of the folders around it.
type layer struct {
	dir      string
	outer    *layer
	patterns *patterns
}

// match returns what the innermost file says that says anything.
func (l *layer) match(path string, dir bool) verdict {
	for ; l != nil; l = l.outer {
		if rel, inside := within(l.dir, path); inside {
			if v := l.patterns.match(rel, dir); v != silent {
				return v
			}
		}
	}
	return silent
}

// fate is what becomes of a path.
type fate byte

const (
	followed fate = iota // it is watched
	taken                // the same, and so is what a .dockerignore does not want below it: it was taken back
	passed               // a folder that is not watched but for what patterns below it take back
	left                 // it is not watched
)

func (f fate) told() bool { return f == followed || f == taken }

// decide returns the fate of a path in a folder whose own fate is in, and where
// the ignore files of outer hold. A link to a folder is a folder: what a user
// wants is not to have it watched.
func (r *rules) decide(path string, outer *layer, in fate, dir bool) fate {
	rel := r.relative(path)
	switch own := r.own.match(rel, dir); {
	case own == kept:
		return taken
	case own == ignored || in == passed, builtin.match(filepath.Base(path), dir) == ignored, outer.match(path, dir) == ignored:
		if dir && r.own.below(rel) {
			return passed
		}
		return left
	case in == taken:
		return taken
	case len(r.docker) == 0 || strings.HasPrefix(rel, "../") || !r.docker.ignored(rel):
		return followed
	case dir && (r.docker.below(rel) || r.own.below(rel)):
		return followed // what is in it is decided one by one
	}
	return left
}

// relative returns path as the scope's patterns name it.
func (r *rules) relative(path string) string {
	if rel, inside := within(r.dir, path); inside {
		return rel
	}
	rel, err := filepath.Rel(r.dir, path)
	if err != nil {
		return filepath.ToSlash(path) // another drive
	}
	return filepath.ToSlash(rel)
}

// within returns the path from dir to path, with slashes, if path is below it.
func within(dir, path string) (rel string, inside bool) {
	if !strings.HasSuffix(dir, string(filepath.Separator)) {
		dir += string(filepath.Separator)
	}
	rel, inside = strings.CutPrefix(path, dir)
	return filepath.ToSlash(rel), inside && rel != ""
}

// outer returns the .gitignore files that hold in a folder from those above
// it: up to the root of the repository, or else up to the scope's folder.
func (r *rules) outer(dir string) *layer {
	top := repository(dir)
	if _, inside := within(r.dir, dir); top == "" && inside {
		top = r.dir
	}
	if _, inside := within(top, dir); top == "" || !inside {
		return nil
	}
	var chain []string
	for d := filepath.Dir(dir); ; d = filepath.Dir(d) {
		chain = append(chain, d)
		if d == top {
			break
		}
	}
	var l *layer
	for i := len(chain) - 1; i >= 0; i-- {
		known := r.above[chain[i]]
		if known == nil {
			known = &layer{dir: chain[i], patterns: readGitignore(chain[i])}
			r.above[chain[i]] = known
		}
		known.outer = l
		l = known
	}
	return l
}

// repository returns the root of the git repository that dir is in, or "".
func repository(dir string) string {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// indexLock returns the file that git holds while it changes the files of the
// repository that dir is in, or "" without one.
func indexLock(dir string) string {
	root := repository(dir)
	if root == "" {
		return ""
	}
	git := filepath.Join(root, ".git")
	// In a worktree or a submodule, .git is a file that says where the rest is.
	if to, ok := strings.CutPrefix(readLimited(git), "gitdir: "); ok {
		if git = strings.TrimSpace(to); !filepath.IsAbs(git) {
			git = filepath.Join(root, git)
		}
	}
	return filepath.Join(git, "index.lock")
}

func readGitignore(dir string) *patterns {
	return parsePatterns(readLimited(filepath.Join(dir, gitignoreName)))
}

// readLimited returns the beginning of a file, "" if it cannot be read.
func readLimited(path string) string {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() {
		return "" // a pipe would block
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // only read
	data, _ := io.ReadAll(io.LimitReader(f, maxIgnoreFile))
	return string(data)
}
