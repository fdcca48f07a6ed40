package logs

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// said is a chunk of an instance of a service named as it, without its number.
func said(instance, data string, continued bool) Chunk {
	service, _, _ := strings.Cut(instance, "-")
	return Chunk{
		Time: time.Date(2025, 1, 2, 15, 4, 5, 67e6, time.UTC), Service: service, Instance: instance,
		Data: []byte(data), Partial: !strings.HasSuffix(data, "\n"), Continued: continued,
	}
}

func TestPrinter(t *testing.T) {
	grep := func(pattern string, level Level) *Filter {
		f, err := NewFilter(pattern, false, level)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, test := range []struct {
		name   string
		o      PrinterOptions
		chunks []Chunk
		want   string
	}{
		{
			"prefixes are as wide as the widest known",
			PrinterOptions{Instances: []string{"a-1"}},
			[]Chunk{said("a-1", "x\n", false), said("long-1", "y\n", false), said("a-1", "z\r\n\n", false)},
			"a-1 | x\nlong-1 | y\na-1    | z\r\na-1    | \n",
		},
		{
			"without prefixes",
			PrinterOptions{NoPrefix: true},
			[]Chunk{said("a-1", "x\n", false), said("b-1", "\x00\xff\x1b[31m\n", false)},
			"x\n\x00\xff\x1b[31m\n",
		},
		{
			"an unknown instance has its service's name",
			PrinterOptions{},
			[]Chunk{{Service: "a", Data: []byte("x\n")}},
			"a | x\n",
		},
		{
			"times",
			PrinterOptions{Timestamps: true},
			[]Chunk{said("a-1", "x\ny\n", false)},
			"a-1 | 2025-01-02T15:04:05.067Z x\na-1 | 2025-01-02T15:04:05.067Z y\n",
		},
		{
			"an unfinished line goes on where it was",
			PrinterOptions{},
			[]Chunk{said("a-1", "name", false), said("a-1", "> joe\nnext\n", true)},
			"a-1 | name> joe\na-1 | next\n",
		},
		{
			"an unfinished line ends when another instance writes",
			PrinterOptions{},
			[]Chunk{said("a-1", "name", false), said("b-1", "noise\n", false), said("a-1", "> joe\n", true)},
			"a-1 | name\nb-1 | noise\na-1 | > joe\n",
		},
		{
			"an unfinished line ends with a new run, and at the end",
			PrinterOptions{},
			[]Chunk{said("a-1", "died", false), said("a-1", "again", false)},
			"a-1 | died\na-1 | again\n",
		},
		{
			"colours end with the line and come back with the next",
			PrinterOptions{Color: true},
			[]Chunk{said("a-1", "\x1b[31mred\n", false), said("b-1", "plain\n", false), said("a-1", "still\x1b[0m\nno more\n", false)},
			"\x1b[36ma-1 | \x1b[0m\x1b[31mred\x1b[0m\n\x1b[33mb-1 | \x1b[0mplain\n" +
				"\x1b[36ma-1 | \x1b[0m\x1b[31mstill\x1b[0m\n\x1b[36ma-1 | \x1b[0mno more\n",
		},
		{
			"stripped, but for what is no text",
			PrinterOptions{Strip: true},
			[]Chunk{said("a-1", "\x1b[1mbold\x1b[0m\x1b]0;t\a\n\xff\x1b[m\n", false)},
			"a-1 | bold\na-1 | \xff\x1b[m\n",
		},
		{
			"on a terminal nothing but colours",
			PrinterOptions{Terminal: true},
			[]Chunk{said("a-1", "\x1b[2J\x1b[32mok\x1b[0m\a\x7f\xff\tü\r\n10%\r20%\n", false)},
			"a-1 | \x1b[32mok\x1b[0m␇␡\uFFFD\tü\na-1 | 20%\n",
		},
		{
			"a bar that overwrites itself",
			PrinterOptions{Terminal: true},
			[]Chunk{said("a-1", "10%\r", false), said("a-1", "20%\r", true), said("a-1", "done\n", true)},
			"a-1 | 10%\r\x1b[Ka-1 | 20%\r\x1b[Ka-1 | done\n",
		},
		{
			"filtered, lines put together first",
			PrinterOptions{Filter: grep("ab", Unknown)},
			[]Chunk{said("a-1", "no\nxa", false), said("b-1", "ab\n", false), said("a-1", "bx\nb\n", true)},
			"b-1 | ab\na-1 | xabx\n",
		},
		{
			"at a level, with what belongs to its lines",
			PrinterOptions{Filter: grep("", Error)},
			[]Chunk{said("a-1", "INFO x\nERROR y\n  at z\n", false), said("a-1", "\tat w\nok\n", false)},
			"a-1 | ERROR y\na-1 |   at z\na-1 | \tat w\n",
		},
		{
			"JSON",
			PrinterOptions{JSON: true},
			[]Chunk{said("a-1", "WARN \"x\"\n\xff\npart", false), said("a-1", "ly\nopen", true)},
			`{"time":"2025-01-02T15:04:05.067Z","service":"a","instance":"a-1","level":"warn","text":"WARN \"x\""}` + "\n" +
				`{"time":"2025-01-02T15:04:05.067Z","service":"a","instance":"a-1","text":"` + "\uFFFD" + `","bytes":"/w=="}` + "\n" +
				`{"time":"2025-01-02T15:04:05.067Z","service":"a","instance":"a-1","text":"partly"}` + "\n" +
				`{"time":"2025-01-02T15:04:05.067Z","service":"a","instance":"a-1","text":"open","partial":true}` + "\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, together := range []bool{true, false} {
				var out bytes.Buffer
				p := NewPrinter(&out, test.o)
				batches := []Batch{{Chunks: test.chunks}}
				if !together {
					batches = nil
					for _, c := range test.chunks {
						batches = append(batches, Batch{Chunks: []Chunk{c}})
					}
				}
				for _, b := range batches {
					if err := p.Print(b); err != nil {
						t.Fatal(err)
					}
				}
				if err := p.Close(); err != nil {
					t.Fatal(err)
				}
				if out.String() != test.want {
					t.Errorf("together %v:\n%q, want\n%q", together, out.String(), test.want)
				}
			}
		})
	}
}

