//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/registry"
)

// crash measures what follows a service's end: when the gateway stops sending
// requests to it, and when it serves again. Each service crashes once only, so
// that each restart is a first one.
func crash(ctx context.Context, l *lab) error {
	n := 2 * l.rounds
	var services []service
	for i := range n {
		name := fmt.Sprintf("s%03d", i)
		services = append(services, service{name: name, command: l.svc, keys: map[string]any{"route": "/" + name}})
	}
	r, _, err := l.up(ctx, l.background(), services)
	if err != nil {
		return err
	}
	defer r.close() //nolint:errcheck // stop has the error
	client, err := control.Dial(r.dir)
	if err != nil {
		return err
	}
	var out, back, start samples
	for _, s := range services {
		took, err := l.ownStart(ctx)
		if err != nil {
			return err
		}
		start = append(start, ms(took))
		c, err := l.crash(ctx, client, s.name)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		out, back = append(out, ms(c.out)), append(back, ms(c.back))
	}
	more := back.more(start)
	l.table.add("crash, until out of the gateway", "msctl -d", out, "ms", "", atMost(out.median(), 5, " ms"))
	l.table.add("start to answer", "floor", start, "ms", "", nil)
	l.table.add("crash, until it answers again", "msctl -d", back, "ms", plus(more, "ms"), below(more.median(), 15, " ms more"))
	_, _, err = r.stop()
	return err
}

// ownStart is how long the service takes to answer when nobody stands between.
func (l *lab) ownStart(ctx context.Context) (time.Duration, error) {
	services, err := l.services(ctx, 1)
	if err != nil {
		return 0, err
	}
	r, took, err := l.up(ctx, floor{}, services)
	if err != nil {
		return 0, err
	}
	_, _, err = r.stop()
	return took, errors.Join(err, r.close())
}

// crashed is what followed a service's end.
type crashed struct{ out, back time.Duration }

// crash kills a service's only instance once the gateway has it.
func (l *lab) crash(ctx context.Context, client *control.Client, service string) (crashed, error) {
	victim, err := readyInstance(ctx, client, service)
	if err != nil {
		return crashed{}, err
	}
	for routed := false; !routed; {
		if routed, err = isRouted(ctx, client, victim); err != nil {
			return crashed{}, err
		}
	}
	fd, err := unix.PidfdOpen(victim.PID, 0)
	if err != nil {
		return crashed{}, fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(fd) //nolint:errcheck // only waited on
	ended, out := make(chan time.Time, 1), make(chan time.Time, 1)
	go func() {
		for { // interrupted by signals of the Go runtime
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); !errors.Is(err, unix.EINTR) {
				ended <- time.Now()
				return
			}
		}
	}()
	go func() {
		for routed := true; routed && err == nil; {
			routed, err = isRouted(ctx, client, victim)
		}
		out <- time.Now()
	}()
	if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
		return crashed{}, err
	}
	back, answerErr := l.awaitAnswers(ctx, 1)
	end := <-ended
	c := crashed{out: (<-out).Sub(end), back: back.Sub(end)}
	return c, errors.Join(answerErr, err)
}

// readyInstance waits until a service's only instance is ready.
func readyInstance(ctx context.Context, client *control.Client, service string) (registry.Instance, error) {
	for after := uint64(0); ; {
		snap, err := client.Next(ctx, after)
		if err != nil {
			return registry.Instance{}, err
		}
		for _, i := range snap.Instances {
			if i.Service == service && i.State == registry.Ready {
				return i, nil
			}
		}
		after = snap.Revision
	}
}

// isRouted reports whether the gateway sends requests to an instance.
func isRouted(ctx context.Context, client *control.Client, i registry.Instance) (bool, error) {
	routes, err := client.Routes(ctx)
	return slices.ContainsFunc(routes, func(r control.Route) bool {
		return r.Service == i.Service && slices.Contains(r.Ready, i.Address)
	}), err
}
