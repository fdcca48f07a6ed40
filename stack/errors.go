package stack

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Error is one thing that is wrong in a stack file.
type Error struct {
	Pos  Pos
	Path string // "services.catalog.replicas"; "" for a file as a whole
	Text string // `want a whole number of at least 0, got "two"`
	Hint string // what to do
	Line string // the source line, when it is known
}

func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s: %s", e.Pos, e.Text)
	}
	return fmt.Sprintf("%s: %s: %s", e.Pos, visible(e.Path), e.Text)
}

// visible has a picture in the place of each control character, which would do
// something to a terminal; a tab stays.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' && r != '\t':
			return 0x2400 + r
		case r == 0x7f:
			return '␡'
		case r > 0x7f && r < 0xa0: // the C1 controls
			return utf8.RuneError
		}
		return r
	}, s)
}

// Errors is everything that is wrong, in the order of the files.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for n, err := range e {
		lines[n] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// maxSourceLine is how much of a source line is shown: of a longer one, what is
// around the place.
const maxSourceLine = 160

// excerpt is the part of a source line that is shown, and what stands before
// the caret beneath it: tabs stay tabs there, so that it stands where they put it.
func (e *Error) excerpt() (line, before string) {
	runes := []rune(e.Line)
	at := min(max(e.Pos.Col-1, 0), len(runes))
	if len(runes) > maxSourceLine {
		from := min(max(at-maxSourceLine/2, 0), len(runes)-maxSourceLine)
		to := from + maxSourceLine
		cut := slices.Clone(runes[from:to])
		if from > 0 {
			cut[0] = '…'
		}
		if to < len(runes) {
			cut[len(cut)-1] = '…'
		}
		runes, at = cut, at-from
	}
	before = strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string(runes[:at]))
	return visible(string(runes)), before
}

// Format writes each error with its source line, a caret under the place, and
// its hint.
func (e Errors) Format(w io.Writer) {
	for _, err := range e {
		fmt.Fprintln(w, err)
		if err.Line != "" {
			line, before := err.excerpt()
			fmt.Fprintf(w, "    %s\n    %s^\n", line, before)
		}
		if err.Hint != "" {
			fmt.Fprintf(w, "    hint: %s\n", err.Hint)
		}
	}
}

// report collects errors and warnings, and knows the sources they are in.
type report struct {
	errors   Errors
	warnings Errors
	sources  map[string][]string // lines by file
	order    map[string]int      // files as they were read
	misspelt map[string]bool     // paths of mappings that have a key which is not known
}

func newReport() *report {
	return &report{sources: map[string][]string{}, order: map[string]int{}, misspelt: map[string]bool{}}
}

func (r *report) source(file string, data []byte) {
	if _, ok := r.order[file]; !ok {
		r.order[file] = len(r.order)
		r.sources[file] = strings.Split(string(data), "\n")
	}
}

func (r *report) add(p Pos, path, hint, format string, args ...any) {
	r.errors = append(r.errors, r.make(p, path, hint, format, args...))
}

func (r *report) warn(p Pos, path, hint, format string, args ...any) {
	r.warnings = append(r.warnings, r.make(p, path, hint, format, args...))
}

func (r *report) make(p Pos, path, hint, format string, args ...any) *Error {
	e := &Error{Pos: p, Path: path, Text: fmt.Sprintf(format, args...), Hint: hint}
	if lines := r.sources[p.File]; p.Line >= 1 && p.Line <= len(lines) {
		e.Line = strings.TrimRight(strings.ToValidUTF8(lines[p.Line-1], "\uFFFD"), "\r")
	}
	return e
}

// err returns all errors in the order of the files, each once.
func (r *report) err() error {
	if len(r.errors) == 0 {
		return nil
	}
	slices.SortStableFunc(r.errors, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(r.order[a.Pos.File], r.order[b.Pos.File]), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	return slices.CompactFunc(r.errors, func(a, b *Error) bool { return a.Error() == b.Error() })
}

// quote shows what was found, shortened.
func quote(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:57]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

// nearest returns the candidate that word is most likely a misspelling of.
func nearest(word string, candidates []string) (string, bool) {
	best, distance := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		if d := len(c) - len(word); d >= distance || -d >= distance {
			continue // each letter more or less is one
		}
		if d := editDistance(strings.ToLower(word), c); d < distance {
			best, distance = c, d
		}
	}
	return best, best != ""
}

// Nearest suggests a service name for one that does not exist, as "did you
// mean" does; "" when none is near.
func (s *Stack) Nearest(name string) string {
	names := make([]string, len(s.Services))
	for n := range s.Services {
		names[n] = s.Services[n].Name
	}
	found, _ := nearest(name, names)
	return found
}

// editDistance counts insertions, deletions, substitutions and swaps of
// neighbours (optimal string alignment).
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
