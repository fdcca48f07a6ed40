package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/logs"
)

type logsOptions struct {
	services     []string
	follow       bool
	since, until string
	tail         string
	grep         string
	invert       bool
	level        string
	json         bool
	noColor      bool
	noPrefix     bool
	timestamps   bool
}

func (a *app) logsCommand() *cobra.Command {
	var o logsOptions
	c := &cobra.Command{
		Use:   "logs [SERVICE...]",
		Short: "Show what services wrote, merged by time",
		Long: `Show what services wrote, merged by time.

It works on a stack that does not run any more, too. Times are RFC 3339, a
date, or a duration before now such as 10m. --level takes trace, debug, info,
warn, error and fatal, and shows that level and those above; it understands
JSON and logfmt lines and the usual words.`,
		Example:           "  msctl logs -f\n  msctl logs catalog orders --since 10m --grep timeout\n  msctl logs --level warn --json --tail 100",
		ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			o.services = args
			return a.logs(c.Context(), o)
		},
	}
	f := c.Flags()
	f.BoolVarP(&o.follow, "follow", "f", false, "go on with what is written from now on")
	f.StringVar(&o.since, "since", "", "show what was written after this time")
	f.StringVar(&o.until, "until", "", "show what was written before this time")
	f.StringVarP(&o.tail, "tail", "n", "all", "show this many of the last lines")
	f.StringVar(&o.grep, "grep", "", "show lines that match a regular expression")
	f.BoolVar(&o.invert, "invert", false, "show lines that do not match --grep")
	f.StringVar(&o.level, "level", "", "show lines of this level and above")
	_ = c.RegisterFlagCompletionFunc("level", cobra.FixedCompletions( // it fails for a flag that is not there
		[]string{"trace", "debug", "info", "warn", "error", "fatal"}, cobra.ShellCompDirectiveNoFileComp))
	f.BoolVar(&o.json, "json", false, "print one JSON object a line")
	f.BoolVar(&o.noColor, "no-color", false, "print without colour")
	f.BoolVar(&o.noPrefix, "no-prefix", false, "print the lines only, not whose they are")
	f.BoolVarP(&o.timestamps, "timestamps", "t", false, "print when each line was written")
	return c
}

// query is what the options ask for.
func (o logsOptions) query(now time.Time) (control.LogQuery, error) {
	q := control.LogQuery{Follow: o.follow, Grep: o.grep, Invert: o.invert}
	q.Services = o.services
	var err error
	if q.Since, err = parseTime("--since", o.since, now); err != nil {
		return q, err
	}
	if q.Until, err = parseTime("--until", o.until, now); err != nil {
		return q, err
	}
	if q.Tail, err = parseTail(o.tail); err != nil {
		return q, err
	}
	if o.level != "" {
		if err := q.Level.UnmarshalText([]byte(o.level)); err != nil {
			return q, usagef("--level: want trace, debug, info, warn, error or fatal, got %q", o.level)
		}
	}
	q.Filter, err = logs.NewFilter(q.Grep, q.Invert, q.Level)
	if err != nil {
		return q, usagef("--%w", err)
	}
	return q, nil
}

// parseTime takes a duration before now, RFC 3339, or a date.
func parseTime(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("%s: want a duration such as 10m or a time such as %s, got %q", flag, now.Format(time.RFC3339), s)
}

func parseTail(s string) (int, error) {
	if s == "all" {
		return 0, nil
	}
	var n int
	if _, err := fmt.Sscanf(s+"\n", "%d\n", &n); err != nil || n < 0 {
		return 0, usagef("--tail: want a number of lines or all, got %q", s)
	}
	if n == 0 {
		return logs.None, nil
	}
	return n, nil
}

func (a *app) logs(ctx context.Context, o logsOptions) error {
	q, err := o.query(time.Now())
	if err != nil {
		return err
	}
	client, dir, err := a.clientIfRunning()
	if err != nil {
		return err
	}
	var batches iter.Seq2[logs.Batch, error]
	if client != nil {
		status, err := client.Status(ctx)
		if err != nil {
			return err
		}
		if err := known(status, o.services); err != nil {
			return err
		}
		batches = client.Logs(ctx, q)
	} else {
		if o.follow {
			a.note("the stack is not running")
		}
		if err := a.knownInFile(o.services); err != nil {
			return err
		}
		if batches, err = stored(ctx, filepath.Join(stateDir(dir), "logs"), q.Query); err != nil {
			return err
		}
	}
	opts := a.printerOptions(o.noColor)
	opts.Filter, opts.JSON, opts.NoPrefix, opts.Timestamps = q.Filter, o.json, o.noPrefix, o.timestamps
	if o.noColor {
		opts.Strip = true
	}
	return a.printBatches(batches, opts)
}

// knownInFile checks names against the stack file, as far as that is readable.
func (a *app) knownInFile(services []string) error {
	st, err := a.load()
	if err != nil {
		return nil //nolint:nilerr // the logs of a stack whose file is broken are still there
	}
	return st.Check(services)
}

// stored reads the logs of a stack that does not run.
func stored(ctx context.Context, dir string, q logs.Query) (iter.Seq2[logs.Batch, error], error) {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return func(func(logs.Batch, error) bool) {}, nil
	}
	store, err := logs.OpenReadOnly(dir)
	if err != nil {
		return nil, err
	}
	if q.Until.IsZero() {
		q.Until = time.Now()
	}
	cursor, err := store.Seek(q)
	if err != nil {
		return nil, err
	}
	return func(yield func(logs.Batch, error) bool) {
		for {
			b, err := store.Next(ctx, cursor, showBatch)
			if errors.Is(err, io.EOF) || !yield(b, err) || err != nil {
				return
			}
			cursor = b.Cursor
			b.Release()
		}
	}, nil
}

// printBatches prints to the end, and says what had been deleted before it
// could be read.
func (a *app) printBatches(batches iter.Seq2[logs.Batch, error], o logs.PrinterOptions) error {
	p := logs.NewPrinter(a.out, o)
	for b, err := range batches {
		if err != nil {
			return errors.Join(p.Close(), err)
		}
		for _, d := range b.Dropped {
			a.note("%d lines of %s were deleted before they could be shown", d.Lines, d.Service)
		}
		if err := p.Print(b); err != nil {
			return brokenPipe(err)
		}
	}
	return brokenPipe(p.Close())
}

// brokenPipe takes the reader's leaving for the end that it is: logs | head.
func brokenPipe(err error) error {
	if err == nil || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return fmt.Errorf("print: %w", err)
}

// follow prints what services write from now on, and what becomes of them,
// until ctx ends or the stack does.
func (a *app) follow(ctx context.Context, client *control.Client, o upOptions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	told := make(chan struct{})
	go func() {
		defer close(told)
		_ = a.tellNews(ctx, client)
	}()
	err := a.printBatches(client.Logs(ctx, control.LogQuery{Follow: true, Query: logs.Query{Tail: logs.None}}), a.printerOptions(o.plain))
	cancel()
	<-told
	return err
}
