// Package spew writes the output that a service under test sends through
// msctl's logs, and checks what has come out at the other end.
package spew

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
)

// LineSize is the length of a numbered line, newline included.
const LineSize = 120

// The kinds of output.
const (
	Lines = "lines" // n numbered lines
	Long  = "long"  // one line of 1 MiB
	Junk  = "junk"  // 1 MiB of random bytes
)

// End is the line that follows each output.
func End(kind string) string { return "end of " + kind + "\n" }

// Write writes an output of a kind, and its end, in pieces of 64 KiB. The same
// arguments give the same bytes.
func Write(w io.Writer, kind string, n int) error {
	b := bufio.NewWriterSize(w, 64<<10)
	switch kind {
	case Lines:
		l := newLine()
		for i := range n {
			_, _ = b.Write(l.number(i)) // Flush has the error
		}
	case Long:
		_, _ = b.Write(bytes.Repeat([]byte("0123456789abcdef"), 1<<16)[1:])
		_ = b.WriteByte('\n')
	case Junk:
		r := rand.NewChaCha8([32]byte{7})
		_, _ = io.CopyN(b, r, 1<<20)
		_ = b.WriteByte('\n')
	default:
		return fmt.Errorf("want %s, %s or %s, got %q", Lines, Long, Junk, kind)
	}
	_, _ = b.WriteString(End(kind))
	return b.Flush()
}

// line is a numbered line: "L01234567 abcdefghij…".
type line []byte

func newLine() line {
	l := line(bytes.Repeat([]byte("abcdefghij"), LineSize/10))
	l[0], l[9], l[LineSize-1] = 'L', ' ', '\n'
	return l
}

func (l line) number(n int) []byte {
	for i := 8; i > 0; i-- {
		l[i] = byte('0' + n%10)
		n /= 10
	}
	return l
}

// Found is what Check has seen of n numbered lines.
type Found struct {
	Whole     int // lines as they were written, each counted once
	Cut       int // lines that were not written so, or come again
	Reordered int // whole lines that come after one with a higher number
}

// Lost is how many of n lines never came.
func (f Found) Lost(n int) int { return n - f.Whole }

// Check reads the output of Write(w, Lines, n) and compares it line by line.
func Check(r io.Reader, n int) (Found, error) {
	var f Found
	seen, want, last := make([]bool, n), newLine(), -1
	for in := bufio.NewReaderSize(r, 1<<20); ; {
		got, err := in.ReadSlice('\n')
		switch {
		case err == io.EOF && len(got) == 0:
			return f, nil
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull):
			return f, err
		}
		if string(got) == End(Lines) {
			continue
		}
		i := numberOf(got)
		if i < 0 || i >= n || seen[i] || !bytes.Equal(got, want.number(i)) {
			f.Cut++
			continue
		}
		if i < last {
			f.Reordered++
		}
		seen[i], last = true, max(i, last)
		f.Whole++
	}
}

// numberOf returns a line's number, -1 when it has none.
func numberOf(l []byte) int {
	if len(l) != LineSize {
		return -1
	}
	n, err := strconv.Atoi(string(l[1:9]))
	if err != nil {
		return -1
	}
	return n
}

// Same reports whether r reads as what write writes.
func Same(r io.Reader, write func(io.Writer) error) (bool, error) {
	c := &comparer{r: bufio.NewReaderSize(r, 1<<20), same: true}
	if err := write(c); err != nil {
		return false, err
	}
	_, err := c.r.ReadByte()
	return c.same && err == io.EOF, nil
}

type comparer struct {
	r    *bufio.Reader
	buf  []byte
	same bool
}

func (c *comparer) Write(p []byte) (int, error) {
	if len(c.buf) < len(p) {
		c.buf = make([]byte, len(p))
	}
	if _, err := io.ReadFull(c.r, c.buf[:len(p)]); err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return 0, err
	}
	c.same = c.same && bytes.Equal(c.buf[:len(p)], p)
	return len(p), nil
}
