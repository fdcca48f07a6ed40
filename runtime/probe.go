package runtime

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/msctl/msctl/grpchealth"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// The start-up phase: the first look is early, since small services listen
// within milliseconds, and later ones rarer, since big ones cost CPU.
const (
	probeFirst  = 5 * time.Millisecond
	probeGrowth = 1.2 // a start is seen late by a sixth of itself at most
	probeMost   = 250 * time.Millisecond
	// probeBeside is the most for what stands by: few start at once then, and
	// somebody who has saved a file waits.
	probeBeside = 4 * time.Millisecond
	// slowStart is how long a start may take before ps says what it waits for.
	slowStart = 3 * time.Second
)

// prober asks once whether an instance is healthy. The error says why not.
type prober interface {
	probe(ctx context.Context, t probed) error
}

// probed is what a prober may look at.
type probed struct {
	runner Runner
	spec   Spec
	addr   string // host:port
}

// probeFor picks the prober of a service; nil means that to run is to be ready.
func probeFor(s *stack.Service, listens bool) prober {
	h := s.Healthcheck
	switch h.Kind {
	case stack.ProbeHTTP:
		return newHTTPProbe(h)
	case stack.ProbeTCP:
		return tcpProbe{port: h.TCP}
	case stack.ProbeExec:
		return execProbe{command: h.Exec}
	case stack.ProbeGRPC:
		return grpcProbe{h.GRPC, grpchealth.New(nil)}
	case stack.ProbeLog:
		return newLogProbe(h.Log)
	case stack.ProbeNone:
		return nil
	}
	if listens {
		return tcpProbe{}
	}
	return nil
}

// grpcProbe asks for the health of a service of gRPC.
type grpcProbe struct {
	service string
	client  grpchealth.Client
}

func (p grpcProbe) probe(ctx context.Context, t probed) error {
	return p.client.Check(ctx, t.addr, p.service)
}

// watch probes an instance that runs: quickly until it is ready, then calmly,
// until ctx is done.
func (i *instance) watch(ctx context.Context, started time.Time, spec Spec, addr string) {
	ready := func() {
		i.become(registry.Ready, func(r *registry.Instance) {
			r.CrashLoop = ""
			if r.ReadyIn == 0 || r.Started.Equal(started) {
				r.ReadyIn = registry.Duration(time.Since(started))
			}
		})
	}
	if i.probe == nil {
		if i.want.Service.Kind != stack.KindJob {
			ready()
		}
		return
	}
	h := i.want.Service.Healthcheck
	t := probed{runner: i.sup.Runner, spec: spec, addr: addr}
	if !i.untilReady(ctx, started, h, &t) {
		return
	}
	if spec.Socket != nil && i.standsBy() && !accepting(ctx, i.pid(), started) {
		return
	}
	if i.want.Address == "" {
		i.become(registry.Starting, func(r *registry.Instance) { r.Address = t.addr })
	}
	ready()
	if i.want.Address == "" && (h.Kind == stack.ProbeDefault || h.Kind == stack.ProbeLog) {
		return // it said once that it is up; from here on its process is what tells
	}
	i.calm(ctx, h, t, ready)
}

// untilReady probes until the first success; false means that ctx ended it.
// A service that listens on "localhost" may have got ::1 alone, so that is
// tried now and then, and t.addr is where the answer came from.
func (i *instance) untilReady(ctx context.Context, started time.Time, h stack.Healthcheck, t *probed) bool {
	first, other := t.addr, net.JoinHostPort("::1", strconv.Itoa(i.spec.Port))
	wait := probeFirst
	for n := 1; ; n++ {
		if !sleep(ctx, wait) {
			return false
		}
		t.addr = first
		err := attempt(ctx, i.probe, h, *t)
		if err != nil && n%4 == 0 && i.want.Address == "" && ctx.Err() == nil {
			if t.addr = other; attempt(ctx, i.probe, h, *t) == nil {
				return true
			}
		}
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		most := probeMost
		if took := time.Since(started); took > slowStart {
			i.slow(h, took, err)
		} else if h.Kind != stack.ProbeExec && i.standsBy() { // each of those is a process
			most = probeBeside
		}
		wait = min(most, time.Duration(float64(wait)*probeGrowth))
	}
}

// slow says in the table why a start takes so long. The text changes rarely,
// so that readers are not woken for nothing.
func (i *instance) slow(h stack.Healthcheck, took time.Duration, err error) {
	i.become(registry.Starting, func(r *registry.Instance) {
		if i.want.Address != "" {
			r.Reason = err.Error()
			return
		}
		r.Reason = "not ready yet: " + err.Error()
		if took > h.StartPeriod && h.StartPeriod > 0 {
			r.Reason = fmt.Sprintf("not ready after start_period (%s): %s", h.StartPeriod, err)
		}
		if h.Kind == stack.ProbeDefault {
			r.Hint = fmt.Sprintf("does %s listen on $PORT (%d)? If it serves nothing, set healthcheck: {disable: true}", r.Service, i.spec.Port)
		}
	})
}

// attempt probes once, within the timeout.
func attempt(ctx context.Context, p prober, h stack.Healthcheck, t probed) error {
	timeout := h.Timeout
	if timeout <= 0 {
		timeout = stack.DefaultProbeTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := p.probe(ctx, t)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", timeout)
	}
	return err
}

// sleep waits for d; false means that ctx was done first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
