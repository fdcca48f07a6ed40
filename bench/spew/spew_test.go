package spew

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func written(t *testing.T, kind string, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, kind, n); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		kind string
		n    int
		size int
	}{
		{Lines, 1000, 1000 * LineSize},
		{Long, 0, 1 << 20},
		{Junk, 0, 1<<20 + 1},
	} {
		if got := len(written(t, c.kind, c.n)) - len(End(c.kind)); got != c.size {
			t.Errorf("%s has %d bytes, want %d", c.kind, got, c.size)
		}
	}
	if Write(io.Discard, "other", 1) == nil {
		t.Error("another kind is no error")
	}
}

func TestCheckFinds(t *testing.T) {
	lines := strings.SplitAfter(string(written(t, Lines, 4)), "\n")
	for name, c := range map[string]struct {
		text string
		want Found
	}{
		"nothing":    {strings.Join(lines, ""), Found{Whole: 4}},
		"a loss":     {lines[0] + lines[2] + lines[3], Found{Whole: 3}},
		"a cut":      {lines[0] + lines[1][:50] + "\n" + lines[2] + lines[3], Found{Whole: 3, Cut: 1}},
		"two in one": {lines[0] + lines[1][:LineSize-1] + lines[2] + lines[3], Found{Whole: 2, Cut: 1}},
		"a swap":     {lines[1] + lines[0] + lines[2] + lines[3], Found{Whole: 4, Reordered: 1}},
		"a repeat":   {lines[0] + lines[0] + lines[1] + lines[2] + lines[3], Found{Whole: 4, Cut: 1}},
		"other text": {"hello\n" + strings.Join(lines, "") + "no newline", Found{Whole: 4, Cut: 2}},
	} {
		got, err := Check(strings.NewReader(c.text), 4)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
	}
}

func TestSameComparesAllBytes(t *testing.T) {
	junk := written(t, Junk, 0)
	for name, c := range map[string]struct {
		data []byte
		want bool
	}{
		"same":    {junk, true},
		"shorter": {junk[:len(junk)-1], false},
		"longer":  {append(bytes.Clone(junk), 'x'), false},
		"changed": {append(append(bytes.Clone(junk[:5000]), junk[5000]^1), junk[5001:]...), false},
	} {
		got, err := Same(bytes.NewReader(c.data), func(w io.Writer) error { return Write(w, Junk, 0) })
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %v, want %v", name, got, err, c.want)
		}
	}
}
