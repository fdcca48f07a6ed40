package logs

import "testing"

func TestFilter(t *testing.T) {
	for _, test := range []struct {
		grep   string
		invert bool
		level  Level
		line   string
		want   bool
	}{
		{"", false, Unknown, "anything", true},
		{"", true, Unknown, "anything", true}, // there is nothing to invert
		{"b.c", false, Unknown, "abxcd\r\n", true},
		{"c$", false, Unknown, "abc\r\n", true},
		{"a+b", false, Unknown, "b", false},
		{"plain", false, Unknown, "some plain text", true},
		{"plain", true, Unknown, "some plain text", false},
		{"(?i)PLAIN", false, Unknown, "some plain text", true},
		{"red text", false, Unknown, "\x1b[31mred\x1b[0m text", true},
		{"", false, Warn, "INFO x", false},
		{"", false, Warn, "\x1b[31mERROR\x1b[0m x", true},
		{"", false, Info, "no level counts as info", true},
		{"", false, Warn, "no level counts as info", false},
		{"x", true, Error, "ERROR x", false},
	} {
		f, err := NewFilter(test.grep, test.invert, test.level)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Match([]byte(test.line)); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
	if _, err := NewFilter("(", false, Unknown); err == nil {
		t.Error("an unfinished pattern is taken")
	}
}
