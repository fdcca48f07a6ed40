package watch

import (
	"runtime"
	"strings"
)

// foldCase is whether names that differ in case alone are one: git's
// core.ignorecase, as it is set on these systems.
const foldCase = runtime.GOOS == "windows" || runtime.GOOS == "darwin"

// maxPattern is how long a pattern may be in bytes: paths are no longer.
const maxPattern = 4096

// pattern is one line of an ignore file, compiled. The zero value matches
// nothing.
type pattern struct {
	negated  bool // takes back what an earlier one ignores
	dirOnly  bool // for folders alone
	floating bool // matches a name, in whatever folder; others match paths

	text   string  // what it matches, when it has no wildcards
	suffix bool    // it is "*" and then text
	wild   []token // what it matches, when it has wildcards
}

// parseGitignore compiles a line as gitignore(5) has it, without its end of
// line; ok is false for one that cannot match anything.
func parseGitignore(line string) (p pattern, ok bool) {
	line = strings.TrimSuffix(line, "\r")
	if strings.HasPrefix(line, "#") {
		return p, false
	}
	line = trimSpaces(line)
	if line, p.negated = strings.CutPrefix(line, "!"); line == "" {
		return p, false
	}
	line, p.dirOnly = strings.CutSuffix(line, "/")
	p.floating = !strings.Contains(line, "/")
	line = strings.TrimPrefix(line, "/")
	if line == "" || len(line) > maxPattern || strings.IndexByte(line, 0) >= 0 {
		return p, false
	}
	literal := strings.IndexAny(line, `*?[\`)
	switch {
	case literal < 0:
		p.text = fold(line)
	case p.floating && line[0] == '*' && !strings.ContainsAny(line[1:], `*?[\`):
		p.text, p.suffix = fold(line[1:]), true
	default:
		p.wild, ok = compileGit(line, literal, p.floating)
		return p, ok
	}
	return p, true
}

// trimSpaces cuts spaces from the end, but not one that a backslash quotes.
func trimSpaces(line string) string {
	end := len(line)
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case ' ':
			end = min(end, i)
			continue
		case '\\':
			if i++; i == len(line) {
				return line
			}
		}
		end = len(line)
	}
	return line[:end]
}

// match reports whether p matches a name, if it floats, or else a path from
// the folder of the ignore file, with slashes; both as fold returns them.
func (p *pattern) match(s string) bool {
	switch {
	case p.wild != nil:
		return run(p.wild, s, false)
	case p.suffix:
		return strings.HasSuffix(s, p.text)
	}
	return s == p.text && s != ""
}

// fold returns a name as it is compared.
func fold(name string) string {
	if foldCase {
		return strings.ToLower(name)
	}
	return name
}

// patterns are the lines of one ignore file, of which the last that matches
// counts. Most lines are names or endings, and are looked up.
type patterns struct {
	text   string
	list   []pattern
	names  map[string][]int // the indexes of what floats and has no wildcards, last first
	ends   map[byte][]int   // of suffixes, by their last byte
	others []int            // of all else
}

// verdict is what an ignore file says of a path.
type verdict int

const (
	silent  verdict = iota // nothing matches
	ignored                //
	kept                   // an exception matches
)

// parsePatterns compiles an ignore file in git's syntax.
func parsePatterns(text string) *patterns {
	s := &patterns{text: text, names: map[string][]int{}, ends: map[byte][]int{}}
	for line := range strings.SplitSeq(strings.TrimPrefix(text, "\ufeff"), "\n") {
		if p, ok := parseGitignore(line); ok {
			s.list = append(s.list, p)
		}
	}
	for i := len(s.list) - 1; i >= 0; i-- {
		switch p := s.list[i]; {
		case p.floating && p.suffix && p.text != "":
			last := p.text[len(p.text)-1]
			s.ends[last] = append(s.ends[last], i)
		case p.floating && p.wild == nil && !p.suffix:
			s.names[p.text] = append(s.names[p.text], i)
		default:
			s.others = append(s.others, i)
		}
	}
	return s
}

// match returns what s says of path, which is relative to the folder of the
// file, with slashes.
func (s *patterns) match(path string, dir bool) verdict {
	if len(s.list) == 0 || path == "" {
		return silent
	}
	path = fold(path)
	name := path[strings.LastIndexByte(path, '/')+1:]
	if name == "" {
		return silent
	}
	found := s.last(s.names[name], -1, name, path, dir)
	found = s.last(s.ends[name[len(name)-1]], found, name, path, dir)
	found = s.last(s.others, found, name, path, dir)
	switch {
	case found < 0:
		return silent
	case s.list[found].negated:
		return kept
	}
	return ignored
}

// last returns the first of the indexes, which descend, whose pattern matches,
// or found when that is greater.
func (s *patterns) last(indexes []int, found int, name, path string, dir bool) int {
	for _, i := range indexes {
		if i < found {
			break
		}
		p := &s.list[i]
		if p.dirOnly && !dir {
			continue
		}
		if p.floating && p.match(name) || !p.floating && p.match(path) {
			return i
		}
	}
	return found
}

// below reports whether an exception that names a path may match something
// below the folder dir.
func (s *patterns) below(dir string) bool {
	dir = fold(dir) + "/"
	for _, i := range s.others {
		p := &s.list[i]
		switch {
		case !p.negated || p.floating:
		case p.wild == nil && strings.HasPrefix(p.text, dir):
			return true
		case p.wild != nil && p.wild[0].kind != tokenMaybe && p.wild[0].kind != tokenAll && live(p.wild, dir):
			return true
		}
	}
	return false
}
