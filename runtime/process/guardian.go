package process

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// GuardCommand is the hidden command under which msctl starts itself as the
// guardian; its one argument is a ledger.
const GuardCommand = "__guard"

// guardian is the small process that outlives msctl when it is killed: it
// holds the reading end of a pipe, and when that ends it sweeps the ledger.
type guardian struct {
	leader *leader
	pipe   *os.File
}

// startGuardian forks the guardian, and does not wait for it to be up: what
// it needs to know is in the ledger by the time the pipe ends.
func (r *Runner) startGuardian() (*guardian, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	end, pipe, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer end.Close() //nolint:errcheck // the guardian has its own
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close() //nolint:errcheck // nothing was written
	r.fork.RLock()
	defer r.fork.RUnlock()
	p, err := os.StartProcess(exe, []string{"msctl", GuardCommand, r.ledger.path}, &os.ProcAttr{
		Dir:   "/",
		Env:   append(os.Environ(), "GOMAXPROCS=1", "GOGC=off"), // it sleeps, then runs for a moment
		Files: []*os.File{end, null, null},
		Sys:   ownSession(),
	})
	if err != nil {
		_ = pipe.Close()
		return nil, err
	}
	return &guardian{leader: r.adopt(p), pipe: pipe}, nil
}

// keepGuardian starts a new guardian when somebody kills it, until ctx is done.
func (r *Runner) keepGuardian(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-r.guardian.leader.exit:
			_ = r.guardian.pipe.Close()
			next, startErr := r.startGuardian()
			if startErr != nil {
				<-ctx.Done()
				return fmt.Errorf("the guardian ended (%w) and could not be started again: %w", err, startErr)
			}
			r.guardian = next
		}
	}
}

// goodbye tells the guardian that nothing is left to guard. Without it, the end
// of the pipe means that msctl was killed.
const goodbye = "bye"

// release lets the guardian go.
func (g *guardian) release() error {
	_, _ = g.pipe.WriteString(goodbye)
	_ = g.pipe.Close()
	select {
	case <-g.leader.exit:
		return nil
	case <-time.After(killPatience):
		killProcess(g.leader.pid)
		return fmt.Errorf("the guardian (pid %d) did not end by itself", g.leader.pid)
	}
}

// Guardian is the guardian's whole life: it waits until msctl's end of the
// pipe on stdin is closed and, unless that came with a goodbye, ends what the
// ledger tells of. Where the ledger is gone (git clean), what bears the run's
// mark is found all the same.
func Guardian(stdin io.Reader, ledger string) error {
	ignoreStops()
	if said, _ := io.ReadAll(stdin); string(said) == goodbye {
		return nil
	}
	_, err := sweep(context.Background(), ledger)
	return err
}