func TestAPrinterBoundsWhatItPutsTogether(t *testing.T) {
	f, err := NewFilter("^x", false, Unknown)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	p := NewPrinter(&out, PrinterOptions{NoPrefix: true, Filter: f})
	piece := strings.Repeat("x", MaxLine)
	for i := range 8 {
		if err := p.Print(Batch{Chunks: []Chunk{said("a-1", piece, i > 0)}}); err != nil {
			t.Fatal(err)
		}
		if held := len(p.sources["a-1"].joined); held > 2*MaxLine {
			t.Fatalf("holds %d bytes", held)
		}
	}
	if err := errors.Join(p.Print(Batch{Chunks: []Chunk{said("a-1", "\nno\n", true)}}), p.Close()); err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat(piece, 8) + "\n"; out.String() != want {
		t.Errorf("printed %d bytes, want %d", out.Len(), len(want))
	}
}

type broken struct{ writes int }

var errBroken = errors.New("broken pipe")

func (b *broken) Write([]byte) (int, error) {
	b.writes++
	return 0, errBroken
}

func TestAnErrorOfThePrintersWriterStays(t *testing.T) {
	w := &broken{}
	p := NewPrinter(w, PrinterOptions{})
	for range 3 {
		if err := p.Print(Batch{Chunks: []Chunk{said("a-1", "x\n", false)}}); !errors.Is(err, errBroken) {
			t.Error(err)
		}
	}
	if err := p.Close(); !errors.Is(err, errBroken) || w.writes != 1 {
		t.Errorf("%v after %d writes", err, w.writes)
	}
}

func TestAPrinterAllocatesNothingForALine(t *testing.T) {
	chunks := []Chunk{said("a-1", strings.Repeat("INFO a line of text\n", 1000), false)}
	for name, o := range map[string]PrinterOptions{
		"plain": {}, "colour": {Color: true}, "times": {Timestamps: true}, "terminal": {Terminal: true}, "json": {JSON: true},
	} {
		p := NewPrinter(io.Discard, o)
		n := testing.AllocsPerRun(10, func() { _ = p.Print(Batch{Chunks: chunks}) })
		if n > 5 {
			t.Errorf("%s: %v allocations for 1000 lines", name, n)
		}
	}
}
