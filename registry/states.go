package registry

import "slices"

// transitions is the one table of what may follow what. A state may always be
// followed by itself: what else is known of the instance has changed.
var transitions = map[State][]State{
	Pending:   {Building, Starting, Draining, Stopped, Failed},
	Building:  {Pending, Starting, Draining, Stopped, Failed},
	Starting:  {Ready, Unready, Draining, Backoff, Stopped, Completed, Failed},
	Ready:     {Unready, Draining, Backoff, Stopped, Completed, Failed},
	Unready:   {Ready, Draining, Backoff, Stopped, Completed, Failed},
	Draining:  {Stopped},
	Backoff:   {Pending, Building, Starting, Draining, Stopped, Failed},
	Stopped:   {Pending},
	Completed: {Pending, Draining, Stopped},
	Failed:    {Pending, Draining, Stopped},
}

// CanBecome reports whether an instance in state s may enter state t.
func (s State) CanBecome(t State) bool { return s == t || slices.Contains(transitions[s], t) }
