//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// settle is what a tool gets, once all services answer, to notice it: what it
// does in that time is part of what up costs.
const settle = 300 * time.Millisecond

// up measures the time from a tool's start until all services answer.
func up(ctx context.Context, l *lab) error {
	tools := append([]tool{floor{}, l.foreground()}, l.peers()...)
	byCount := map[int]map[string]samples{}
	for _, n := range []int{1, 10, 50, 100, 200} {
		services, err := l.services(ctx, n)
		if err != nil {
			return err
		}
		ups, cpu := map[string]samples{}, map[string]samples{}
		for round := range l.rounds {
			for _, t := range turn(tools, round) {
				r, took, err := l.up(ctx, t, services)
				if err != nil {
					return err
				}
				time.Sleep(settle)
				ups[t.String()] = append(ups[t.String()], ms(took))
				cpu[t.String()] = append(cpu[t.String()], r.cpu().Seconds())
				_, _, err = r.stop()
				if err := errors.Join(err, r.close()); err != nil {
					return err
				}
			}
		}
		byCount[n] = ups
		for _, t := range tools {
			l.addUp(n, t.String(), ups[t.String()], ups["floor"])
		}
		for _, t := range tools[1:] {
			var b *bound
			if t.String() == "msctl" && n == 200 {
				b = below(cpu["msctl"].median(), 0.3, " s")
			}
			l.table.add(fmt.Sprintf("up %d, processor time", n), t.String(), cpu[t.String()], "s", "", b)
		}
	}
	growth := func(t string) samples { return byCount[200][t].over(byCount[100][t]) }
	for _, t := range tools {
		l.table.add("up 200 to up 100", t.String(), growth(t.String()), "times", times(growth(t.String()).over(growth("floor"))), nil)
	}
	return nil
}

func (l *lab) addUp(n int, name string, took, floor samples) {
	over, more := took.over(floor), took.more(floor)
	var b *bound
	switch {
	case name != "msctl":
	case n == 1:
		b = atMost(more.median(), 20, " ms more")
	case n == 100:
		b = atMost(over.median(), 1.15, "×")
	}
	l.table.add(fmt.Sprintf("up %d", n), name, took, "ms", times(over)+" "+plus(more, "ms"), b)
}
