//go:build linux

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/msctl/msctl/bench/spew"
)

// commands measures commands whole, from fork to exit, on a stack that runs.
func commands(ctx context.Context, l *lab) error {
	const n = 10
	services, err := l.services(ctx, n)
	if err != nil {
		return err
	}
	r, _, err := l.up(ctx, l.background(), services)
	if err != nil {
		return err
	}
	defer r.close() //nolint:errcheck // stop has the error
	if err := l.get(ctx, fmt.Sprintf("http://127.0.0.1:%d/spew?kind=%s&n=%d", services[0].port, spew.Lines, 10_000)); err != nil {
		return err
	}
	const floor = "/bin/true"
	all := []struct {
		line  string
		limit float64 // ms
	}{
		{floor, 0},
		{l.msctl + " version", 10},
		{l.msctl + " ps", 30},
		{l.msctl + " logs --tail 100", 30},
		{l.msctl + " config", 30},
	}
	took := map[string]samples{}
	for range 4 * l.rounds {
		for _, c := range all {
			argv := strings.Fields(c.line)
			cmd := r.command(ctx, argv[0], argv[1:]...)
			began := time.Now()
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("%s: %w: %s", c.line, err, r.said())
			}
			took[c.line] = append(took[c.line], ms(time.Since(began)))
		}
	}
	for _, c := range all {
		s := took[c.line]
		if c.line == floor {
			l.table.add("command", floor, s, "ms", "", nil)
			continue
		}
		l.table.add("command", "msctl"+strings.TrimPrefix(c.line, l.msctl), s, "ms", plus(s.more(took[floor]), "ms"), below(s.median(), c.limit, " ms"))
	}
	_, _, err = r.stop()
	return err
}
