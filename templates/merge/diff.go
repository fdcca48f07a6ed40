package merge

import (
	"math"
	"strings"
)

// edit is a run of lines of a, and the lines of b in their place. Between two
// edits is at least one line that both have.
type edit struct{ a0, a1, b0, b1 int }

// lines cuts texts into lines, with their ends, and numbers them: equal lines
// have equal numbers. A last line that has no end is another than one that has.
type lines struct {
	text    []string
	numbers map[string]int
}

func (l *lines) cut(text []byte) []int {
	var out []int
	for line := range strings.Lines(string(text)) {
		n, ok := l.numbers[line]
		if !ok {
			n = len(l.text)
			l.numbers[line] = n
			l.text = append(l.text, line)
		}
		out = append(out, n)
	}
	return out
}

// diff returns the edits that make b of a, by Myers' algorithm in linear space.
// They are as few as can be, but for texts that have little in common: see
// most.
func diff(a, b []int) []edit {
	removed, added := make([]bool, len(a)), make([]bool, len(b))
	d := differ{removed: removed, added: added}
	d.a, d.aIndex = common(a, b, removed)
	d.b, d.bIndex = common(b, a, added)
	d.zero = len(d.b) + 1
	d.forward = make([]int, len(d.a)+len(d.b)+3)
	d.backward = make([]int, len(d.a)+len(d.b)+3)
	d.compare(0, len(d.a), 0, len(d.b))

	var out []edit
	for i, j := 0, 0; i < len(a) || j < len(b); {
		e := edit{a0: i, b0: j}
		for i < len(a) && removed[i] {
			i++
		}
		for j < len(b) && added[j] {
			j++
		}
		if e.a1, e.b1 = i, j; e.a0 < i || e.b0 < j {
			out = append(out, e)
			continue
		}
		i, j = i+1, j+1
	}
	return out
}

// common returns the lines that other has as well, and where they are; it marks
// those that it has not.
func common(lines, other []int, changed []bool) (kept, index []int) {
	there := make(map[int]bool, len(other))
	for _, n := range other {
		there[n] = true
	}
	for i, n := range lines {
		if changed[i] = !there[n]; there[n] {
			kept, index = append(kept, n), append(index, i)
		}
	}
	return kept, index
}

// most bounds how many edits split looks ahead: it takes their square in steps.
// Beyond, it goes the way that came furthest, which need not be the shortest.
const most = 256

// differ compares the lines that both texts have. On diagonal k are the pairs of
// places x in a and y in b with x-y = k.
type differ struct {
	a, b           []int
	aIndex, bIndex []int // where they are in the whole texts
	removed, added []bool

	forward, backward []int // the furthest x on each diagonal
	zero              int   // the index of diagonal 0 in them
}

func (d *differ) compare(a0, a1, b0, b1 int) {
	for {
		for a0 < a1 && b0 < b1 && d.a[a0] == d.b[b0] {
			a0, b0 = a0+1, b0+1
		}
		for a0 < a1 && b0 < b1 && d.a[a1-1] == d.b[b1-1] {
			a1, b1 = a1-1, b1-1
		}
		if a0 == a1 || b0 == b1 {
			break
		}
		x, y := d.split(a0, a1, b0, b1)
		d.compare(a0, x, b0, y)
		a0, b0 = x, y
	}
	for _, i := range d.aIndex[a0:a1] {
		d.removed[i] = true
	}
	for _, i := range d.bIndex[b0:b1] {
		d.added[i] = true
	}
}

// split returns a place on a shortest way from a0, b0 to a1, b1: where the way
// forward and the way back meet. It is neither end, as long as neither the first
// nor the last lines are equal.
func (d *differ) split(a0, a1, b0, b1 int) (x, y int) {
	low, high := a0-b1, a1-b0
	start, end := a0-b0, a1-b1
	odd := (start-end)&1 != 0
	f := frontier{d.forward, d.zero, low, high, start, start}
	b := frontier{d.backward, d.zero, low, high, end, end}
	f.set(start, a0)
	b.set(end, a1)
	for cost := 1; ; cost++ {
		f.widen(-1)
		for k := f.to; k >= f.from; k -= 2 {
			x := max(f.at(k-1)+1, f.at(k+1))
			for x < a1 && x-k < b1 && d.a[x] == d.b[x-k] {
				x++
			}
			f.set(k, x)
			if odd && b.has(k) && b.at(k) <= x {
				return x, x - k
			}
		}
		b.widen(math.MaxInt)
		for k := b.to; k >= b.from; k -= 2 {
			x := min(b.at(k-1), b.at(k+1)-1)
			for x > a0 && x-k > b0 && d.a[x-1] == d.b[x-k-1] {
				x--
			}
			b.set(k, x)
			if !odd && f.has(k) && x <= f.at(k) {
				return x, x - k
			}
		}
		if cost >= most {
			return f.furthest(a1, b1)
		}
	}
}

// frontier is how far one direction has come on the diagonals from–to.
type frontier struct {
	x         []int
	zero      int
	low, high int // diagonals beyond are outside of what is compared
	from, to  int
}

func (f *frontier) at(k int) int   { return f.x[f.zero+k] }
func (f *frontier) set(k, x int)   { f.x[f.zero+k] = x }
func (f *frontier) has(k int) bool { return f.from <= k && k <= f.to }

// widen moves on by one edit. Diagonals that were not reached have the value none.
func (f *frontier) widen(none int) {
	if f.from > f.low {
		f.from--
		f.set(f.from-1, none)
	} else {
		f.from++
	}
	if f.to < f.high {
		f.to++
		f.set(f.to+1, none)
	} else {
		f.to--
	}
}

func (f *frontier) furthest(a1, b1 int) (x, y int) {
	x, y = -1, 0
	for k := f.to; k >= f.from; k -= 2 {
		if at := f.at(k); at <= a1 && at-k <= b1 && (x < 0 || at+at-k > x+y) {
			x, y = at, at-k
		}
	}
	return x, y
}
