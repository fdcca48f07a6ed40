// Package proof asks the services of a stack all the time while their files
// are saved, and finds every request that failed, every stream that was cut
// too early, and every answer by code that should have been gone.
//
// The stack is testdata/stacks/reload: each of its services answers with the
// version that stands in its source, and its pid.
package proof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/registry"
)

// Drain is what the stack file has as the drain limit of its services.
const Drain = 5 * time.Second

// Swapped are the services that are replaced beside themselves; Fixed is the
// one that restarts.
var Swapped = []string{"python", "go", "node"}

// Fixed names the service with a fixed port.
const Fixed = "fixed"

// sources are the files that a save writes.
var sources = map[string]string{
	"python": "python/app.py",
	"go":     "go/main.go",
	"node":   "node/server.mjs",
	Fixed:    "fixed/server.mjs",
}

// Stack is one that runs. Its methods may be called from any goroutine while
// Follow runs.
type Stack struct {
	Dir    string
	client *control.Client
	door   string // host:port of the gateway
	began  time.Time

	mu       sync.Mutex
	table    registry.Snapshot
	newer    chan struct{}        // closed with the next table
	versions map[int]int          // by pid
	drains   map[int]time.Time    // by pid: since when
	floors   map[string]int       // by service: all of its instances have had this version
	firsts   map[answer]time.Time // when the first one of each kind had come
	tally    Tally
}

// answer is a kind of answers.
type answer struct {
	service, method string
	version         int
}

// Tally is what came of the load.
type Tally struct {
	Requests int // answered or failed
	Streams  int // opened, or failed to
	Failed   int // requests without the answer that they should have had
	Cut      int // streams that did not open, or ended before the drain limit of the instance they were on
	Stale    int // answers by code older than what all instances had when the request was sent
	Slowest  time.Duration
	Reports  []string // of the first of those: which, when, and what the table was
}

// maxReports bounds Tally.Reports.
const maxReports = 10

// Open connects to the stack that runs in dir.
func Open(ctx context.Context, dir string) (*Stack, error) {
	client, err := control.Dial(dir)
	if err != nil {
		return nil, err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return nil, err
	}
	return &Stack{
		Dir: dir, client: client, door: status.Gateway, began: time.Now(),
		newer: make(chan struct{}), versions: map[int]int{}, drains: map[int]time.Time{}, floors: map[string]int{}, firsts: map[answer]time.Time{},
	}, nil
}

// Follow reads the table until ctx ends, and asks each instance that has
// become ready for its version.
func (s *Stack) Follow(ctx context.Context) error {
	for after := uint64(0); ; {
		table, err := s.client.Next(ctx, after)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		after = table.Revision
		for _, i := range table.Instances {
			if i.State != registry.Ready || i.Beside != "" || sources[i.Service] == "" || s.version(i.PID) >= 0 {
				continue
			}
			if v, err := AskVersion(ctx, i.Address); err == nil { // else it has just ended
				s.mu.Lock()
				s.versions[i.PID] = v
				s.mu.Unlock()
			}
		}
		s.seen(table)
	}
}

// AskVersion asks an instance for its version, at its own address.
func AskVersion(ctx context.Context, addr string) (int, error) {
	body, _, err := get(ctx, "http://"+addr)
	if err != nil {
		return 0, err
	}
	v, _, err := parse(body)
	return v, err
}

// Get asks the gateway.
func (s *Stack) Get(ctx context.Context, path string) (body string, header http.Header, err error) {
	return get(ctx, "http://"+s.door+path)
}

// once is for single requests, each on a connection of its own.
var once = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}

func get(ctx context.Context, url string) (string, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", nil, err
	}
	res, err := once.Do(req)
	if err != nil {
		return "", nil, err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, res.Status, body)
	}
	return string(body), res.Header, err
}

// parse reads "v12 4242": version and pid.
func parse(text string) (version, pid int, err error) {
	if _, err = fmt.Sscanf(text, "v%d %d", &version, &pid); err != nil {
		err = fmt.Errorf("want a version and a pid, got %q", text)
	}
	return version, pid, err
}

// version is that of a process, -1 while it is not known.
func (s *Stack) version(pid int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.versionLocked(pid)
}

func (s *Stack) versionLocked(pid int) int {
	if v, ok := s.versions[pid]; ok {
		return v
	}
	return -1
}

// seen takes note of a table.
func (s *Stack) seen(table registry.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table = table
	for _, i := range table.Instances {
		if i.State == registry.Draining && s.drains[i.PID].IsZero() {
			s.drains[i.PID] = i.Since
		}
	}
	for service := range sources {
		if all, ok := s.oldest(service); ok {
			s.floors[service] = max(s.floors[service], all)
		}
	}
	close(s.newer)
	s.newer = make(chan struct{})
}

// oldest is the least version among a service's instances, if all are ready.
// The caller holds mu.
func (s *Stack) oldest(service string) (least int, ready bool) {
	least = -1
	for _, i := range s.table.Instances {
		if i.Service != service || i.Beside != "" {
			continue
		}
		v := s.versionLocked(i.PID)
		if i.State != registry.Ready || v < 0 {
			return -1, false
		}
		if least < 0 || v < least {
			least = v
		}
	}
	return least, least >= 0
}

