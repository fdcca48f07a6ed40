// Package process runs instances as plain processes, and leaves none behind.
//
// Every command is the leader of a process group of its own, which is what
// signals go to. Three nets catch what leaves the group: on Linux msctl is a
// subreaper, so that orphans become its children, and every process carries
// the run's mark in its environment; the guardian, a small process, cleans up
// when msctl itself is killed; and the ledger on disk tells the next run what
// the last one started.
//
// A process that opened a Runner must leave waiting for children to it: it
// reaps all of them.
package process

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/msctl/msctl/runtime"
	"github.com/msctl/msctl/stack"
)

// markEnv marks every process of a run with the run's name.
const markEnv = "MSCTL_RUN"

// Runner runs processes; it implements runtime.Runner. Its methods may be
// called from any goroutine while Guard runs.
type Runner struct {
	state    string // the stack's .msctl folder
	mark     string
	ledger   *ledger
	guardian *guardian
	tree     tree

	// fork is held for reading from fork to entry in leaders, and for writing
	// while children are reaped: a child that ends at once is known by then.
	fork    sync.RWMutex
	mu      sync.Mutex
	leaders map[int]*leader
	orphan  chan struct{} // closed and replaced when an orphan was reaped
	bins    bins
}

// leader is a process that we started, the first of its group.
type leader struct {
	pid  int
	exit chan error // receives its end once
}

// Open prepares to run processes for the stack whose state folder is given.
// It ends what a run that was killed left behind, and returns how many
// processes that were. Guard has to run as long as the Runner is used.
func Open(state string) (r *Runner, swept int, err error) {
	swept, err = SweepStale(context.Background(), state)
	if err != nil {
		return nil, swept, fmt.Errorf("clean up after the last run: %w", err)
	}
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return nil, swept, err
	}
	r = &Runner{
		state:   state,
		mark:    hex.EncodeToString(id),
		leaders: map[int]*leader{},
		orphan:  make(chan struct{}),
		bins:    bins{running: map[string]int{}, last: map[string]string{}},
	}
	if err := becomeSubreaper(); err != nil {
		return nil, swept, err
	}
	if r.ledger, err = openLedger(state, r.mark); err != nil {
		return nil, swept, err
	}
	if r.guardian, err = r.startGuardian(); err != nil {
		return nil, swept, fmt.Errorf("start the guardian: %w", err)
	}
	return r, swept, nil
}

// Guard reaps children and keeps the guardian alive until ctx is done, then
// ends whatever is left of the run. ctx must outlast every call of Run.
func (r *Runner) Guard(ctx context.Context) error {
	reaping, stop := context.WithCancel(context.WithoutCancel(ctx))
	var reaper sync.WaitGroup
	reaper.Go(func() { r.reap(reaping) })
	defer reaper.Wait()
	defer stop()

	err := r.keepGuardian(ctx)
	r.endOrphans()
	return errors.Join(err, r.ledger.remove(), r.guardian.release())
}

// Run implements runtime.Runner.
func (r *Runner) Run(ctx context.Context, s runtime.Spec, out io.Writer) error {
	release := r.bins.use(s.ID, r.bin(s))
	defer func() { release(ctx.Err() != nil) }()
	return r.run(ctx, s, s.Command, out)
}

// Exec implements runtime.Runner. The command gets no time to stop.
func (r *Runner) Exec(ctx context.Context, s runtime.Spec, c stack.Command, out io.Writer) error {
	s.Grace, s.OnStart, s.OnExit, s.Socket = 0, nil, nil, nil
	return r.run(ctx, s, c, out)
}

// Signal implements runtime.Runner.
func (r *Runner) Signal(pid int, name string) error {
	r.fork.RLock() // or it could be reaped meanwhile, and its pid be another's
	defer r.fork.RUnlock()
	if !r.isLeader(pid) {
		return os.ErrProcessDone
	}
	signalProcess(pid, name)
	return nil
}

// buildGrace is what setup and build commands get to stop.
const buildGrace = 2 * time.Second

