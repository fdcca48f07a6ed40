package observe

import (
	"encoding/hex"
	"strings"
	"testing"
)

// The examples are of W3C Trace Context.
const example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestContinue(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, c := range []struct {
		name, incoming string
		flags          string // of a trace that goes on; "" for a new one
	}{
		{"none", "", ""},
		{"sampled", example, "01"},
		{"not sampled", "00-" + id + "-00f067aa0ba902b7-00", "00"},
		{"random", "00-" + id + "-00f067aa0ba902b7-03", "03"},
		{"flags of nobody", "00-" + id + "-00f067aa0ba902b7-fd", "01"},
		{"a version to come", "cc-" + id + "-00f067aa0ba902b7-01", "01"},
		{"a version to come with more", "cc-" + id + "-00f067aa0ba902b7-01-what-will-be", "01"},
		{"a version to come with more, joined", "cc-" + id + "-00f067aa0ba902b7-01.what", ""},
		{"version 00 with more", example + "-what", ""},
		{"version ff", "ff-" + id + "-00f067aa0ba902b7-01", ""},
		{"no version", "0x-" + id + "-00f067aa0ba902b7-01", ""},
		{"no trace", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", ""},
		{"no parent", "00-" + id + "-0000000000000000-01", ""},
		{"capitals", strings.ToUpper(example), ""},
		{"short", example[:54], ""},
		{"no dashes", strings.ReplaceAll(example, "-", "_"), ""},
		{"bad flags", example[:53] + "0g", ""},
	} {
		var out, again [length]byte
		trace := Continue(c.incoming, &out)
		Continue(c.incoming, &again)
		got, version := string(out[:]), out[:3]
		if _, _, ok := parse(got); !ok || string(version) != "00-" || got[3:35] != hex.EncodeToString(trace[:]) {
			t.Errorf("%s: %s is not valid", c.name, got)
		}
		if goesOn := got[3:35] == id; goesOn != (c.flags != "") {
			t.Errorf("%s: %s", c.name, got)
		}
		if want := max(c.flags, "01"); c.flags != "00" && got[53:] != want || c.flags == "00" && got[53:] != "00" {
			t.Errorf("%s: flags %s, want %s", c.name, got[53:], want)
		}
		if got[36:52] == "00f067aa0ba902b7" || got[36:52] == string(again[36:52]) {
			t.Errorf("%s: the parent is not a new one: %s", c.name, got)
		}
	}
}

func TestContinueAllocatesNothing(t *testing.T) {
	var out [length]byte
	for _, incoming := range []string{"", example} {
		if n := testing.AllocsPerRun(1000, func() { Continue(incoming, &out) }); n != 0 {
			t.Errorf("%q: %v allocations", incoming, n)
		}
	}
}

func FuzzContinue(f *testing.F) {
	f.Add("")
	f.Add(example)
	f.Add("cc" + example[2:] + "-more")
	f.Add("ff" + example[2:])
	f.Fuzz(func(t *testing.T, incoming string) {
		var out [length]byte
		trace := Continue(incoming, &out)
		got, flags, ok := parse(string(out[:]))
		if !ok || got != trace || string(out[:3]) != "00-" {
			t.Fatalf("%q: %s", incoming, out)
		}
		if was, before, ok := parse(incoming); ok && (was != trace || before != flags) {
			t.Errorf("%q does not go on in %s", incoming, out)
		} else if !ok && flags != sampled {
			t.Errorf("%q: a new trace is not sampled: %s", incoming, out)
		}
	})
}

func BenchmarkContinue(b *testing.B) {
	var out [length]byte
	for b.Loop() {
		Continue(example, &out)
	}
}
