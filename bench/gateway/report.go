//go:build linux

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// direct is who is measured without a proxy.
const direct = "direct"

// readme has the last table between two marks.
const (
	readme    = "bench/README.md"
	beginMark = "<!-- gateway -->\n"
	endMark   = "<!-- end -->\n"
)

// samples are what the rounds gave, in their order, by cell and proxy.
type samples map[string]map[string][]result

func (s samples) add(cell, proxy string, r result) {
	if s[cell] == nil {
		s[cell] = map[string][]result{}
	}
	s[cell][proxy] = append(s[cell][proxy], r)
}

// row is a figure by proxy.
type row map[string]float64

// better is the lesser of nginx's and HAProxy's figure.
func (r row) better() (figure float64, there bool) {
	for _, peer := range []string{"nginx", "haproxy"} {
		if f, ok := r[peer]; ok && (!there || f < figure) {
			figure, there = f, true
		}
	}
	return figure, there
}

// row makes a figure's row: medians over the rounds.
func (s samples) row(cell string, f figure) row {
	r := row{}
	for proxy, results := range s[cell] {
		r[proxy] = median(results, f.of)
	}
	if f.added {
		for proxy := range r {
			if proxy != direct {
				r[proxy] -= r[direct]
			}
		}
	}
	return r
}

func median(results []result, of func(result) float64) float64 {
	var all []float64
	for _, r := range results {
		all = append(all, of(r))
	}
	slices.Sort(all)
	m := len(all) / 2
	if len(all)%2 == 0 {
		return (all[m-1] + all[m]) / 2
	}
	return all[m]
}

// report is all that a run has found out.
type report struct {
	Machine string
	Proxies []version
	Rounds  int
	Cells   []cell `json:"-"`
	Samples samples
}

// machine says what this one is.
func machine() string {
	var u unix.Utsname
	_ = unix.Uname(&u) // cannot fail with this argument
	info, _ := os.ReadFile("/proc/cpuinfo")
	_, model, _ := strings.Cut(string(info), "model name")
	model, _, _ = strings.Cut(model, "\n")
	model = cmp.Or(strings.TrimLeft(model, "\t :"), runtime.GOARCH)
	return fmt.Sprintf("%s, %d processors, Linux %s, %s", model, runtime.NumCPU(), unix.ByteSliceToString(u.Release[:]), runtime.Version())
}

// markdown is the table, and what there is to know of how it came about.
func (r report) markdown() string {
	var b strings.Builder
	head, rule := "| µs of processor time for a request |", "|---|"
	var missing []string
	for _, p := range r.Proxies {
		if p.Missing {
			missing = append(missing, p.Title)
			continue
		}
		head += fmt.Sprintf(" %s %s |", p.Title, p.Version)
		rule += "---:|"
	}
	fmt.Fprintf(&b, "%s bound | |\n%s---|---|\n", head, rule)
	for _, c := range r.Cells {
		for _, f := range c.figures {
			b.WriteString(r.line(c, f))
		}
	}
	fmt.Fprintf(&b, "\n%s; medians of %d rounds. In brackets: the ratio to the better of nginx and HAProxy.\n", r.Machine, r.Rounds)
	if len(missing) > 0 {
		fmt.Fprintf(&b, "Not installed: %s.\n", strings.Join(missing, ", "))
	}
	b.WriteString(r.noise())
	return b.String()
}

func (r report) line(c cell, f figure) string {
	row := r.Samples.row(c.name, f)
	better, there := row.better()
	line := "| " + f.title + " |"
	for _, p := range r.Proxies {
		figure, ok := row[p.Name]
		switch {
		case p.Missing:
		case !ok:
			line += " failed |"
		case p.Name == "nginx", p.Name == "haproxy", !there, f.added:
			line += fmt.Sprintf(" %s |", short(figure))
		default:
			line += fmt.Sprintf(" %s (%.2f) |", short(figure), figure/better)
		}
	}
	if _, ok := row["msctl"]; !ok || f.bound == nil {
		return line + " | |\n"
	}
	v := f.bound(row)
	word := "–"
	if v.say {
		word = map[bool]string{true: "OK", false: "missed"}[v.met]
	}
	return fmt.Sprintf("%s %s | %s |\n", line, v.text, word)
}

// short has three figures, or all before the point.
func short(f float64) string {
	if f >= 100 || f <= -100 {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprintf("%.1f", f)
}

// noise says how far the figures can be trusted: what others took of the
// proxies' processor, and how far the rounds are apart.
func (r report) noise() string {
	var others, apart []float64
	for _, proxies := range r.Samples {
		for name, results := range proxies {
			if name == direct {
				continue
			}
			least, most := results[0].CPU, results[0].CPU
			for _, x := range results {
				others = append(others, 100*x.Others)
				least, most = min(least, x.CPU), max(most, x.CPU)
			}
			apart = append(apart, 100*(most-least)/median(results, func(r result) float64 { return r.CPU }))
		}
	}
	if len(others) == 0 {
		return ""
	}
	slices.Sort(others)
	slices.Sort(apart)
	return fmt.Sprintf("Others had %.0f %% of the proxies' processor while it was measured (median; %.0f %% at most); "+
		"the processor times of a cell's rounds lie %.0f %% apart (median; %.0f %% at most).\n",
		others[len(others)/2], others[len(others)-1], apart[len(apart)/2], apart[len(apart)-1])
}

// update puts text between the marks of a file.
func update(file, text string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, begun := bytes.Cut(old, []byte(beginMark))
	_, after, ended := bytes.Cut(rest, []byte(endMark))
	if !begun || !ended {
		return fmt.Errorf("update %s: it has no marks %q and %q", file, strings.TrimSpace(beginMark), strings.TrimSpace(endMark))
	}
	return os.WriteFile(file, slices.Concat(before, []byte(beginMark+text+endMark), after), 0o644)
}
