package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/msctl/msctl/logs"
	"github.com/msctl/msctl/registry"
)

// showBatch is how much output is printed between two looks at the store.
const showBatch = 1 << 20

// show prints a stack of this process until ctx is done: what the services
// write from cursor on to stdout, and what becomes of them to stderr. Then it
// prints the rest of the output, as long as somebody is patient. It fails when
// stdout takes no more, since its reader has gone.
func (a *app) show(ctx, patient context.Context, reg *registry.Registry, store *logs.Store, cursor logs.Cursor, plain bool) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.showOutput(ctx, patient, store, cursor, plain) })
	g.Go(func() error { return a.tellNews(ctx, reg) })
	return g.Wait()
}

func (a *app) showOutput(ctx, patient context.Context, store *logs.Store, cursor logs.Cursor, plain bool) error {
	o := a.printerOptions(plain)
	p := logs.NewPrinter(a.out, o)
	for {
		b, err := store.Next(ctx, cursor, showBatch)
		if ctx.Err() != nil {
			if o.Terminal {
				var cancel context.CancelFunc
				patient, cancel = context.WithTimeout(patient, restPatience)
				defer cancel()
			}
			return errors.Join(a.rest(patient, store, cursor, p), p.Close())
		}
		if err != nil {
			return err
		}
		cursor = b.Cursor
		err = p.Print(b)
		b.Release()
		if err != nil {
			return fmt.Errorf("print the output: %w", err)
		}
	}
}

// restPatience is how long a terminal, which is slow, may take for what is left
// to print once everything has stopped. A file or a pipe gets all of it.
const restPatience = 500 * time.Millisecond

// rest prints what was written until the last instance had ended, or as much of
// it as can be while somebody is patient.
func (a *app) rest(patient context.Context, store *logs.Store, cursor logs.Cursor, p *logs.Printer) error {
	cursor.Until = time.Now()
	for {
		b, err := store.Next(context.Background(), cursor, showBatch)
		if err != nil {
			return nil //nolint:nilerr // io.EOF, or a disk that has already been reported
		}
		if patient.Err() != nil {
			b.Release()
			a.note("not all of the output is shown; msctl logs has it")
			return nil
		}
		cursor = b.Cursor
		err = p.Print(b)
		b.Release()
		if err != nil {
			return fmt.Errorf("print the output: %w", err)
		}
	}
}

// printerOptions fits the printer to where stdout goes.
func (a *app) printerOptions(plain bool) logs.PrinterOptions {
	screen := !plain && isTerminal(a.out) && os.Getenv("CI") == "" && os.Getenv("TERM") != "dumb"
	color := screen && useColor()
	return logs.PrinterOptions{Terminal: screen, Color: color, Strip: !color}
}

// isTerminal reports whether w is a terminal.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) //nolint:gosec // a file descriptor
}

// useColor follows https://no-color.org and the habits of CI.
func useColor() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("CI") == "" && os.Getenv("TERM") != "dumb"
}

// tellNews prints a line whenever an instance gets somewhere, until ctx ends
// or the stack does.
func (a *app) tellNews(ctx context.Context, from snapshots) error {
	n := newsFrom(a)
	n.began = time.Now()
	for after := uint64(0); ; {
		snap, err := from.Next(ctx, after)
		if err != nil {
			return nil //nolint:nilerr // that is the end
		}
		after = snap.Revision
		n.tell(snap)
	}
}

// tellStop says that the stack stops, once user is done, and what is slow to;
// ctx ends when nothing is left.
func (a *app) tellStop(ctx, user context.Context, reg *registry.Registry) error {
	<-user.Done()
	a.note("stopping; another Ctrl-C kills at once")
	a.tellSlowStop(ctx, reg, "; Ctrl-C kills what is left")
	return nil
}

// slowStop is how long a stop may take until it is told what it waits for.
const slowStop = 2 * time.Second

