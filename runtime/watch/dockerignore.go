package watch

import (
	"path"
	"strings"
)

// dockerPatterns are the lines of a .dockerignore: unlike in a .gitignore, all
// are paths from its folder, and an exception holds below an ignored folder.
type dockerPatterns []pattern

func parseDockerignore(text string) dockerPatterns {
	var out dockerPatterns
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var p pattern
		line, p.negated = strings.CutPrefix(strings.TrimSpace(line), "!")
		line = strings.TrimPrefix(path.Clean("/"+strings.TrimSpace(line)), "/")
		if line == "" || len(line) > maxPattern {
			continue
		}
		var ok bool
		if p.wild, ok = compileDocker(line); ok {
			out = append(out, p)
		}
	}
	return out
}

// ignored reports whether the last pattern that matches a path, or a folder
// above it, ignores it. The path is relative to the file's folder.
func (d dockerPatterns) ignored(path string) bool {
	path = fold(path)
	for i := len(d) - 1; i >= 0; i-- {
		if run(d[i].wild, path, true) {
			return !d[i].negated
		}
	}
	return false
}

// below reports whether an exception may match something below a folder.
func (d dockerPatterns) below(dir string) bool {
	dir = fold(dir) + "/"
	for i := range d {
		if d[i].negated && live(d[i].wild, dir) {
			return true
		}
	}
	return false
}

// compileDocker compiles a pattern as moby's patternmatcher reads it: as
// Go's path.Match, and "**" matches any number of folders.
func compileDocker(text string) (out []token, ok bool) {
	for i := 0; i < len(text); i++ {
		if text[i] != '*' {
			t, end := parseToken(text, i)
			if end < 0 {
				return nil, false
			}
			out, i = append(out, t), end
			continue
		}
		if !strings.HasPrefix(text[i:], "**") {
			out = append(out, token{kind: tokenStar})
			continue
		}
		for i++; strings.HasPrefix(text[i+1:], "*"); i++ {
		}
		if strings.HasPrefix(text[i+1:], "/") {
			i++
		}
		if i+1 == len(text) {
			out = append(out, token{kind: tokenAll})
			continue
		}
		out = append(out, token{kind: tokenMaybe}, token{kind: tokenAll}, token{char: '/'})
	}
	return out, true
}
