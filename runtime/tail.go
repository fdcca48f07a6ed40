package runtime

import (
	"bytes"
	"slices"
	"strings"
)

// tail is a writer that keeps the last lines, each cut at maxTailLine.
type tail struct {
	last []string
	rest []byte // an unfinished line
}

const maxTailLine = 1 << 10

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, after, whole := bytes.Cut(p, []byte("\n"))
		t.rest = append(t.rest, line[:min(len(line), maxTailLine-min(len(t.rest), maxTailLine))]...)
		if whole {
			t.end()
		}
		p = after
	}
	return n, nil
}

func (t *tail) end() {
	t.last = append(t.last, strings.TrimRight(string(t.rest), "\r"))
	t.last = t.last[max(0, len(t.last)-tailLines):]
	t.rest = t.rest[:0]
}

// lines are the last ones, the unfinished one included.
func (t *tail) lines() []string {
	if len(t.rest) > 0 {
		t.end()
	}
	return slices.Clone(t.last)
}
