package logs

import (
	"bytes"
	"fmt"
	"regexp"
)

// Filter says which lines are wanted. It is not changed by use, so that
// goroutines may share it. The zero Filter wants all.
type Filter struct {
	level   Level
	grep    *regexp.Regexp
	literal []byte // grep, when it is plain text
	invert  bool
}

// NewFilter returns a filter for lines that grep, in the syntax of package
// regexp, matches (or with invert does not) and whose level is at least level.
// An empty grep matches all.
func NewFilter(grep string, invert bool, level Level) (*Filter, error) {
	f := &Filter{level: level, invert: invert}
	if grep == "" {
		f.invert = false
		return f, nil
	}
	re, err := regexp.Compile(grep)
	if err != nil {
		return nil, fmt.Errorf("grep: %w", err)
	}
	f.grep = re
	if prefix, whole := re.LiteralPrefix(); whole {
		f.literal = []byte(prefix)
	}
	return f, nil
}

// Match reports whether a line, with or without its newline, is wanted. Escape
// sequences in it do not count. A line without a level counts as Info.
func (f *Filter) Match(line []byte) bool {
	ok, _ := f.match(line, Info)
	return ok
}

// match is Match for a line that follows one of a level. It returns the line's
// own level when the filter has to do with levels, else before.
func (f *Filter) match(line []byte, before Level) (bool, Level) {
	if f == nil {
		return true, before
	}
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'})
	if bytes.IndexByte(line, esc) >= 0 {
		line = stripped(make([]byte, 0, 512), line)
	}
	if f.level != Unknown {
		before = levelOf(line, before)
		if before < f.level {
			return false, before
		}
	}
	switch {
	case f.grep == nil:
		return true, before
	case f.literal != nil:
		return bytes.Contains(line, f.literal) != f.invert, before
	}
	return f.grep.Match(line) != f.invert, before
}

// matches appends where in b lines begin that are wanted.
func (f *Filter) matches(at []int, b []byte) []int {
	level := Info
	for i := 0; i < len(b); {
		end := len(b)
		if n := bytes.IndexByte(b[i:], '\n'); n >= 0 {
			end = i + n + 1
		}
		var ok bool
		if ok, level = f.match(b[i:end], level); ok {
			at = append(at, i)
		}
		i = end
	}
	return at
}
