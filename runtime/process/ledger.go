package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ledger is the list on disk of the leaders of a run that live: a line "+pid
// starttime" for each start and "-pid" for each end. It is not synced: it has
// to survive the death of msctl, not of the machine.
type ledger struct {
	mu    sync.Mutex
	path  string
	f     *os.File
	live  map[int]string
	lines int
}

const (
	ledgerExt = ".ledger"
	// compactAfter bounds a ledger's length against endless restarts.
	compactAfter = 10_000
)

func runDir(state string) string { return filepath.Join(state, "run") }

func openLedger(state, mark string) (*ledger, error) {
	if err := os.MkdirAll(runDir(state), 0o755); err != nil {
		return nil, err
	}
	l := &ledger{path: filepath.Join(runDir(state), mark+ledgerExt), live: map[int]string{}}
	var err error
	l.f, err = os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_EXCL, 0o600)
	return l, err
}

func (l *ledger) began(pid int) {
	start := startTime(pid)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live[pid] = start
	l.write(fmt.Sprintf("+%d %s\n", pid, start))
}

func (l *ledger) ended(pid int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.live, pid)
	l.write(fmt.Sprintf("-%d\n", pid))
}

// write appends a line. A disk that is full costs this net, not the stack: the
// mark in the environment finds the same processes.
func (l *ledger) write(line string) {
	if l.lines++; l.lines > compactAfter {
		l.compact()
	}
	_, _ = l.f.WriteString(line)
}

func (l *ledger) compact() {
	var b strings.Builder
	for pid, start := range l.live {
		fmt.Fprintf(&b, "+%d %s\n", pid, start)
	}
	next := l.path + ".new"
	if os.WriteFile(next, []byte(b.String()), 0o600) != nil || os.Rename(next, l.path) != nil {
		return
	}
	if f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND, 0o600); err == nil {
		_ = l.f.Close()
		l.f, l.lines = f, len(l.live)
	}
}

// remove ends the ledger: nothing of the run is left.
func (l *ledger) remove() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.f.Close(), os.Remove(l.path))
}

// readLedger returns the leaders that a ledger has as living. Lines that make
// no sense, as a torn last one may, are passed over.
func readLedger(path string) (map[int]string, error) {
	live := map[int]string{}
	f, err := os.Open(path)
	if err != nil {
		return live, err
	}
	defer f.Close() //nolint:errcheck // only read
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := sc.Text()
		if line == "" {
			continue
		}
		number, start, _ := strings.Cut(line[1:], " ")
		pid, err := strconv.Atoi(number)
		switch {
		case err != nil || pid <= 1:
		case line[0] == '+' && start != "":
			live[pid] = start
		case line[0] == '-':
			delete(live, pid)
		}
	}
	return live, nil
}

const (
	// sweepGrace is what processes get to stop once msctl was killed. Their
	// own grace period is meant for a stop that somebody waits for.
	sweepGrace = 2 * time.Second
	sweepTick  = 10 * time.Millisecond
)

// SweepStale ends the processes of every earlier run of the stack, and
// returns how many there were. No supervisor of the stack may be alive.
func SweepStale(ctx context.Context, state string) (int, error) {
	paths, err := filepath.Glob(filepath.Join(runDir(state), "*"+ledgerExt))
	if err != nil {
		return 0, err
	}
	total := 0
	for _, p := range paths {
		n, err := sweep(ctx, p)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// sweep ends what is left of the run whose ledger is at path: the leaders that
// are still the processes they were, their groups and descendants, and
// everything with the run's mark. It is how the guardian and the next run
// clean up; both may do it at once.
func sweep(ctx context.Context, path string) (int, error) {
	mark := strings.TrimSuffix(filepath.Base(path), ledgerExt)
	known, err := readLedger(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	tick := time.NewTicker(sweepTick)
	defer tick.Stop()
	seen := map[int]bool{}
	for begun := time.Now(); ; {
		left := survivors(known, mark)
		if len(left) == 0 {
			break
		}
		killing := time.Since(begun) > sweepGrace
		if killing && time.Since(begun) > sweepGrace+killPatience {
			return len(seen), fmt.Errorf("processes %v do not end", left)
		}
		for _, pid := range left {
			switch {
			case killing:
				killProcess(pid)
			case !seen[pid]:
				signalProcess(pid, "SIGTERM")
			}
			seen[pid] = true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return len(seen), ctx.Err()
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return len(seen), err
	}
	return len(seen), nil
}

// survivors are the processes of a run that live: those that are known or have
// the mark, and what is below them. What is found becomes known, since a
// process that has left its session and its environment behind is only found
// while one that is known stands above it. Known are pids with start times: the
// pid alone may be another's by now.
func survivors(known map[int]string, mark string) []int {
	roots := markedProcesses(mark, "")
	for pid, start := range known {
		if startTime(pid) == start {
			roots = append(roots, pid)
		}
	}
	found := map[int]bool{}
	for _, pid := range roots {
		found[pid] = true
		for _, p := range below(pid) {
			found[p] = true
		}
	}
	delete(found, os.Getpid())
	out := make([]int, 0, len(found))
	for pid := range found {
		if start := startTime(pid); start != "" {
			known[pid] = start
			out = append(out, pid)
		}
	}
	return out
}