// tellSlowStop names the instances that a stop still waits for once it has
// taken slowStop, unless ctx ends before. Those that wait for others to stop
// first are not among them.
func (a *app) tellSlowStop(ctx context.Context, from snapshots, advice string) {
	t := time.NewTimer(slowStop)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return
	}
	snap, err := from.Next(ctx, 0)
	if err != nil {
		return // it has ended
	}
	var slow []string
	for _, i := range snap.Instances {
		if i.State == registry.Draining {
			slow = append(slow, i.ID)
		}
	}
	if len(slow) > 0 {
		a.note("waiting for %s to stop%s", strings.Join(slow, ", "), advice)
	}
}

// newsTeller knows what was said of each instance last.
type newsTeller struct {
	app  *app
	told uint64 // the revision that was told last
	last map[string]registry.Instance
	only func(registry.Instance) bool // nil tells of all

	began time.Time // when all began; zero once it was told that all are ready, or need not be
}

func newsFrom(a *app) *newsTeller { return &newsTeller{app: a, last: map[string]registry.Instance{}} }

// after takes what snap says as told.
func (n *newsTeller) after(snap registry.Snapshot) *newsTeller {
	for _, i := range snap.Instances {
		n.last[i.ID] = i
	}
	return n
}

func (n *newsTeller) tell(snap registry.Snapshot) {
	for _, i := range snap.Instances {
		if i.Revision <= n.told || n.only != nil && !n.only(i) {
			continue
		}
		if line := news(n.last[i.ID], i); line != "" {
			fmt.Fprintln(n.app.err, line)
		}
		if i.Beside == "" {
			n.last[i.ID] = i
		}
	}
	n.told = snap.Revision
	if !n.began.IsZero() && allReady(snap) {
		fmt.Fprintf(n.app.err, "all is ready after %s\n", time.Since(n.began).Round(time.Millisecond))
		n.began = time.Time{}
	}
}

// allReady reports whether there is nothing left to wait for.
func allReady(snap registry.Snapshot) bool {
	return len(snap.Instances) > 1 && !slices.ContainsFunc(snap.Instances, func(i registry.Instance) bool {
		return i.State != registry.Ready && i.State != registry.Completed
	})
}

// news says what is worth a line of what changed about an instance.
func news(was, is registry.Instance) string {
	again := !was.Started.Equal(is.Started) && (is.State == registry.Ready || is.State.Terminal()) // it was started, and not seen to be
	switch {
	case is.Beside != "":
		return "" // what becomes of it is told of the one that it is beside
	case is.Stale != nil && (was.Stale == nil || is.Stale.Since.After(was.Stale.Since)):
		line := is.ID + " " + isStale(is)
		if len(is.Stale.Output) > 0 {
			line += "\n  | " + strings.Join(is.Stale.Output, "\n  | ")
		}
		return line
	case was.State == is.State && was.Reason == is.Reason && !again:
		if len(was.Output) == 0 && len(is.Output) > 0 {
			return is.ID + " wrote last\n  | " + strings.Join(is.Output, "\n  | ")
		}
		return ""
	}
	line := what(was, is)
	if line == "" {
		return ""
	}
	if is.Hint != "" {
		line += "\n  hint: " + is.Hint
	}
	if len(is.Output) > 0 {
		line += "\n  | " + strings.Join(is.Output, "\n  | ")
	}
	return is.ID + " " + line
}

func isStale(i registry.Instance) string {
	return "goes on with the code from before: " + i.Stale.Reason
}

func what(was, is registry.Instance) string {
	switch is.State {
	case registry.Ready:
		took := time.Duration(is.ReadyIn).Round(time.Millisecond)
		if was.State == registry.Ready && was.Address != is.Address {
			return "runs the new code, ready after " + took.String()
		}
		if is.ReadyIn < registry.Duration(time.Millisecond) || was.State == registry.Unready {
			return "is ready"
		}
		return "is ready after " + took.String()
	case registry.Completed:
		return "has completed"
	case registry.Backoff:
		return "ended: " + is.Reason
	case registry.Failed:
		return "failed: " + is.Reason
	case registry.Unready:
		return "is not ready any more: " + is.Reason
	case registry.Building:
		return "is building"
	case registry.Stopped:
		return "is stopped"
	case registry.Pending:
		if was.State != registry.Pending || was.Reason == "" || was.Hint != is.Hint {
			return is.Reason // what it waits for first, or in vain; the rest of it is in ps
		}
	case registry.Starting:
		return is.Reason
	}
	return ""
}
