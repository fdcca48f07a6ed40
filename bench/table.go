//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// samples are what the rounds gave, in their order.
type samples []float64

func (s samples) median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	m := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[m]
	}
	return (sorted[m-1] + sorted[m]) / 2
}

// p99 is what all but one in a hundred stay below: of fewer, the greatest.
func (s samples) p99() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[(len(sorted)*99+99)/100-1]
}

// with combines two rows of samples round by round.
func (s samples) with(other samples, f func(a, b float64) float64) samples {
	var out samples
	for i := range min(len(s), len(other)) {
		out = append(out, f(s[i], other[i]))
	}
	return out
}

// over is how many times the floor each round took.
func (s samples) over(floor samples) samples {
	return s.with(floor, func(a, b float64) float64 { return a / b })
}

// more is what each round took more than the floor.
func (s samples) more(floor samples) samples {
	return s.with(floor, func(a, b float64) float64 { return a - b })
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// bound is what a figure has to keep to.
type bound struct {
	text string
	met  bool
}

func atMost(figure, limit float64, unit string) *bound {
	return &bound{fmt.Sprintf("at most %g%s", limit, unit), figure <= limit}
}

func below(figure, limit float64, unit string) *bound {
	return &bound{fmt.Sprintf("below %g%s", limit, unit), figure < limit}
}

// table collects the rows that are to be printed.
type table struct{ rows [][6]string }

// add adds what a tool gave. compared is how that stands to the floor, or "".
func (t *table) add(what, tool string, s samples, unit, compared string, b *bound) {
	row := [6]string{what, tool, number(s.median()) + " " + unit, number(slices.Min(s)) + "–" + number(slices.Max(s)), compared}
	switch {
	case b == nil:
	case b.met:
		row[5] = b.text + ": yes"
	default:
		row[5] = b.text + ": NO"
	}
	t.rows = append(t.rows, row)
}

// print writes the rows added since it was called last.
func (t *table) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "WHAT\tTOOL\tMEDIAN\tRANGE\tTO THE FLOOR\tBOUND")
	for _, r := range t.rows {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", r[0], r[1], r[2], r[3], r[4], r[5])
	}
	_ = tw.Flush()
	fmt.Fprintln(w)
	t.rows = nil
}

// number has three figures that count.
func number(f float64) string {
	switch {
	case f >= 1e6:
		return fmt.Sprintf("%.2f M", f/1e6)
	case f >= 100 || f == 0:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	case f >= 1:
		return fmt.Sprintf("%.2f", f)
	}
	return fmt.Sprintf("%.3f", f)
}

func times(s samples) string { return fmt.Sprintf("%.2f×", s.median()) }

func plus(s samples, unit string) string { return fmt.Sprintf("%+.1f %s", s.median(), unit) }
