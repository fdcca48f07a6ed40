//go:build unix

package cmd

import (
	"bytes"
	"testing"
	"time"

	"github.com/msctl/msctl/registry"
)

// Readers of the registry may miss states in between; what came of an
// instance is told all the same.
func TestNewsOfWhatWasNotSeen(t *testing.T) {
	var out bytes.Buffer
	n := newsFrom(&app{err: &out})
	began := time.Now()
	row := func(revision uint64, state registry.State, started time.Time) registry.Snapshot {
		return registry.Snapshot{Revision: revision, Instances: []registry.Instance{{
			ID: "job-1", Service: "job", State: state, Started: started, Revision: revision,
		}}}
	}
	n.tell(row(1, registry.Completed, began))
	n.tell(row(2, registry.Completed, began))                  // nothing of note changed
	n.tell(row(3, registry.Completed, began.Add(time.Second))) // it ran again
	n.tell(row(4, registry.Ready, began.Add(2*time.Second)))
	n.tell(row(5, registry.Ready, began.Add(3*time.Second)))
	if want := "job-1 has completed\njob-1 has completed\njob-1 is ready\njob-1 is ready\n"; out.String() != want {
		t.Errorf("told %q, want %q", out.String(), want)
	}
}
