// Package merge merges texts by lines, as git merge-file does, and shows how
// they differ.
//
// Texts are bytes: ends of lines are kept as they are, CRLF too, and so is a last
// line without one. What is no text (a NUL byte is in it) is merged all the same,
// by what lies between line feeds: callers sort that out first.
package merge

import (
	"bytes"
	"math"
	"strings"
)

// Labels name the two sides of a conflict.
type Labels struct{ Ours, Theirs string }

// joinWithin is how many lines between two conflicts make them one: to read
// fewer and longer ones is easier.
const joinWithin = 3

// Merge takes what changed from base to ours and from base to theirs into one
// text. A change that both made is made once. Changes of the two sides that
// overlap or touch (no unchanged line is between them) are a conflict. Of a
// conflict, lines that both sides have are left out of it, unless they are three
// or fewer between two others. It is written as
//
//	<<<<<<< ours
//	=======
//	>>>>>>> theirs
func Merge(base, ours, theirs []byte, l Labels) (merged []byte, conflicts int) {
	texts := lines{numbers: map[string]int{}}
	b, o, t := texts.cut(base), texts.cut(ours), texts.cut(theirs)
	m := merger{ours: o, theirs: t}
	m.walk(diff(b, o), diff(b, t))

	w := writer{text: texts.text, eol: "\n"}
	if crlf(ours) && crlf(theirs) {
		w.eol = "\r\n"
	}
	for _, p := range m.parts {
		switch p.kind {
		case shared, fromOurs:
			w.lines(o[p.o0:p.o1])
		case fromTheirs:
			w.lines(t[p.t0:p.t1])
		case conflict:
			conflicts++
			w.marker("<<<<<<<", l.Ours)
			w.lines(o[p.o0:p.o1])
			w.marker("=======", "")
			w.lines(t[p.t0:p.t1])
			w.marker(">>>>>>>", l.Theirs)
		}
	}
	return w.out.Bytes(), conflicts
}

// part is a run of lines of the merged text: where it is in ours, and in theirs.
type part struct {
	kind           kind
	o0, o1, t0, t1 int
}

type kind int

const (
	shared kind = iota // both sides have these lines
	fromOurs
	fromTheirs
	conflict
)

type merger struct {
	ours, theirs []int
	o, t         int // how far they are merged
	parts        []part
}

// walk goes through the edits of both sides in the order of base.
func (m *merger) walk(ours, theirs []edit) {
	for at := 0; len(ours) > 0 || len(theirs) > 0; {
		from, to, nOurs, nTheirs := touching(ours, theirs)
		m.add(shared, from-at, from-at)
		inOurs, inTheirs := to-from+growth(ours[:nOurs]), to-from+growth(theirs[:nTheirs])
		switch {
		case nTheirs == 0:
			m.add(fromOurs, inOurs, inTheirs)
		case nOurs == 0:
			m.add(fromTheirs, inOurs, inTheirs)
		default:
			m.both(inOurs, inTheirs)
		}
		at, ours, theirs = to, ours[nOurs:], theirs[nTheirs:]
	}
	m.add(shared, len(m.ours)-m.o, len(m.theirs)-m.t)
}

// touching returns how many edits of each side overlap or touch each other, from
// the first on, and from where to where they are in base.
func touching(ours, theirs []edit) (from, to, nOurs, nTheirs int) {
	from = math.MaxInt
	for _, edits := range [][]edit{ours, theirs} {
		if len(edits) > 0 {
			from = min(from, edits[0].a0)
		}
	}
	to = from
	for {
		switch {
		case nOurs < len(ours) && ours[nOurs].a0 <= to:
			to = max(to, ours[nOurs].a1)
			nOurs++
		case nTheirs < len(theirs) && theirs[nTheirs].a0 <= to:
			to = max(to, theirs[nTheirs].a1)
			nTheirs++
		default:
			return from, to, nOurs, nTheirs
		}
	}
}

// growth is how many lines more there are after edits.
func growth(edits []edit) int {
	n := 0
	for _, e := range edits {
		n += e.b1 - e.b0 - (e.a1 - e.a0)
	}
	return n
}

// both takes in the next lines of both sides, which both changed.
func (m *merger) both(inOurs, inTheirs int) {
	ours, at := m.ours[m.o:m.o+inOurs], 0
	for _, e := range diff(ours, m.theirs[m.t:m.t+inTheirs]) {
		m.add(shared, e.a0-at, e.a0-at)
		m.add(conflict, e.a1-e.a0, e.b1-e.b0)
		at = e.a1
	}
	m.add(shared, len(ours)-at, len(ours)-at)
}

// add takes in the next lines of both sides: with the part before if they are of
// its kind, and with the conflict before if they are close to it.
func (m *merger) add(k kind, inOurs, inTheirs int) {
	p := part{k, m.o, m.o + inOurs, m.t, m.t + inTheirs}
	m.o, m.t = p.o1, p.t1
	n := len(m.parts)
	switch {
	case inOurs == 0 && inTheirs == 0:
		return
	case n > 0 && m.parts[n-1].kind == k:
		n--
	case n > 1 && k == conflict && m.parts[n-2].kind == conflict &&
		m.parts[n-1].kind == shared && m.parts[n-1].o1-m.parts[n-1].o0 <= joinWithin:
		n -= 2
	default:
		m.parts = append(m.parts, p)
		return
	}
	m.parts[n].o1, m.parts[n].t1 = p.o1, p.t1
	m.parts = m.parts[:n+1]
}

func crlf(text []byte) bool {
	i := bytes.IndexByte(text, '\n')
	return i > 0 && text[i-1] == '\r'
}

type writer struct {
	text []string // of the lines by number
	eol  string   // of markers
	out  bytes.Buffer
}

func (w *writer) lines(numbers []int) {
	for _, n := range numbers {
		w.out.WriteString(w.text[n])
	}
}

// marker writes a line of its own, after a line that had no end, too.
func (w *writer) marker(sign, label string) {
	if b := w.out.Bytes(); len(b) > 0 && b[len(b)-1] != '\n' {
		w.out.WriteString(w.eol)
	}
	w.out.WriteString(strings.TrimRight(sign+" "+label, " "))
	w.out.WriteString(w.eol)
}
