package process

import (
	"context"
	"time"

	"github.com/msctl/msctl/runtime"
)

const (
	// outsiders are looked for when a leader still lives this long after its
	// stop signal: it may wait for a child that left the group.
	outsiders = 100 * time.Millisecond
	// recheck bounds the wait for descendants whose end nothing reports.
	recheck = 50 * time.Millisecond
	// killPatience is how long SIGKILL may take to show.
	killPatience = 2 * time.Second
)

// attend waits for the end of a leader, or stops it when ctx is done, and
// then sees to its descendants. It returns the leader's end.
func (r *Runner) attend(ctx context.Context, s runtime.Spec, l *leader) error {
	var err error
	stopping := false
	select {
	case err = <-l.exit:
	case <-ctx.Done():
		stopping = true
	}
	deadline := time.Now().Add(s.Grace)
	if stopping {
		err = r.stopLeader(s, l, deadline)
	}
	if s.OnExit != nil {
		s.OnExit(err)
	}
	r.endDescendants(s, l, deadline)
	return err
}

// stopLeader signals the group, and waits for the leader's end: killed at the
// deadline, or when s.Kill is closed.
func (r *Runner) stopLeader(s runtime.Spec, l *leader, deadline time.Time) error {
	late := time.NewTimer(time.Until(deadline))
	defer late.Stop()
	look := time.NewTimer(outsiders)
	defer look.Stop()
	if s.Grace > 0 {
		signalGroup(l.pid, s.StopSignal)
	}
	for {
		select {
		case err := <-l.exit:
			return err
		case <-look.C:
			for _, pid := range r.tree.below(l.pid) {
				if !inGroup(pid, l.pid) {
					signalProcess(pid, s.StopSignal)
				}
			}
		case <-late.C:
			return r.killLeader(l)
		case <-s.Kill:
			return r.killLeader(l)
		}
	}
}

// killLeader kills the leader and all that can be seen below it, from the
// leaves of what it was before its death breaks the tree apart.
func (r *Runner) killLeader(l *leader) error {
	below := r.tree.below(l.pid)
	killGroup(l.pid)
	for _, pid := range below {
		killProcess(pid)
	}
	t := time.NewTimer(killPatience)
	defer t.Stop()
	select {
	case err := <-l.exit:
		return err
	case <-t.C:
		// Stuck in the kernel (a dead network mount, say). It holds nothing
		// that we could still free.
		return &runtime.ExitError{Code: -1, Signal: "SIGKILL"}
	}
}

// endDescendants stops what outlived the leader: with the stop signal until
// the deadline, then with SIGKILL.
func (r *Runner) endDescendants(s runtime.Spec, l *leader, deadline time.Time) {
	asked := map[int]bool{}
	killing := false
	for {
		reaped := r.orphanReaped()
		left := r.tree.left(r, l.pid, s.ID)
		if len(left) == 0 {
			return
		}
		if now := time.Now(); !now.Before(deadline) || closed(s.Kill) {
			if killing && now.After(deadline.Add(killPatience)) {
				return // as in killLeader; endOrphans tries once more
			}
			killing = true
		}
		for _, pid := range left {
			switch {
			case killing:
				killProcess(pid)
			case !asked[pid]:
				asked[pid] = true
				signalProcess(pid, s.StopSignal)
			}
		}
		wait := recheck
		if until := time.Until(deadline); !killing && until < wait {
			wait = until
		}
		t := time.NewTimer(wait)
		select {
		case <-reaped:
		case <-t.C:
		}
		t.Stop()
	}
}

// endOrphans kills what is left of the whole run: processes that left their
// group, their session and their environment behind. It needs reap to run.
func (r *Runner) endOrphans() {
	for deadline := time.Now().Add(killPatience); time.Now().Before(deadline); {
		reaped := r.orphanReaped()
		left := r.tree.all(r)
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			killProcess(pid)
		}
		select {
		case <-reaped:
		case <-time.After(recheck):
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
