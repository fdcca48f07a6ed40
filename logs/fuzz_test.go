package logs

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzIndex reads and searches a log whose index is any bytes: nothing
// panics, hangs or goes outside of the data. With seal the checksums are
// right, so that the fields, too, are any.
func FuzzIndex(f *testing.F) {
	good := appendName(appendHeader(nil, mark{100, 3}), "catalog-1")
	good = appendRecord(good, record{name: 1, length: 4, lines: 2, time: 5})
	good = appendRecord(good, record{name: 1, offset: 4, length: 3, lines: 3, time: 7, flags: flagPartial})
	overlap := appendRecord(bytes.Clone(good), record{name: 9, offset: 2, length: 900, lines: 1, time: 3})
	long := appendRecord(appendName(appendHeader(nil, mark{100, 3}), "catalog-1"), record{name: 1, length: 1 << 30, lines: 2, time: 5})
	long = appendRecord(long, record{name: 1, offset: 4, length: 3, lines: 3, time: 7})
	empty := appendRecord(bytes.Clone(good), record{offset: 7, lines: 3, time: 8})
	for _, b := range [][]byte{good, good[:len(good)-5], overlap, long, empty, bytes.Repeat([]byte{0}, 96), nil} {
		f.Add(b, []byte("a\nb\nabc"), true)
		f.Add(b, []byte("a\nb\nabcd\n"), false)
	}
	f.Fuzz(func(t *testing.T, index, data []byte, seal bool) {
		if seal {
			for i := 0; i+blockSize <= len(index); i += blockSize {
				sealed(index[:i+blockSize])
			}
		}
		s := openStore(t)
		write(t, s, "x\n")
		saved(t, s)
		edit(t, s.activePath("catalog"), func([]byte) []byte { return data })
		edit(t, s.indexPath("catalog", 1), func([]byte) []byte { return index })
		s, err := OpenReadOnly(s.dir)
		if err != nil {
			t.Fatal(err)
		}
		chunks, _, _ := readAll(t, s, Cursor{}, 10)
		if got := len(text(chunks)); got > len(data)+len(index)/blockSize*len(data) {
			t.Errorf("%d bytes of %d", got, len(data))
		}
		filter, err := NewFilter("b", false, Unknown)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range []Query{{Tail: 1}, {Tail: 2, Filter: filter}, {Since: time.Unix(0, 6)}, {Until: time.Unix(0, 6), Tail: 1}} {
			if c, err := s.Seek(q); err == nil {
				readAll(t, s, c, 10)
			}
		}
	})
}

// FuzzLevel: a level does not depend on what is around a line.
func FuzzLevel(f *testing.F) {
	for _, c := range levels {
		f.Add([]byte(c.line))
	}
	f.Add([]byte(`{"a":"\\","level":`))
	f.Add([]byte(`{"level":"`))
	f.Add([]byte("level=\""))
	f.Fuzz(func(t *testing.T, line []byte) {
		l := DetectLevel(line)
		if l < Unknown || l > Fatal {
			t.Fatalf("level %d", l)
		}
		if indented := DetectLevel(append([]byte(" \t"), line...)); indented != l {
			t.Errorf("%q: %v, indented %v", line, l, indented)
		}
		if back, err := ParseLevel(l.String()); l != Unknown && (back != l || err != nil) {
			t.Errorf("%v is parsed as %v, %v", l, back, err)
		}
	})
}

func FuzzStripped(f *testing.F) {
	for _, s := range []string{
		"plain", "\x1b[31mred\x1b[0m", "\x1b]0;title\a", "\x1b]8;;http://127.0.0.1\x1b\\link\x1b]8;;\x1b\\", "\x1b", "\x1b[", "\x1b(B",
		"\x1b[?25l", "\x1b[1\x1b[2m", "\x1b]0;\n", "\x1bP\x1b", "é\x1b[m€\xff\xe2\x82",
	} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		got := stripped(nil, b)
		if bytes.IndexByte(got, esc) >= 0 {
			t.Errorf("%q has escapes left: %q", b, got)
		}
		if bytes.IndexByte(b, esc) < 0 && !bytes.Equal(got, b) {
			t.Errorf("%q without escapes has become %q", b, got)
		}
		if bytes.Count(got, []byte{'\n'}) != bytes.Count(b, []byte{'\n'}) {
			t.Errorf("%q has lost a newline: %q", b, got)
		}
		// Cut where finished says, two pieces are stripped as one.
		if len(b) > maxHeld || cut < 0 {
			return
		}
		n := finished(b[:cut%(len(b)+1)])
		if pieces := stripped(stripped(nil, b[:n]), b[n:]); !bytes.Equal(pieces, got) {
			t.Errorf("%q, %q: stripped %q, as one %q", b[:n], b[n:], pieces, got)
		}
	})
}

