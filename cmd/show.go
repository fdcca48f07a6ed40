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
// write from cursor on to stdout, and what becomes of them to stderr. It fails
// when stdout takes no more, since its reader has gone.
func (a *app) show(ctx context.Context, reg *registry.Registry, store *logs.Store, cursor logs.Cursor, plain bool) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.showOutput(ctx, store, cursor, plain) })
	g.Go(func() error { return a.tellNews(ctx, reg) })
	return g.Wait()
}

func (a *app) showOutput(ctx context.Context, store *logs.Store, cursor logs.Cursor, plain bool) error {
	p := logs.NewPrinter(a.out, a.printerOptions(plain))
	for {
		b, err := store.Next(ctx, cursor, showBatch)
		if ctx.Err() != nil {
			return errors.Join(a.rest(store, cursor, p), p.Close())
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

// rest prints what was written until the last instance had ended.
func (a *app) rest(store *logs.Store, cursor logs.Cursor, p *logs.Printer) error {
	cursor.Until = time.Now()
	for {
		b, err := store.Next(context.Background(), cursor, showBatch)
		if err != nil {
			return nil //nolint:nilerr // io.EOF, or a disk that has already been reported
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
	color := !plain && isTerminal(a.out) && useColor()
	return logs.PrinterOptions{Color: color, Strip: !color}
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
		if was.State == registry.Ready {
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
