// Package registry is the one table of instances.
//
// Writers Put and Delete instances; readers block in Next until the table is
// newer than the revision they have. A Snapshot is an immutable value, so a
// slow reader delays nobody: it skips to the latest.
package registry

import (
	"math"
	"strconv"
	"time"
)

// State is where an instance is in its life.
type State string

// The states of an instance.
const (
	Pending   State = "pending"   // waits for what it depends on
	Building  State = "building"  // setup or build_command runs
	Starting  State = "starting"  // runs, not yet ready
	Ready     State = "ready"     // may take traffic
	Unready   State = "unready"   // ran well before, its probe fails now
	Draining  State = "draining"  // finishes what it has, takes nothing new
	Backoff   State = "backoff"   // ended; starts again after a wait
	Stopped   State = "stopped"   // stopped on purpose
	Completed State = "completed" // ended by itself with exit code 0
	Failed    State = "failed"    // ended, or never started, and stays so
)

// Terminal reports whether nothing more happens to the instance by itself.
func (s State) Terminal() bool { return s == Stopped || s == Completed || s == Failed }

// Running reports whether a process or container exists.
func (s State) Running() bool {
	return s == Starting || s == Ready || s == Unready || s == Draining
}

// Exit is how an instance ended last.
type Exit struct {
	Code   int    `json:"code"`             // -1 when a signal ended it
	Signal string `json:"signal,omitempty"` // "SIGKILL"
}

// Stale is why an instance goes on with code that is not the latest.
type Stale struct {
	Reason string    `json:"reason"` // "build failed", "the new instance exited with code 1"
	Since  time.Time `json:"since"`
	Output []string  `json:"output,omitempty"` // last lines of what failed
}

// Instance is one replica of a service, as the table has it.
type Instance struct {
	ID        string            `json:"id"` // "catalog-1"
	Service   string            `json:"service"`
	Replica   int               `json:"replica"` // from 1
	Kind      string            `json:"kind"`    // "service" or "job"
	Address   string            `json:"address,omitempty"`
	State     State             `json:"state"`
	Reason    string            `json:"reason,omitempty"` // why it is in this state, one line
	Output    []string          `json:"output,omitempty"` // last lines, when it failed
	Hint      string            `json:"hint,omitempty"`   // what to do about it
	PID       int               `json:"pid,omitempty"`
	Restarts  int               `json:"restarts"`
	Exit      *Exit             `json:"exit,omitempty"`
	CrashLoop string            `json:"crash_loop,omitempty"` // "crash loop: 4 exits in 3s, last exit code 1", while it keeps ending soon after each start
	Since     time.Time         `json:"since"`                // when State was entered
	Started   time.Time         `json:"started,omitzero"`     // when the process began
	ReadyIn   Duration          `json:"ready_in_ms,omitempty"`
	Weight    int               `json:"weight,omitempty"`
	Tags      []string          `json:"tags,omitempty"`
	Meta      map[string]string `json:"meta,omitempty"`
	External  bool              `json:"external,omitempty"` // it runs elsewhere
	Found     bool              `json:"found,omitempty"`    // a Consul has it, and nobody here put it there
	Beside    string            `json:"beside,omitempty"`   // the ID of the one whose place it is to take, or that has taken its own
	Stale     *Stale            `json:"stale,omitempty"`    // nil while it runs the latest code
	Revision  uint64            `json:"revision"`           // the table's when this row changed last; Put sets it
}

// Duration is a time.Duration that JSON carries in milliseconds, with their
// fractions.
type Duration time.Duration

// MarshalJSON implements json.Marshaler.
func (d Duration) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(d)/float64(time.Millisecond), 'f', -1, 64), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(b []byte) error {
	ms, err := strconv.ParseFloat(string(b), 64)
	*d = Duration(math.Round(ms * float64(time.Millisecond)))
	return err
}

// Snapshot is the whole table at one revision, sorted by service and replica.
// Its slices are shared between readers: do not change them.
type Snapshot struct {
	Revision  uint64     `json:"revision"`
	Instances []Instance `json:"instances"`
}
