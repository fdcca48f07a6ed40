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

// spewer returns a pipe, and what starts the process that writes b.N lines to
// it; that returns what waits for its end.
func spewer(b *testing.B) (r *os.File, start func() (wait func() error)) {
	b.Helper()
	r, pw, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), spewLines+"="+strconv.Itoa(b.N))
	child.Stdout = pw
	return r, func() func() error {
		if err := child.Start(); err != nil {
			b.Fatal(err)
		}
		pw.Close()
		return child.Wait
	}
}

// perLine reports what a line took of time and of this process' processor time.
func perLine(b *testing.B, began time.Time, cpu time.Duration) {
	b.Helper()
	b.StopTimer()
	took, cpu := time.Since(began), cpuTime()-cpu
	b.ReportMetric(float64(b.N)/took.Seconds(), "lines/s")
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N), "cpu-ns/line")
}

// BenchmarkWriter is the way of a service's output to the disk: the pipe of
// another process, Writer, the files.
func BenchmarkWriter(b *testing.B) {
	s := openStore(b)
	benchmarkSink(b, func(r *os.File) error {
		w := s.Writer("spew", "spew-1")
		_, err := io.Copy(w, r)
		return errors.Join(err, w.Close())
	})
	if at, err := s.Seek(Query{Tail: None}); err != nil || at.At[0].Line != int64(b.N) {
		b.Errorf("%+v, %v", at, err)
	}
}

// BenchmarkFloor is what BenchmarkWriter would take without a store: the pipe
// is copied to a file, through a buffer as large as the pipe.
func BenchmarkFloor(b *testing.B) {
	out, err := os.Create(filepath.Join(b.TempDir(), "out"))
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	benchmarkSink(b, func(r *os.File) error {
		// The types are hidden: io.Copy would leave it to the system.
		_, err := io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{r}, make([]byte, 64<<10))
		return err
	})
}

func benchmarkSink(b *testing.B, sink func(*os.File) error) {
	b.Helper()
	r, start := spewer(b)
	defer r.Close()
	b.SetBytes(120)
	b.ResetTimer()
	began, cpu := time.Now(), cpuTime()
	wait := start()
	err := sink(r)
	perLine(b, began, cpu)
	if err := errors.Join(err, wait()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLine is a service that writes line by line.
func BenchmarkLine(b *testing.B) {
	s := openStore(b)
	w := s.Writer("spew", "spew-1")
	defer w.Close()
	line := append(bytes.Repeat([]byte{'x'}, 119), '\n')
	b.SetBytes(120)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Write(line); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStart is a first run of 200 services that each write three lines.
// start-ns is what up waits for, stop-ns what down does.
func BenchmarkStart(b *testing.B) {
	var start, stop time.Duration
	var created int
	for b.Loop() {
		s := openStore(b)
		var writers []*Writer
		began := time.Now()
		for i := range 200 {
			w := s.Writer("service"+strconv.Itoa(i), "instance"+strconv.Itoa(i))
			for _, line := range []string{"building\n", "starting\n", "listening\n"} {
				io.WriteString(w, line)
			}
			writers = append(writers, w)
		}
		start += time.Since(began)
		began = time.Now()
		for _, w := range writers {
			w.Close()
		}
		stop += time.Since(began)
		created = len(files(b, s))
	}
	b.ReportMetric(float64(start.Nanoseconds())/float64(b.N), "start-ns/op")
	b.ReportMetric(float64(stop.Nanoseconds())/float64(b.N), "stop-ns/op")
	b.ReportMetric(float64(created), "files/op")
}

// BenchmarkReopen opens what 200 services have in the pack.
func BenchmarkReopen(b *testing.B) {
	s := openStore(b)
	for i := range 200 {
		w := s.Writer("service"+strconv.Itoa(i), "instance"+strconv.Itoa(i))
		for range 100 {
			io.WriteString(w, "listening\n")
		}
		w.Close()
	}
	for b.Loop() {
		reopen(b, s)
	}
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
	r, start := spewer(b)
	defer r.Close()
	b.SetBytes(120)
	b.ResetTimer()
	began, cpu := time.Now(), cpuTime()
	wait := start()
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
	perLine(b, began, cpu)
	if err := errors.Join(<-copied, wait()); err != nil {
		b.Fatal(err)
	}
	if info, err := out.Stat(); err != nil || info.Size() != int64(b.N)*(120+int64(len("spew-1 | "))) {
		b.Errorf("printed %d bytes for %d lines", info.Size(), b.N)
	}
}
