//go:build unix

package cmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/msctl/msctl/logs"
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

// Whoever has no patience is told of what is left only when there is something.
func TestWhatIsLeftIsToldOf(t *testing.T) {
	store, err := logs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := store.Writer("web", "web-1")
	if _, err := io.WriteString(w, "one\n"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	for _, c := range []struct {
		patient  context.Context
		from     time.Time
		out, err string
	}{
		{t.Context(), time.Time{}, "web-1 | one\n", ""},
		{ended, time.Time{}, "", "msctl: not all of the output is shown; msctl logs has it\n"},
		{ended, time.Now(), "", ""},
	} {
		cursor, err := store.Seek(logs.Query{Since: c.from})
		if err != nil {
			t.Fatal(err)
		}
		var out, said bytes.Buffer
		a := &app{out: &out, err: &said}
		p := logs.NewPrinter(&out, logs.PrinterOptions{})
		if err := errors.Join(a.rest(c.patient, store, cursor, p), p.Close()); err != nil {
			t.Fatal(err)
		}
		if out.String() != c.out || said.String() != c.err {
			t.Errorf("printed %q and said %q, want %q and %q", out.String(), said.String(), c.out, c.err)
		}
	}
}
