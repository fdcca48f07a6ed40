//go:build linux

// Command bench measures msctl beside a floor: the least that any tool would
// take for the same. Floor, msctl and the peers that are in PATH take turns
// within each round, so that a busy machine is as hard on one as on another;
// the ratios are medians over the rounds. A bound that is missed is said, and
// is no error.
//
//	go run ./bench                       # all
//	go run ./bench -run up,idle -rounds 9
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

type measurement struct {
	name string
	run  func(context.Context, *lab) error
}

// measurements, in the order in which they run.
var measurements = []measurement{
	{"commands", commands},
	{"up", up},
	{"down", down},
	{"hard", hard},
	{"crash", crash},
	{"logs", output},
	{"idle", idle},
	{"reload", reload},
	{"watch", watching},
	{"scaffold", scaffold},
}

func main() {
	var names []string
	for _, m := range measurements {
		names = append(names, m.name)
	}
	only := flag.String("run", strings.Join(names, ","), "which measurements")
	rounds := flag.Int("rounds", 5, "how often each is repeated")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := func() error { return measure(ctx, strings.Split(*only, ","), max(1, *rounds)) }
	if dir := os.Getenv(watchTree); dir != "" { // it is the process that watching measures
		run = func() error { return watchChild(ctx, dir) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measure runs the measurements named, each with a table of its own. One that
// fails does not keep the next ones from running.
func measure(ctx context.Context, names []string, rounds int) error {
	for _, n := range names {
		if !slices.ContainsFunc(measurements, func(m measurement) bool { return m.name == n }) {
			return fmt.Errorf("there is no measurement %q", n)
		}
	}
	l, err := openLab(ctx, rounds)
	if err != nil {
		return err
	}
	defer l.close()
	var failed []error
	for _, m := range measurements {
		if !slices.Contains(names, m.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s …\n", m.name)
		if err := m.run(ctx, l); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", m.name, err))
		}
		l.table.print(os.Stdout)
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}
