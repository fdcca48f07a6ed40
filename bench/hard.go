//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The ways to be hard to stop; $SVC is the service with its port.
var (
	stopCases = []hardCase{
		{"plain", "exec $SVC"},
		{"deaf", "exec $SVC -deaf"},
		{"grandchild", "$SVC & wait"},
		{"setsid", "setsid $SVC & wait"},
		{"deaf grandchild", "$SVC -deaf & wait"},
	}
	killCases = []hardCase{
		{"plain", "exec $SVC"},
		{"grandchild", "$SVC & wait"},
		{"setsid", "setsid $SVC & wait"},
		{"deaf", "exec $SVC -deaf"},
		{"chatty", "exec $SVC -chatty"},
	}
)

type hardCase struct{ name, script string }

// hardGrace is short: deaf services are killed after it.
const hardGrace = time.Second

// hard counts what is left of services that are hard to stop, after Ctrl-C and
// after kill -9 of msctl.
func hard(ctx context.Context, l *lab) error {
	for _, c := range stopCases {
		took, left, err := l.stopHard(ctx, []hardCase{c, c, c}, func(r *run) (time.Duration, error) {
			took, _, err := r.stop()
			return took, err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		l.table.add("stop, "+c.name, "msctl", samples{left}, "left", fmt.Sprintf("after %.0f ms", ms(took)), atMost(left, 0, ""))
	}
	took, left, err := l.stopHard(ctx, killCases, killed)
	if err != nil {
		return err
	}
	l.table.add("after kill -9, all five", "msctl", samples{left}, "left", fmt.Sprintf("after %.0f ms", ms(took)), atMost(left, 0, ""))
	return nil
}

// stopHard runs a service for each case, ends the run, and counts the
// processes and the listening ports that are left.
func (l *lab) stopHard(ctx context.Context, cases []hardCase, end func(*run) (time.Duration, error)) (took time.Duration, left float64, err error) {
	services, err := l.services(ctx, len(cases))
	if err != nil {
		return 0, 0, err
	}
	for i, c := range cases {
		s := &services[i]
		script := strings.ReplaceAll(c.script, "$SVC", s.command)
		s.keys = map[string]any{"command": []string{"sh", "-c", script}, "stop_grace_period": hardGrace.String()}
	}
	r, _, err := l.up(ctx, l.foreground(), services)
	if err != nil {
		return 0, 0, err
	}
	took, err = end(r)
	left = float64(len(tagged(r.tag)) + listening(ctx, services))
	return took, left, errors.Join(err, r.close())
}

// killed kills msctl, but nothing else, and waits until all is gone, for as
// long as the guardian may take.
func killed(r *run) (time.Duration, error) {
	const patience = 5 * time.Second
	began := time.Now()
	if err := r.kill(); err != nil {
		return 0, err
	}
	for time.Since(began) < patience && len(tagged(r.tag)) > 0 {
		time.Sleep(clockTick)
	}
	return time.Since(began), nil
}

// listening counts the services whose port still accepts.
func listening(ctx context.Context, services []service) int {
	n := 0
	var d net.Dialer
	for _, s := range services {
		if c, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))); err == nil {
			_ = c.Close()
			n++
		} else if !errors.Is(err, syscall.ECONNREFUSED) {
			n++
		}
	}
	return n
}
