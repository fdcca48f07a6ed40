//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	probeEvery  = 2 * time.Second
	calmAfter   = 4 * time.Second // the probes of the start are over
	idleWatched = 20 * time.Second
)

// idle measures what a tool costs while all it does is probe.
func idle(ctx context.Context, l *lab) error {
	const n = 100
	for _, probe := range []string{"http", "tcp"} {
		services, err := l.services(ctx, n)
		if err != nil {
			return err
		}
		what := map[string]any{"http": "/"}
		tools := []tool{l.background()}
		if probe == "tcp" {
			what = map[string]any{"tcp": true}
		} else {
			tools = append(tools, l.peers()...)
		}
		what["interval"] = probeEvery.String()
		for i := range services {
			services[i].keys = map[string]any{"healthcheck": what}
		}
		for _, t := range tools {
			if err := l.idle(ctx, t, services, fmt.Sprintf("idle %d, %s", n, probe)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lab) idle(ctx context.Context, t tool, services []service, what string) error {
	r, _, err := l.up(ctx, t, services)
	if err != nil {
		return err
	}
	defer r.close() //nolint:errcheck // stop has the error
	time.Sleep(calmAfter)
	before, began := r.cpu(), time.Now()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(idleWatched):
	}
	share := 100 * float64(r.cpu()-before) / float64(time.Since(began))
	var rss, pss float64
	own := r.own()
	for _, p := range own {
		a, b := p.memory()
		rss, pss = rss+a, pss+b
	}
	var less1, less50 *bound
	if t.String() == "msctl -d" {
		less1, less50 = below(share, 1, " %"), below(rss, 50, " MiB")
	}
	l.table.add(what+", processor", t.String(), samples{share}, "%", "", less1)
	l.table.add(what+", RSS", t.String(), samples{rss}, "MiB", fmt.Sprintf("PSS %.1f MiB, %d processes", pss, len(own)), less50)
	_, _, err = r.stop()
	return errors.Join(err, ctx.Err())
}
