package runtime

import "time"

// A service that writes into what it is watched for would be reloaded for
// ever. It is told from somebody who saves often by what happens while a reload
// is put off: a loop stands still then.
const (
	// loopWindow is how long after a start a change may be that start's doing.
	loopWindow = 2 * time.Second
	// loopSuspect is how many starts in a row a path has to change after.
	loopSuspect = 4
	// loopHold is how long a suspect's reload is put off: by more than a start
	// and its window, so that whoever saves that often does it meanwhile.
	loopHold = 3 * time.Second
	// loopProof is how many times a suspect stands still, and changes after
	// the start that follows.
	loopProof = 2
	// maxTrails bounds the paths that are followed of a service.
	maxTrails = 1024
)

// loops follows which paths of one service change after its starts.
type loops map[string]*trail

// trail is what is known of one path.
type trail struct {
	follows int       // starts in a row that it changed after
	proofs  int       // times that it stood still while it was held
	held    time.Time // when a reload was put off for it; zero for no
	trusted bool      // somebody else changes it
	own     bool      // the service does
}

// see takes a change of paths at now, in a service whose last instance was
// started at the time given. It returns how long the reload is put off, and
// whether there is one: not when only the service's own paths changed. found
// are paths that turned out to be so just now.
func (l loops) see(paths []string, now, started time.Time) (hold time.Duration, reload bool, found []string) {
	if len(l)+len(paths) > maxTrails {
		clear(l)
	}
	innocents, suspects := false, false
	for _, p := range paths {
		t := l[p]
		if t == nil {
			t = &trail{}
			l[p] = t
		}
		switch t.judge(now, started) {
		case isOwn:
			found = append(found, p)
		case suspect:
			suspects = true
		case innocent:
			innocents = true
		}
	}
	var held time.Time
	if suspects && !innocents {
		hold, held = loopHold, now
	}
	for _, p := range paths {
		l[p].held = held
	}
	return hold, innocents || suspects, found
}

type judgement int

const (
	innocent judgement = iota
	suspect
	isOwn
	wasOwn
)

func (t *trail) judge(now, started time.Time) judgement {
	since := now.Sub(started)
	switch {
	case t.own:
		return wasOwn
	case t.trusted:
		return innocent
	case !t.held.IsZero() && started.Before(t.held):
		t.trusted = true // it changed though nothing was started
		return innocent
	case since < 0 || since > loopWindow:
		*t = trail{}
		return innocent
	}
	t.follows++
	if !t.held.IsZero() {
		if t.proofs++; t.proofs >= loopProof {
			t.own = true
			return isOwn
		}
	}
	if t.follows > loopSuspect {
		return suspect
	}
	return innocent
}
