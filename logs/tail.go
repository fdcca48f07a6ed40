package logs

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// What Tail returns at most: it goes into reports.
const (
	tailBytes = 64 << 10
	tailLine  = 1 << 10
)

// Tail returns the last n lines that an instance wrote since its newest Writer
// was made, unfinished ones included, without their newlines and as plain
// text; long lines are cut to 1 KiB.
func (s *Store) Tail(instance string, n int) []string {
	s.mu.Lock()
	w := s.instances[instance]
	s.mu.Unlock()
	if w == nil {
		return nil
	}
	text, err := w.output(n)
	for try := 0; gone(err) && try < retries; try++ {
		text, err = w.output(n)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, l := range lines {
		lines[i] = plain(l)
	}
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	return lines
}

// output returns the end of what the instance has written, at least n lines
// or tailBytes of it if there is as much. With an error, it is less.
func (w *Writer) output(n int) ([]byte, error) {
	w.mu.Lock() // or what is pending is written meanwhile, and there twice
	text := slices.Clone(w.buf[w.start:w.end])
	search := searcher{st: w.st, segments: w.st.snapshot()}
	w.mu.Unlock()
	defer search.files.close()
	for bytes.Count(text, []byte{'\n'}) <= n && len(text) < tailBytes {
		c, err := search.prev()
		if err != nil || c.length == 0 || search.seg.base.offset+int64(c.offset) < w.from.offset {
			return text, err
		}
		name, err := w.st.name(&search.index, search.seg.seq, c.name)
		if err != nil {
			return text, err
		}
		if name != w.instance {
			continue
		}
		b, err := search.read(c)
		if err != nil {
			return text, err
		}
		text = append(slices.Clone(b[max(0, len(b)-tailBytes):]), text...)
	}
	return text, nil
}

// plain makes a line of output fit for a report.
func plain(l string) string {
	l = string(stripped(nil, []byte(strings.TrimSuffix(l, "\r"))))
	if i := strings.LastIndexByte(l, '\r'); i >= 0 {
		l = l[i+1:]
	}
	if len(l) > tailLine {
		cut := tailLine
		for cut > 0 && !utf8.RuneStart(l[cut]) {
			cut--
		}
		l = l[:cut] + "…"
	}
	return strings.ToValidUTF8(l, "\uFFFD")
}
