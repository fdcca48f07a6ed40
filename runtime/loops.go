package runtime

import "time"

// A service that writes into what it is watched for would be reloaded for
// ever. It is told from somebody who saves often, or as soon as the last save is
// served, by two experiments with a suspect: its reload is put off, and then
// what was started is put in late. Who changes the path while nothing was
// started, or only once the new instance is there for all to see, is somebody
// else; who changes it while that stands by unseen is the service.
const (
	// loopWindow is how long after a start a change may be that start's doing.
	loopWindow = 2 * time.Second
	// loopSuspect is how many starts in a row a path has to change after.
	loopSuspect = 4
	// loopHold is how long a suspect's reload is put off: by more than a start
	// and its window, so that whoever saves that often does it meanwhile.
	loopHold = 3 * time.Second
	// loopUnseen is how long what was started for a suspect then stands by.
	loopUnseen = time.Second
	// loopProof is how many times a suspect stands still, and changes after a
	// start that nobody saw.
	loopProof = 2
	// maxTrails bounds the paths that are followed of a service.
	maxTrails = 1024
)

// loops follows which paths of one service change after its starts.
type loops map[string]*trail

// trail is what is known of one path.
type trail struct {
	start   int       // the number of the start that it changed after last
	follows int       // starts in a row that it changed after
	proofs  int       // of those, that nobody saw, after it had stood still
	held    time.Time // when a reload was put off for it; zero for no
	trusted bool      // somebody else changes it
	own     bool      // the service does
}

// lastStart is what a service did last that may have changed its files.
type lastStart struct {
	n      int       // counts them
	at     time.Time // when a build, or an instance, was begun
	unseen bool      // no instance of it has taken its place yet
}

// see takes a change of paths at now, in a service that was started so. It
// returns how long the reload is put off, and whether there is one: not when
// only the service's own paths changed. found are paths that turned out to be
// so just now.
func (l loops) see(paths []string, now time.Time, last lastStart) (hold time.Duration, reload bool, found []string) {
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
		switch t.judge(now, last) {
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

func (t *trail) judge(now time.Time, last lastStart) judgement {
	since := now.Sub(last.at)
	switch held := !t.held.IsZero(); {
	case t.own:
		return wasOwn
	case t.trusted:
		return innocent
	case held && (last.at.Before(t.held) || !last.unseen):
		t.trusted = true
		return innocent
	case !held && (since < 0 || since > loopWindow):
		*t = trail{}
		return innocent
	case held:
		if t.proofs++; t.proofs >= loopProof {
			t.own = true
			return isOwn
		}
	}
	if last.n > t.start+1 {
		t.follows = 0 // it did not change after each of them
	}
	t.start = last.n
	t.follows++
	if t.follows > loopSuspect {
		return suspect
	}
	return innocent
}
