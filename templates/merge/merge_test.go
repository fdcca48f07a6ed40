package merge

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var sides = Labels{Ours: "yours", Theirs: "template"}

// text has a line for each letter.
func text(letters string) string {
	var b strings.Builder
	for _, r := range letters {
		fmt.Fprintf(&b, "%c\n", r)
	}
	return b.String()
}

func TestMerge(t *testing.T) {
	clash := func(ours, theirs string) string {
		return "<<<<<<< yours\n" + ours + "=======\n" + theirs + ">>>>>>> template\n"
	}
	for name, c := range map[string]struct {
		base, ours, theirs, want string
		conflicts                int
	}{
		"nothing":                 {"", "", "", "", 0},
		"neither changed":         {text("abc"), text("abc"), text("abc"), text("abc"), 0},
		"apart":                   {text("abcde"), text("Abcde"), text("abcdE"), text("AbcdE"), 0},
		"one line between":        {text("abc"), text("Abc"), text("abC"), text("AbC"), 0},
		"insert and delete":       {text("abcdef"), text("axbcdef"), text("abcdf"), text("axbcdf"), 0},
		"the same change":         {text("abc"), text("aBc"), text("aBc"), text("aBc"), 0},
		"the same and another":    {text("abcde"), text("aBcde"), text("aBcdE"), text("aBcdE"), 0},
		"both removed all":        {text("abc"), "", "", "", 0},
		"one removed all":         {text("abc"), "", text("abc"), "", 0},
		"both made the same":      {"", text("ab"), text("ab"), text("ab"), 0},
		"overlap":                 {text("abc"), text("aBc"), text("aXc"), "a\n" + clash("B\n", "X\n") + "c\n", 1},
		"adjacent":                {text("abcd"), text("aBcd"), text("abCd"), "a\n" + clash("B\nc\n", "b\nC\n") + "d\n", 1},
		"delete against change":   {text("abc"), text("ac"), text("aXc"), "a\n" + clash("", "X\n") + "c\n", 1},
		"both made":               {"", text("a"), text("b"), clash("a\n", "b\n"), 1},
		"shared part is left out": {text("a"), text("1234x"), text("1234y"), text("1234") + clash("x\n", "y\n"), 1},
		"close ones become one":   {text("abcde"), text("aBcDe"), text("aXcYe"), "a\n" + clash(text("BcD"), text("XcY")) + "e\n", 1},
		"far ones stay apart": {
			text("a1234b"), text("A1234B"), text("X1234Y"),
			clash("A\n", "X\n") + text("1234") + clash("B\n", "Y\n"), 2,
		},
		"a change between keeps them apart": {
			text("ab1cd"), text("Ab2cD"), text("Xb1cY"),
			clash("A\n", "X\n") + text("b2c") + clash("D\n", "Y\n"), 2,
		},
		"no final newline":         {"a\nb\nc", "A\nb\nc", "a\nb\nc", "A\nb\nc", 0},
		"final newline added":      {"a\nb\nc", "A\nb\nc", "a\nb\nc\n", "A\nb\nc\n", 0},
		"final newline removed":    {text("abc"), text("Abc"), "a\nb\nc", "A\nb\nc", 0},
		"conflict without newline": {"a\nb", "a\nx", "a\ny", "a\n" + clash("x\n", "y\n"), 1},
		"CRLF":                     {"a\r\nb\r\nc\r\n", "A\r\nb\r\nc\r\n", "a\r\nb\r\nC\r\n", "A\r\nb\r\nC\r\n", 0},
		"CRLF in a conflict":       {"a\r\nb\r\n", "a\r\nx\r\n", "a\r\ny\r\n", "a\r\n" + strings.ReplaceAll(clash("x\n", "y\n"), "\n", "\r\n"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			got, conflicts := Merge([]byte(c.base), []byte(c.ours), []byte(c.theirs), sides)
			if string(got) != c.want || conflicts != c.conflicts {
				t.Errorf("got %d conflicts:\n%s\nwant %d:\n%s", conflicts, got, c.conflicts, c.want)
			}
		})
	}
}

