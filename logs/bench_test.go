package logs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestMain's process writes lines instead of running tests when this is set.
const spewLines = "MSCTL_LOGS_TEST_SPEW"

// spew writes n lines of 120 bytes, numbered.
func spew(n int) {
	w := bufio.NewWriterSize(os.Stdout, 64<<10)
	line := bytes.Repeat([]byte("abcdefghij"), 12)
	line[119] = '\n'
	for i := range n {
		copy(line, fmt.Appendf(line[:0], "L%08d ", i))
		w.Write(line)
	}
	w.Flush()
}

// BenchmarkPath is the whole way of a service's output: the pipe of another
// process, Writer, disk, Next, Printer, a file. One operation is one line.
func BenchmarkPath(b *testing.B) {
	s := openStore(b)
	out, err := os.Create(filepath.Join(b.TempDir(), "out"))
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	r, pw, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), spewLines+"="+strconv.Itoa(b.N))
	child.Stdout = pw
	b.SetBytes(120)
	b.ResetTimer()
	began, cpu := time.Now(), cpuTime()
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	pw.Close()
	copied := make(chan error, 1)
	go func() {
		w := s.Writer("spew", "spew-1")
		_, err := io.Copy(w, r)
		w.Close()
		copied <- err
	}()
	p := NewPrinter(out, PrinterOptions{})
	var c Cursor
	for lines := int64(0); lines < int64(b.N); {
		batch, err := s.Next(b.Context(), c, 1<<20)
		if err != nil || len(batch.Dropped) > 0 {
			b.Fatal(err, batch.Dropped)
		}
		if err := p.Print(batch); err != nil {
			b.Fatal(err)
		}
		c = batch.Cursor
		lines = c.At[0].Line
		batch.Release()
	}
	took, cpu := time.Since(began), cpuTime()-cpu
	b.StopTimer()
	if err := errors.Join(<-copied, child.Wait(), r.Close()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/took.Seconds(), "lines/s")
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N), "cpu-ns/line")
	if info, err := out.Stat(); err != nil || info.Size() != int64(b.N)*(120+int64(len("spew-1 | "))) {
		b.Errorf("printed %d bytes for %d lines", info.Size(), b.N)
	}
}
