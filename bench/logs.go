//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/msctl/msctl/bench/spew"
)

const (
	spewed      = 2_000_000 // lines
	diskLooks   = time.Millisecond
	diskLimit   = time.Minute
	onDiskAfter = time.Second
)

// pipe is the floor of the logs: the service's output goes through cat to a file.
type pipe struct{}

func (pipe) String() string { return "cat > file" }

func (pipe) start(ctx context.Context, r *run, services []service) (func() error, error) {
	c := r.command(ctx, "sh", "-c", services[0].command+" | cat >"+spewLog(r, pipe{}))
	return func() error {
		err := syscall.Kill(-c.Process.Pid, syscall.SIGTERM) // all of the pipe
		_ = c.Wait()                                         // the signal's
		return err
	}, c.Start()
}

// output measures the way of what services write to the disk, and checks that
// it arrives as it was written.
func output(ctx context.Context, l *lab) error {
	printing := l.foreground()
	printing.name = "msctl, printing"
	tools := []tool{pipe{}, l.background(), printing}
	rate, cpu, rest := map[string]samples{}, map[string]samples{}, map[string]samples{}
	var found spew.Found
	for round := range l.rounds {
		for _, t := range turn(tools, round) {
			o, err := l.spew(ctx, t, spew.Lines, spewed)
			if err != nil {
				return fmt.Errorf("%s: %w", t, err)
			}
			name := t.String()
			rate[name] = append(rate[name], spewed/o.took.Seconds())
			cpu[name] = append(cpu[name], float64(o.cpu.Nanoseconds())/1e3/spewed)
			rest[name] = append(rest[name], ms(o.rest))
			if round == 0 && name == "msctl -d" {
				found = o.found
			}
			if !o.verbatim {
				return fmt.Errorf("%s: what is on the disk differs from what was written", t)
			}
		}
	}
	floor := pipe{}.String()
	for _, t := range tools {
		l.table.add("logs, 2 M lines of 120 bytes", t.String(), rate[t.String()], "lines/s", times(rate[t.String()].over(rate[floor])), nil)
	}
	for _, t := range tools {
		var b *bound
		if t.String() == "msctl -d" {
			b = below(cpu[t.String()].median(), 0.5, " µs")
		}
		l.table.add("logs, processor time a line", t.String(), cpu[t.String()], "µs", times(cpu[t.String()].over(cpu[floor])), b)
	}
	late := rest["msctl -d"]
	l.table.add("logs, on disk after the last write", "msctl -d", late, "ms", "", below(slices.Max(late), ms(onDiskAfter), " ms"))
	wrong := float64(found.Lost(spewed) + found.Cut + found.Reordered)
	l.table.add("msctl logs: lost, cut, reordered", "msctl -d", samples{wrong}, "lines",
		fmt.Sprintf("%d, %d, %d", found.Lost(spewed), found.Cut, found.Reordered), atMost(wrong, 0, ""))
	return l.outputVerbatim(ctx)
}

// outputVerbatim looks at what is unlike lines.
func (l *lab) outputVerbatim(ctx context.Context) error {
	for _, kind := range []string{spew.Long, spew.Junk} {
		o, err := l.spew(ctx, l.background(), kind, 0)
		if err != nil {
			return err
		}
		differs := 0.0
		if !o.verbatim {
			differs = 1
		}
		l.table.add("logs, 1 MiB, "+kind, "msctl -d", samples{differs}, "differ", fmt.Sprintf("on disk after %.1f ms", ms(o.rest)), atMost(differs, 0, ""))
	}
	return nil
}

// spewing is what became of an output.
type spewing struct {
	took     time.Duration // from the first write until the last byte was on disk
	rest     time.Duration // the part of it after the last write
	cpu      time.Duration // of the tool
	verbatim bool
	found    spew.Found // what msctl logs prints, of lines
}

// spew has a service write n lines, or another kind of output, through a tool.
func (l *lab) spew(ctx context.Context, t tool, kind string, n int) (spewing, error) {
	services, err := l.services(ctx, 1)
	if err != nil {
		return spewing{}, err
	}
	r, _, err := l.up(ctx, t, services)
	if err != nil {
		return spewing{}, err
	}
	defer r.close() //nolint:errcheck // stop has the error
	cpu, began := r.cpu(), time.Now()
	if err := l.get(ctx, fmt.Sprintf("http://127.0.0.1:%d/spew?kind=%s&n=%d", services[0].port, kind, n)); err != nil {
		return spewing{}, err
	}
	written := time.Now()
	if err := awaitEnd(ctx, spewLog(r, t), kind); err != nil {
		return spewing{}, err
	}
	if t.String() == "msctl, printing" {
		if err := awaitEnd(ctx, r.out.Name(), kind); err != nil {
			return spewing{}, err
		}
	}
	o := spewing{took: time.Since(began), rest: time.Since(written), cpu: r.cpu() - cpu}
	if o.verbatim, err = isVerbatim(spewLog(r, t), kind, n); err != nil {
		return o, err
	}
	if kind == spew.Lines && t.String() == "msctl -d" {
		if o.found, err = r.printedLines(ctx, n); err != nil {
			return o, err
		}
	}
	_, _, err = r.stop()
	return o, err
}

// spewLog is the file that takes a tool's output of the only service.
func spewLog(r *run, t tool) string {
	if t == (pipe{}) {
		return filepath.Join(r.dir, "s000.log")
	}
	return filepath.Join(r.dir, ".msctl", "logs", "s000.log")
}

// awaitEnd waits until a file has the end of an output.
func awaitEnd(ctx context.Context, path, kind string) error {
	end := []byte(spew.End(kind))
	for began := time.Now(); ctx.Err() == nil; time.Sleep(diskLooks) {
		if f, err := os.Open(path); err == nil {
			tail := make([]byte, len(end))
			size, _ := f.Seek(0, io.SeekEnd)
			_, err := f.ReadAt(tail, max(0, size-int64(len(end))))
			_ = f.Close()
			if err == nil && bytes.Equal(tail, end) {
				return nil
			}
		}
		if time.Since(began) > diskLimit {
			return fmt.Errorf("%s: no end of the output after %s", filepath.Base(path), diskLimit)
		}
	}
	return ctx.Err()
}

// isVerbatim compares a log, with its older segments, with the output.
func isVerbatim(path, kind string, n int) (bool, error) {
	files, _ := filepath.Glob(path + ".*") // the pattern is fine
	slices.SortFunc(files, func(a, b string) int { return segment(a) - segment(b) })
	var parts []io.Reader
	for _, name := range append(files, path) {
		f, err := os.Open(name)
		if err != nil {
			return false, err
		}
		defer f.Close() //nolint:errcheck // only read
		parts = append(parts, f)
	}
	return spew.Same(io.MultiReader(parts...), func(w io.Writer) error { return spew.Write(w, kind, n) })
}

// segment is the number at the end of a segment's name.
func segment(path string) int {
	n, _ := strconv.Atoi(filepath.Ext(path)[1:])
	return n
}

// printedLines checks what msctl logs prints.
func (r *run) printedLines(ctx context.Context, n int) (found spew.Found, err error) {
	c := r.command(ctx, r.lab.msctl, "logs", "--no-prefix", "--no-color")
	c.Stdout = nil
	out, err := c.StdoutPipe()
	if err != nil {
		return found, err
	}
	if err := c.Start(); err != nil {
		return found, err
	}
	found, err = spew.Check(out, n)
	return found, errors.Join(err, c.Wait())
}