// Build implements runtime.Runner.
func (r *Runner) Build(ctx context.Context, s runtime.Spec, out io.Writer) error {
	s.Grace, s.OnStart, s.OnExit, s.Socket = buildGrace, nil, nil, nil
	s.Limits = stack.Limits{}
	if !s.Setup.IsZero() {
		if err := r.setup(ctx, s, out); err != nil {
			return buildError("setup", err)
		}
	}
	if !s.BuildCommand.IsZero() {
		if err := r.run(ctx, s, s.BuildCommand, out); err != nil {
			return buildError("build_command", err)
		}
		r.removeOld(s)
	}
	return nil
}

func buildError(step string, err error) error {
	return &runtime.BuildError{Step: step, Err: err}
}

// run starts a command, relays its output, and returns when it and all of its
// descendants are gone.
func (r *Runner) run(ctx context.Context, s runtime.Spec, c stack.Command, out io.Writer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	env, err := r.environment(s)
	if err != nil {
		return err
	}
	path, args, err := resolve(c, s.Dir, env)
	if err != nil {
		return err
	}
	if path, args, err = prepared(path, args, s, out); err != nil {
		return err
	}
	output, err := newOutput(out)
	if err != nil {
		return fmt.Errorf("start %s: %w", args[0], err)
	}
	l, err := r.start(path, args, s, env, output.w)
	output.started()
	if err != nil {
		output.finish()
		return fmt.Errorf("start %s: %w", args[0], err)
	}
	if s.OnStart != nil {
		s.OnStart(l.pid)
	}
	err = r.attend(ctx, s, l)
	output.finish()
	r.ledger.ended(l.pid)
	return err
}

// start forks the command as a group leader, and writes it down.
func (r *Runner) start(path string, args []string, s runtime.Spec, env []string, out *os.File) (*leader, error) {
	r.fork.RLock()
	defer r.fork.RUnlock()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close() //nolint:errcheck // nothing was written
	files := []*os.File{null, out, out}
	if s.Socket != nil {
		files = append(files, s.Socket)
	}
	p, err := os.StartProcess(path, args, &os.ProcAttr{Dir: s.Dir, Env: env, Files: files, Sys: ownGroup()})
	if err != nil {
		return nil, err
	}
	l := r.adopt(p)
	r.ledger.began(l.pid)
	return l, nil
}

// adopt enters a process that was just started among the leaders. The caller
// holds fork.
func (r *Runner) adopt(p *os.Process) *leader {
	l := &leader{pid: p.Pid, exit: make(chan error, 1)}
	r.mu.Lock()
	r.leaders[l.pid] = l
	r.mu.Unlock()
	r.watchExit(p, l)
	return l
}

// ended hands the end of a child to whoever waits for it; a child that nobody
// started is an orphan that came to us.
func (r *Runner) ended(pid int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l, ok := r.leaders[pid]; ok {
		delete(r.leaders, pid)
		l.exit <- err
		return
	}
	close(r.orphan)
	r.orphan = make(chan struct{})
}

// isLeader tells the processes that we started from the orphans among our children.
func (r *Runner) isLeader(pid int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.leaders[pid]
	return ok
}

// orphanReaped is closed when the next orphan has been reaped.
func (r *Runner) orphanReaped() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.orphan
}

// environment completes the instance's: BIN, where a build puts its program,
// and the mark of the run.
func (r *Runner) environment(s runtime.Spec) ([]string, error) {
	bin := r.bin(s)
	if err := os.MkdirAll(filepath.Dir(bin), 0o755); err != nil {
		return nil, err
	}
	env := slices.DeleteFunc(slices.Clone(s.Env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return name == "LISTEN_FDS" || name == "LISTEN_PID" || name == "LISTEN_FDNAMES" // of a socket that msctl was given
	})
	return lastOf(append(env, "BIN="+bin, markEnv+"="+r.mark)), nil
}

// lastOf keeps the last entry of each variable. Programs do not agree on which
// of two counts: Go, Python and Node take the first, shells the last.
func lastOf(env []string) []string {
	seen := make(map[string]bool, len(env))
	out := make([]string, 0, len(env))
	for _, kv := range slices.Backward(env) {
		if name, _, _ := strings.Cut(kv, "="); name == "" || !seen[name] { // Windows has some without a name
			seen[name] = true
			out = append(out, kv)
		}
	}
	slices.Reverse(out)
	return out
}