func TestMergeWithoutLabels(t *testing.T) {
	got, _ := Merge([]byte("a\n"), []byte("b\n"), []byte("c\n"), Labels{})
	if want := "<<<<<<<\nb\n=======\nc\n>>>>>>>\n"; string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// random has lines of few kinds, so that some are there several times.
func random(r *rand.Rand, lines, kinds int) []string {
	out := make([]string, lines)
	for i := range out {
		out[i] = fmt.Sprintf("line %d\n", r.IntN(kinds))
	}
	return out
}

// edited changes some of the lines.
func edited(r *rand.Rand, text []string, edits, kinds int) []string {
	out := slices.Clone(text)
	for range edits {
		at := r.IntN(len(out) + 1)
		to := min(len(out), at+r.IntN(3))
		out = slices.Replace(out, at, to, random(r, r.IntN(3), kinds)...)
	}
	return out
}

func joined(r *rand.Rand, text []string) []byte {
	s := strings.Join(text, "")
	if r.IntN(4) == 0 {
		s = strings.TrimSuffix(s, "\n")
	}
	return []byte(s)
}

// gitMerge is what git merge-file does.
func gitMerge(t *testing.T, dir string, base, ours, theirs []byte) (merged []byte, conflicts int) {
	t.Helper()
	for name, data := range map[string][]byte{"base": base, "ours": ours, "theirs": theirs} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.CommandContext(t.Context(), "git", "merge-file", "-p", "-q", "-L", sides.Ours, "-L", "base", "-L", sides.Theirs, "ours", "base", "theirs")
	c.Dir = dir
	merged, err := c.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0 && exit.ExitCode() < 128:
		return merged, exit.ExitCode()
	case err != nil:
		t.Fatalf("git merge-file: %v\n%s", err, merged)
	}
	return merged, 0
}

func needs(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skip(err)
	}
}

// Lines that are there once leave no choice in what was changed: the outcome has
// to be git's, to the byte, with and without conflicts.
func TestMergeIsGits(t *testing.T) {
	needs(t, "git")
	dir, clean := t.TempDir(), 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		text := make([]string, 1+r.IntN(40))
		for i := range text {
			text[i] = fmt.Sprintf("unique %d\n", i)
		}
		base := joined(r, text)
		ours, theirs := joined(r, edited(r, text, r.IntN(4), 1e9)), joined(r, edited(r, text, r.IntN(4), 1e9))
		want, wantConflicts := gitMerge(t, dir, base, ours, theirs)
		got, conflicts := Merge(base, ours, theirs, sides)
		if !bytes.Equal(got, want) || conflicts != wantConflicts {
			t.Fatalf("seed %d: got %d conflicts:\n%s\nwant %d:\n%s\nbase:\n%s\nours:\n%s\ntheirs:\n%s", seed, conflicts, got, wantConflicts, want, base, ours, theirs)
		}
		if conflicts == 0 {
			clean++
		}
	}
	if clean < 50 || clean > 250 {
		t.Errorf("%d of 300 merges were clean: the edits test too little", clean)
	}
}

// Among equal lines it is a matter of choice which were added. Most often the
// choice is git's.
func TestMergeOfRepeatedLines(t *testing.T) {
	needs(t, "git")
	dir, clean, other := t.TempDir(), 0, 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		text := random(r, 20+r.IntN(60), 30)
		base := joined(r, text)
		ours, theirs := joined(r, edited(r, text, r.IntN(4), 30)), joined(r, edited(r, text, r.IntN(4), 30))
		want, conflicts := gitMerge(t, dir, base, ours, theirs)
		if conflicts > 0 {
			continue
		}
		clean++
		if got, _ := Merge(base, ours, theirs, sides); !bytes.Equal(got, want) {
			other++
		}
	}
	t.Logf("%d of %d clean merges differ from git's", other, clean)
	if clean < 50 || other*20 > clean {
		t.Errorf("%d of %d clean merges differ from git's", other, clean)
	}
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte("a\nb\nc\n"), []byte("a\nx\nc\n"), []byte("a\nb\nc\nd"))
	f.Add([]byte("a\r\nb"), []byte(""), []byte("a\r\nb\r\n"))
	f.Add([]byte("a\na\nb\na\n"), []byte("a\nb\na\na\n"), []byte("b\n\x00\na\n"))
	f.Fuzz(func(t *testing.T, b, o, x []byte) {
		is := func(what string, want []byte, b, o, t3 []byte) {
			t.Helper()
			if got, conflicts := Merge(b, o, t3, sides); conflicts > 0 || !bytes.Equal(got, want) {
				t.Errorf("%s: got %q with %d conflicts, want %q", what, got, conflicts, want)
			}
		}
		is("only ours changed", o, b, o, b)
		is("only theirs changed", x, b, b, x)
		is("both made the same change", x, b, x, x)

		got, conflicts := Merge(b, o, x, sides)
		back, conflictsBack := Merge(b, x, o, sides)
		if conflicts != conflictsBack && min(conflicts, conflictsBack) == 0 {
			t.Errorf("%d conflicts one way, %d the other", conflicts, conflictsBack)
		}
		if conflicts == 0 && !bytes.Equal(got, back) {
			t.Errorf("got %q one way, %q the other", got, back)
		}
		Unified("f", o, x)
	})
}
