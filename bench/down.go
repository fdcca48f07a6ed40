//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// down measures the time from Ctrl-C, or from the start of msctl down, until
// the tool has ended and nothing is left.
func down(ctx context.Context, l *lab) error {
	const n = 100
	services, err := l.services(ctx, n)
	if err != nil {
		return err
	}
	tools := append([]tool{floor{}, l.foreground(), l.background()}, l.peers()...)
	took, left := map[string]samples{}, map[string]samples{}
	for round := range l.rounds {
		for _, t := range turn(tools, round) {
			r, _, err := l.up(ctx, t, services)
			if err != nil {
				return err
			}
			d, rest, err := r.stop()
			if err := errors.Join(err, r.close()); err != nil {
				return err
			}
			took[t.String()] = append(took[t.String()], ms(d))
			left[t.String()] = append(left[t.String()], float64(len(rest)))
		}
	}
	for _, t := range tools {
		s, rest := took[t.String()], left[t.String()]
		var soon, none *bound
		if t.String() == "msctl" || t.String() == "msctl -d" {
			soon, none = atMost(s.median(), 60, " ms"), atMost(slices.Max(rest), 0, "")
		}
		l.table.add(fmt.Sprintf("down %d", n), t.String(), s, "ms", times(s.over(took["floor"])), soon)
		l.table.add(fmt.Sprintf("down %d, processes left", n), t.String(), rest, "left", "", none)
	}
	return nil
}
