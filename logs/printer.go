package logs

import (
	"bytes"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// PrinterOptions say how chunks are printed. The zero value prints every byte
// as it came, behind a prefix: what a file or a pipe should get.
type PrinterOptions struct {
	Instances  []string // known beforehand: the prefix is as wide as the longest, colours go in their order
	Color      bool     // colour the prefixes
	Strip      bool     // take escape sequences out of lines that are text
	Terminal   bool     // keep lines from doing more to a terminal than colouring their text; of a line that overwrites itself, show the end
	Timestamps bool
	NoPrefix   bool
	JSON       bool    // {"time","service","instance","level","text"}, one a line
	Filter     *Filter // nil prints all
}

const (
	// flushSize is how much a Printer collects before it writes, in the middle
	// of a batch: it is meant to stay in the processor's cache.
	flushSize = 256 << 10

	// timestamp is RFC 3339 with milliseconds.
	timestamp = "2006-01-02T15:04:05.000Z07:00"

	reset = "\x1b[0m"
)

// palette colours the prefixes: compose's, which reads on dark and on light.
var palette = []string{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}

// Printer prints chunks as lines. It allocates nothing for a line and is not
// for concurrent use.
type Printer struct {
	w       io.Writer
	o       PrinterOptions
	out     []byte
	err     error
	width   int
	sources map[string]*source
	open    *source // whose unfinished line the output ends with
	line    []byte  // scratch
}

// source is an instance whose chunks are printed.
type source struct {
	name   string
	color  string
	prefix []byte // up to the text
	stamp  []byte // of the chunk; in JSON, the line's beginning
	style  []byte // what colours its text when a line begins

	joined  []byte // the beginning of a line, when lines are needed whole
	split   bool   // the line was longer than MaxLine, its beginning is dealt with
	wanted  bool   // the split line passes the filter
	level   Level
	atStart bool // the unfinished line was last moved to its beginning by a carriage return
}

// NewPrinter returns a printer to w.
func NewPrinter(w io.Writer, o PrinterOptions) *Printer {
	p := &Printer{w: w, o: o, sources: map[string]*source{}}
	for _, name := range o.Instances {
		p.source(name)
	}
	return p
}

// source returns what is known of an instance.
func (p *Printer) source(name string) *source {
	s, ok := p.sources[name]
	if ok {
		return s
	}
	s = &source{name: name, level: Info, color: palette[len(p.sources)%len(palette)]}
	p.sources[name] = s
	if n := utf8.RuneCountInString(name); n > p.width {
		p.width = n
		for _, other := range p.sources {
			p.layOut(other)
		}
	}
	p.layOut(s)
	return s
}

// layOut renders the prefix at the current width.
func (p *Printer) layOut(s *source) {
	s.prefix = s.prefix[:0]
	if p.o.NoPrefix {
		return
	}
	text := s.name + strings.Repeat(" ", p.width-utf8.RuneCountInString(s.name)) + " | "
	if p.o.Color {
		text = "\x1b[" + s.color + "m" + text + reset
	}
	s.prefix = append(s.prefix, text...)
}

// Print writes the lines of a batch, all of them before it returns. An error
// is that of the writer, and stays.
func (p *Printer) Print(b Batch) error {
	for i := range b.Chunks {
		p.chunk(&b.Chunks[i])
	}
	p.flush()
	return p.err
}

// Close writes what was held back, and ends an unfinished line. The writer
// stays open.
func (p *Printer) Close() error {
	for _, name := range slices.Sorted(maps.Keys(p.sources)) {
		p.release(p.sources[name])
	}
	p.endLine()
	p.flush()
	return p.err
}

func (p *Printer) flush() {
	if p.err == nil && len(p.out) > 0 {
		_, p.err = p.w.Write(p.out)
	}
	p.out = p.out[:0]
}

func (p *Printer) chunk(c *Chunk) {
	name := c.Instance
	if name == "" {
		name = c.Service
	}
	s := p.source(name)
	switch {
	case p.o.JSON || p.o.Filter != nil:
		p.stamp(s, c)
		p.join(s, c)
	case p.o.Terminal || (p.o.Strip || p.o.Color) && (len(s.style) > 0 || bytes.IndexByte(c.Data, esc) >= 0):
		p.stamp(s, c)
		p.each(s, c)
	default:
		p.stamp(s, c)
		p.verbatim(s, c)
	}
}

// verbatim prints lines that need nothing but the prefix: the fast path.
func (p *Printer) verbatim(s *source, c *Chunk) {
	b := c.Data
	if c.Continued || p.open != nil {
		i := bytes.IndexByte(b, '\n') + 1
		if i == 0 {
			i = len(b)
		}
		p.text(s, b[:i], c.Continued)
		b = b[i:]
	}
	prefix := s.prefix
	if len(s.stamp) > 0 {
		p.line = append(append(p.line[:0], s.prefix...), s.stamp...)
		prefix = p.line
	}
	out := p.out
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n') + 1
		if i == 0 {
			i = len(b)
			p.open = s
		}
		if len(out)+len(prefix)+i > flushSize {
			p.out = out
			p.flush()
			out = p.out
		}
		out = append(out, prefix...)
		out = append(out, b[:i]...)
		b = b[i:]
	}
	p.out = out
}