// FuzzJSON prints any line as JSON and reads it back.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{"", "plain", "\"quoted\\\"", "tab\t\r\x00\x1f\x7f", "é€😀\u2028<&>", "\xff\xc3", "\x1b[31merror:\x1b[0m x", `{"level":"warn"}`} {
		f.Add([]byte(s), false, false)
		f.Add([]byte(s), true, true)
	}
	f.Fuzz(func(t *testing.T, line []byte, strip, partial bool) {
		line = bytes.ReplaceAll(line, []byte{'\n'}, nil)
		c := Chunk{Time: time.Unix(1, 2), Service: string(line), Instance: "catalog-1", Data: line, Partial: partial}
		if !partial {
			c.Data = append(bytes.Clone(line), '\n')
		}
		var out bytes.Buffer
		p := NewPrinter(&out, PrinterOptions{JSON: true, Strip: strip})
		if err := p.Print(Batch{Chunks: []Chunk{c}}); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if len(c.Data) == 0 {
			return
		}
		if bytes.Count(out.Bytes(), []byte{'\n'}) != 1 || !utf8.Valid(out.Bytes()) {
			t.Fatalf("not one line of UTF-8: %q", out.Bytes())
		}
		var got struct {
			Time              time.Time
			Service, Instance string
			Level             Level
			Text              string
			Bytes             []byte
			Partial           bool
		}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%q: %v", out.Bytes(), err)
		}
		want := line
		if strip {
			want = stripped(nil, line)
		}
		if got.Text != string([]rune(string(want))) || got.Service != string([]rune(string(line))) {
			t.Errorf("text %q, want %q", got.Text, want)
		}
		if exact := !utf8.Valid(want); exact != (got.Bytes != nil) || exact && !bytes.Equal(got.Bytes, want) {
			t.Errorf("bytes %q, want %q", got.Bytes, want)
		}
		if got.Partial != partial || !got.Time.Equal(c.Time) || got.Level != DetectLevel(stripped(nil, line)) {
			t.Errorf("%+v", got)
		}
	})
}

// FuzzPrinter prints any output in any pieces: to a pipe it stays as it is, on
// a terminal it does nothing but colour its text.
func FuzzPrinter(f *testing.F) {
	f.Add([]byte("one\ntwo \x1b[31mred\nstill\x1b[0m\n"), 5)
	f.Add([]byte("10%\r20%\r\x1b[2J\x07\x00\xff\u009b31m\n\x1b]0;title\a\n"), 7)
	f.Fuzz(func(t *testing.T, output []byte, cut int) {
		if cut < 0 || len(output) == 0 {
			return
		}
		cut %= len(output)
		var chunks []Chunk
		for _, data := range [][]byte{output[:cut], output[cut:]} {
			if len(data) > 0 {
				c := Chunk{Service: "catalog", Instance: "catalog-1", Data: data, Partial: data[len(data)-1] != '\n'}
				c.Continued = len(chunks) > 0 && chunks[0].Partial
				chunks = append(chunks, c)
			}
		}
		printed := func(o PrinterOptions) string {
			var out strings.Builder
			p := NewPrinter(&out, o)
			if err := p.Print(Batch{Chunks: chunks}); err != nil {
				t.Fatal(err)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			return out.String()
		}
		want := strings.TrimSuffix(string(output), "\n") + "\n"
		if got := printed(PrinterOptions{NoPrefix: true}); got != want {
			t.Errorf("to a pipe: %q, want %q", got, want)
		}
		if got := printed(PrinterOptions{NoPrefix: true, Filter: new(Filter)}); got != want {
			t.Errorf("filtered by nothing: %q, want %q", got, want)
		}
		onScreen := printed(PrinterOptions{Terminal: true, Color: true})
		if !utf8.ValidString(onScreen) {
			t.Errorf("on a terminal not UTF-8: %q", onScreen)
		}
		rest := []byte(strings.ReplaceAll(onScreen, "\r\x1b[K", ""))
		for i := 0; i < len(rest); {
			n := 1
			if rest[i] == esc {
				var sgr bool
				if n, sgr = sequence(rest[i:]); !sgr {
					t.Fatalf("on a terminal: %q", rest[i:])
				}
			} else if rest[i] < ' ' && rest[i] != '\n' && rest[i] != '\t' || rest[i] == 0x7f {
				t.Fatalf("on a terminal: %q", rest[i:])
			}
			i += n
		}
	})
}

// FuzzNames makes sure that a store lists any folder.
func FuzzNames(f *testing.F) {
	f.Add("catalog.log", "catalog.idx.1")
	f.Add("catalog.log.3", "catalog.log.03")
	f.Add(".log", "a.idx.-1")
	f.Fuzz(func(t *testing.T, a, b string) {
		dir := t.TempDir()
		for _, name := range []string{a, b} {
			if name == "" || len(name) > 100 || strings.ContainsAny(name, "/\x00") || name == "." || name == ".." {
				return
			}
			if err := os.WriteFile(dir+"/"+name, []byte("x\n"), 0o644); err != nil {
				return // a name that the system does not take
			}
		}
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		readAll(t, s, Cursor{}, 1)
	})
}