// Instances are those that have their places, of one service.
func (s *Stack) Instances(service string) []registry.Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []registry.Instance
	for _, i := range s.table.Instances {
		if i.Service == service && i.Beside == "" {
			out = append(out, i)
		}
	}
	return out
}

// Await waits until all instances of a service have the version, and no old
// code goes on.
func (s *Stack) Await(ctx context.Context, service string, version int) error {
	return s.await(ctx, fmt.Sprintf("%s has v%d", service, version), func() bool {
		v, ok := s.oldest(service)
		return ok && v == version && !slices.ContainsFunc(s.table.Instances, func(i registry.Instance) bool {
			return i.Service == service && i.Beside == "" && i.Stale != nil
		})
	})
}

// AwaitStale waits until the instances of a service are marked as stale for
// what was saved after since.
func (s *Stack) AwaitStale(ctx context.Context, service string, since time.Time) error {
	return s.await(ctx, service+" is stale", func() bool {
		return !slices.ContainsFunc(s.table.Instances, func(i registry.Instance) bool {
			return i.Service == service && i.Beside == "" && (i.Stale == nil || i.Stale.Since.Before(since))
		})
	})
}

// AwaitTable waits for a table of which is says true.
func (s *Stack) AwaitTable(ctx context.Context, what string, is func(registry.Snapshot) bool) error {
	return s.await(ctx, what, func() bool { return is(s.table) })
}

// patience bounds each wait, and each request: far more than any takes.
const patience = 20 * time.Second

// await waits until done, which is called with mu held.
func (s *Stack) await(ctx context.Context, what string, done func() bool) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		s.mu.Lock()
		ok, newer := done(), s.newer
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-newer:
		case <-limit.C:
			return fmt.Errorf("still waiting until %s, after %s\n%s", what, patience, s.Table())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Table is the table for people, with the version of each instance.
func (s *Stack) Table() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.print()
}

func (s *Stack) print() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, i := range s.table.Instances {
		stale := ""
		if i.Stale != nil {
			stale = "stale: " + i.Stale.Reason
		}
		fmt.Fprintf(w, "\t%s\t%s\tfor %s\tpid %d\t%s\tv%d\t%s %s\n",
			i.ID, i.State, time.Since(i.Since).Round(time.Millisecond), i.PID, i.Address, s.versionLocked(i.PID), i.Reason, stale)
	}
	_ = w.Flush() // to a buffer
	return b.String()
}

// afterStart is how soon after a build or a start a change may be its own doing
// (runtime/loops.go), and somewhat more.
const afterStart = 2100 * time.Millisecond

// Pause waits until the last build or start is so long ago that what changes is
// somebody's work: a program that saves again and again, as soon as it sees what
// came of the last save, has one of its saves put off for some seconds.
func Pause(ctx context.Context, last time.Time) error {
	wait := time.NewTimer(time.Until(last.Add(afterStart)))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var versionOf = regexp.MustCompile(`"v\d+"`)

// Save gives a service's source another version, in the way of editors: a file
// beside it takes its place. A broken one is a syntax error in any language.
// It returns the time right before the file was there.
func (s *Stack) Save(service string, version int, broken bool) (time.Time, error) {
	return Write(s.Dir, service, version, broken)
}

// Write is Save in any copy of the stack's folder.
func Write(dir, service string, version int, broken bool) (time.Time, error) {
	file := filepath.Join(dir, filepath.FromSlash(sources[service]))
	old, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, err
	}
	text := strings.TrimSuffix(string(old), syntaxError)
	text = versionOf.ReplaceAllLiteralString(text, strconv.Quote(fmt.Sprintf("v%d", version)))
	if broken {
		text += syntaxError
	}
	beside := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".tmp")
	err = os.WriteFile(beside, []byte(text), 0o600)
	at := time.Now()
	return at, errors.Join(err, os.Rename(beside, file))
}

const syntaxError = "\n)(\n"

// Served is how many versions from one to another have answered.
func (s *Stack) Served(service string, from, to int) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for v := from; v <= to; v++ {
		_, get := s.firsts[answer{service, http.MethodGet, v}]
		_, post := s.firsts[answer{service, http.MethodPost, v}]
		if get || post {
			n++
		}
	}
	return n
}

// Tally is what has come of the load so far.
func (s *Stack) Tally() Tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tally
	t.Reports = slices.Clone(t.Reports)
	return t
}

// Floor is the version that all instances of a service have had: nothing older
// may answer what is sent now.
func (s *Stack) Floor(service string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.floors[service]
}

// report counts what went wrong, and says which, when, and what the table was.
func (s *Stack) report(count func(*Tally), sent time.Time, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	count(&s.tally)
	if len(s.tally.Reports) < maxReports {
		what := fmt.Sprintf(format, args...)
		s.tally.Reports = append(s.tally.Reports, fmt.Sprintf("%s (begun %.3f s after the start, %s ago)\n%s",
			what, sent.Sub(s.began).Seconds(), time.Since(sent).Round(time.Microsecond), s.print()))
	}
}
