package verify

import (
	"strings"
	"testing"
)

func TestLog(t *testing.T) {
	var l Log
	write := func(s string) { _, _ = l.Write([]byte(s)) }
	_, more := l.Lines()
	write("one\r\ntw")
	select {
	case <-more:
	default:
		t.Error("nobody was told of a line")
	}
	write("o\nthree")
	if lines, _ := l.Lines(); strings.Join(lines, "|") != "one|two" {
		t.Errorf("lines %q", lines)
	}
}

func TestALogIsBounded(t *testing.T) {
	var l Log
	for range maxLog / maxLine * 2 {
		_, _ = l.Write([]byte(strings.Repeat("x", maxLine)))
	}
	_, _ = l.Write([]byte("last\n"))
	lines, _ := l.Lines()
	if len(lines) == 0 || lines[len(lines)-1] != "last" {
		t.Errorf("the last line is not there")
	}
	if l.size > maxLog || len(l.rest) > maxLine {
		t.Errorf("%d bytes, and %d", l.size, len(l.rest))
	}
}
