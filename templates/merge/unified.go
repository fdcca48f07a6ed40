package merge

import (
	"bytes"
	"fmt"
	"strings"
)

// around is how many unchanged lines are shown before and after a change.
const around = 3

// Unified is the difference between two versions of a file as a unified diff,
// which git apply and patch -p1 take; nil when there is none. nil stands for a
// file that is not there. To make or remove an empty file, the diff has only its
// two names.
func Unified(name string, from, to []byte) []byte {
	if bytes.Equal(from, to) && (from == nil) == (to == nil) {
		return nil
	}
	texts := lines{numbers: map[string]int{}}
	u := unified{text: &texts, a: texts.cut(from), b: texts.cut(to)}
	fmt.Fprintf(&u.out, "--- %s\n+++ %s\n", label("a/"+name, from), label("b/"+name, to))
	for edits := diff(u.a, u.b); len(edits) > 0; {
		n := 1
		for n < len(edits) && edits[n].a0-edits[n-1].a1 <= 2*around {
			n++
		}
		u.hunk(edits[:n])
		edits = edits[n:]
	}
	return u.out.Bytes()
}

// label ends a name that has blanks with a tab, so that none is taken for what
// comes before a date.
func label(name string, text []byte) string {
	switch {
	case text == nil:
		return "/dev/null"
	case strings.Contains(name, " "):
		return name + "\t"
	}
	return name
}

type unified struct {
	text *lines
	a, b []int
	out  bytes.Buffer
}

func (u *unified) hunk(edits []edit) {
	first, last := edits[0], edits[len(edits)-1]
	before, after := min(around, first.a0), min(around, len(u.a)-last.a1)
	fmt.Fprintf(&u.out, "@@ -%s +%s @@\n",
		span(first.a0-before, last.a1+after), span(first.b0-before, last.b1+after))
	at := first.a0 - before
	for _, e := range edits {
		u.lines(' ', u.a[at:e.a0])
		u.lines('-', u.a[e.a0:e.a1])
		u.lines('+', u.b[e.b0:e.b1])
		at = e.a1
	}
	u.lines(' ', u.a[at:at+after])
}

// span is a range of lines as a hunk's head has it: lines count from 1, an empty
// range is after the line it names, and a length of 1 is left out.
func span(from, to int) string {
	switch to - from {
	case 0:
		return fmt.Sprintf("%d,0", from)
	case 1:
		return fmt.Sprint(from + 1)
	}
	return fmt.Sprintf("%d,%d", from+1, to-from)
}

func (u *unified) lines(sign byte, numbers []int) {
	for _, n := range numbers {
		line := u.text.text[n]
		u.out.WriteByte(sign)
		u.out.WriteString(line)
		if !strings.HasSuffix(line, "\n") {
			u.out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}
