package runtime

import (
	"errors"
	"fmt"
	"time"

	"github.com/msctl/msctl/registry"
)

// settle tells how the start of a standby went; only the first word counts.
func (i *instance) settle(err error) {
	select {
	case i.trial <- err:
	default:
	}
}

func (i *instance) standsBy() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.standby
}

// failsTrial takes the end of a standby, which is not started again. It
// reports false of one that is none, or none any more.
func (i *instance) failsTrial(err error) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.standby {
		return false
	}
	i.exited = &failure{reason: "the new instance ended: " + reason(err), err: err}
	i.settle(i.exited)
	return true
}

// lastWords is how long the output of an instance that ended may take to be in
// the log.
const lastWords = 2 * time.Second

// explain adds to err, if that is the end of the standby i, what i said last.
func (i *instance) explain(err error) {
	var f *failure
	if !errors.As(err, &f) {
		return
	}
	i.mu.Lock()
	ended := f == i.exited
	i.mu.Unlock()
	if !ended {
		return
	}
	late := time.NewTimer(lastWords)
	defer late.Stop()
	select {
	case <-i.done:
	case <-late.C: // what it started may live on
	}
	f.output = i.sup.Logs.Tail(i.want.ID, tailLines)
}

// takePlace makes i, in state to, the one that has the place of old, whose row
// goes on beside it while it drains. Both are edited in one revision.
func (i *instance) takePlace(old *instance, to registry.State, drain time.Duration) error {
	old.mu.Lock()
	defer old.mu.Unlock()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.exited != nil {
		return i.exited
	}
	now := time.Now()
	gone := []string{i.row.ID}
	i.standby = false
	i.row.ID, i.row.Beside = i.want.ID, ""
	i.row.State, i.row.Since, i.row.Reason, i.row.Hint = to, now, "", ""
	i.row.Restarts = old.row.Restarts
	put := []registry.Instance{i.row}
	old.stopping, old.removed, old.drain = true, true, drain
	old.row.ID, old.row.Beside = fmt.Sprintf("%s-old%d", old.want.ID, i.build.n), i.want.ID
	if old.row.State.Running() {
		old.row.State, old.row.Since, old.row.Reason, old.row.Hint, old.row.Output = registry.Draining, now, "", "", nil
		put = append(put, old.row)
	}
	i.sup.Registry.Edit(gone, put...)
	return nil
}

// stale marks an instance that goes on with old code. One that serves nothing
// has failed once more.
func (i *instance) stale(s *registry.Stale, err error) {
	if i.state() == registry.Failed && err != nil {
		i.fail(err)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ended || i.stopping {
		return
	}
	i.row.Stale = s
	i.sup.Registry.Put(i.row)
}

// serves reports whether the gateway sends it requests, or did just now. The
// caller holds mu.
func (i *instance) serves() bool {
	return i.row.State == registry.Ready || i.row.State == registry.Unready
}

func (i *instance) state() registry.State {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.row.State
}

func (i *instance) pid() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.row.PID
}

// stops reports whether it was asked to end.
func (i *instance) stops() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.stopping
}