// each prints line by line.
func (p *Printer) each(s *source, c *Chunk) {
	continued := c.Continued
	for b := c.Data; len(b) > 0; continued = false {
		i := bytes.IndexByte(b, '\n') + 1
		if i == 0 {
			i = len(b)
		}
		p.text(s, b[:i], continued)
		b = b[i:]
	}
}

// stamp prepares what all lines of a chunk have in common.
func (p *Printer) stamp(s *source, c *Chunk) {
	s.stamp = s.stamp[:0]
	switch {
	case p.o.JSON:
		s.stamp = append(c.Time.AppendFormat(append(s.stamp, `{"time":"`...), time.RFC3339Nano), `","service":`...)
		s.stamp = appendJSON(s.stamp, []byte(c.Service))
		if c.Instance != "" {
			s.stamp = appendJSON(append(s.stamp, `,"instance":`...), []byte(c.Instance))
		}
	case p.o.Timestamps:
		s.stamp = append(c.Time.AppendFormat(s.stamp, timestamp), ' ')
	}
}

// text prints a line, or a piece of one: it has a newline unless it is
// unfinished, and goes on from the piece before if continued.
func (p *Printer) text(s *source, line []byte, continued bool) {
	if len(p.out)+len(s.prefix)+len(line) > flushSize {
		p.flush()
	}
	line, ended := bytes.CutSuffix(line, []byte{'\n'})
	inPlace := continued && p.open == s
	if !inPlace {
		p.endLine()
		p.begin(s)
	}
	switch {
	case p.o.Terminal:
		if inPlace {
			p.overwrite(s, line)
		}
		p.onTerminal(s, line, !ended)
	case p.o.Strip:
		p.out = appendStripped(p.out, line)
	case p.o.Color:
		p.out = append(p.out, line...)
		p.restyle(s, line)
	default:
		p.out = append(p.out, line...)
	}
	p.open = s
	if ended {
		p.out = append(p.out, '\n')
		p.open = nil
	}
}

func (p *Printer) begin(s *source) {
	p.out = append(p.out, s.prefix...)
	p.out = append(p.out, s.stamp...)
	p.out = append(p.out, s.style...)
}

// endLine ends the line that somebody left unfinished.
func (p *Printer) endLine() {
	if p.open == nil {
		return
	}
	p.out = append(p.out, '\n')
	p.open = nil
}

// join puts lines together from their pieces before it deals with them.
func (p *Printer) join(s *source, c *Chunk) {
	if !c.Continued {
		p.release(s)
	}
	for b := c.Data; len(b) > 0; {
		i := bytes.IndexByte(b, '\n') + 1
		if i == 0 {
			s.joined = append(s.joined, b...)
			if len(s.joined) > MaxLine {
				p.whole(s, s.joined)
				s.joined, s.split = s.joined[:0], true
			}
			return
		}
		line := b[:i]
		b = b[i:]
		if len(s.joined) > 0 {
			s.joined = append(s.joined, line...)
			line = s.joined
		}
		p.whole(s, line)
		s.joined, s.split = s.joined[:0], false
		if cap(s.joined) > flushSize {
			s.joined = nil
		}
	}
}

// release deals with a line that will not be finished.
func (p *Printer) release(s *source) {
	if len(s.joined) > 0 {
		p.whole(s, s.joined)
	}
	s.joined, s.split = s.joined[:0], false
}

// whole prints a joined line if it is wanted. Of a split line, the first piece
// decides.
func (p *Printer) whole(s *source, line []byte) {
	if !s.split {
		s.wanted, s.level = p.o.Filter.match(line, s.level)
	}
	if !s.wanted {
		return
	}
	if p.o.JSON {
		p.json(s, line)
		return
	}
	p.text(s, line, s.split)
}
