//go:build unix

package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/msctl/msctl/bench/proof"
	"github.com/msctl/msctl/registry"
)

// The headline, on real services in three languages: whatever is saved, and
// however it fails, no request does. bench/reload.go has the same at scale.
func TestReload(t *testing.T) {
	for _, tool := range []string{"python3", "node", "go"} {
		require(t, tool)
	}
	r := beginReload(t)
	t.Run("under load", r.underLoad)
	t.Run("two saves", r.twoSaves)
	t.Run("twenty saves", r.twentySaves)
	t.Run("killed standby", r.killedStandby)
	t.Run("killed instance", r.killedInstance)
	r.msctl("down")
	if left, err := carriers(r.marker); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// reloading is the stack of testdata/stacks/reload, running.
type reloading struct {
	*proof.Stack
	t       *testing.T
	marker  string
	environ []string
	saved   map[string]int // the version of each service that was saved last; while one test runs, of its goroutine
}

func beginReload(t *testing.T) *reloading {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../testdata/stacks/reload")); err != nil {
		t.Fatal(err)
	}
	runtimeDir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", runtimeDir) // where this process, too, looks for the stack's socket
	r := &reloading{t: t, marker: "MSCTL_TEST_RELOAD=" + dir, saved: map[string]int{}}
	r.environ = append(os.Environ(), r.marker, "RELOAD_LISTEN=127.0.0.1:0", fmt.Sprintf("RELOAD_PORT=%d", unusedPort(t)))
	r.Stack = &proof.Stack{Dir: dir}
	t.Cleanup(func() { killCarriers(r.marker) })
	r.msctl("up", "-d", "--wait", "--wait-timeout", "2m")
	var err error
	if r.Stack, err = proof.Open(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Follow(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ended // msctl down has ended what it follows
	})
	for _, service := range append(proof.Swapped, proof.Fixed) {
		if err := r.Await(t.Context(), service, 0); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func unusedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (r *reloading) msctl(args ...string) string {
	r.t.Helper()
	c := exec.Command("msctl", args...)
	c.Dir, c.Env = r.Dir, r.environ
	var said strings.Builder
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		r.t.Fatalf("msctl %s: %v\n%s%s", strings.Join(args, " "), err, out, said.String())
	}
	return string(out)
}

// loaded runs f while all services are asked, and finds what went wrong.
func (r *reloading) loaded(t *testing.T, rate, streams int, f func(context.Context) error) {
	t.Helper()
	before := r.Tally()
	ctx, stop := context.WithCancel(t.Context())
	var load errgroup.Group
	connections := max(1, rate/10)
	loads := []proof.Load{{Service: proof.Fixed, Rate: rate, Connections: connections}}
	for _, service := range proof.Swapped {
		loads = append(loads,
			proof.Load{Service: service, Rate: rate, Connections: connections},
			proof.Load{Service: service, Rate: rate / 2, Connections: connections, Path: "/caller/via/" + service})
		load.Go(func() error { r.Listen(ctx, service, streams); return nil })
	}
	load.Go(func() error { r.Ask(ctx, loads...); return nil })
	began := time.Now()
	err := f(ctx)
	took := time.Since(began)
	stop()
	_ = load.Wait() // each reports by itself
	if err != nil {
		t.Errorf("%v\n%s", err, r.logs())
	}
	now := r.Tally()
	t.Logf("%d requests in %s, the slowest took %s; %d streams", now.Requests-before.Requests, took.Round(time.Millisecond), now.Slowest, now.Streams-before.Streams)
	if now.Failed != before.Failed || now.Cut != before.Cut || now.Stale != before.Stale {
		t.Errorf("%d requests failed, %d streams were cut, %d answers were stale:\n%s",
			now.Failed-before.Failed, now.Cut-before.Cut, now.Stale-before.Stale, strings.Join(now.Reports, "\n"))
	}
}

// logs are what the services and msctl said last.
func (r *reloading) logs() string {
	c := exec.Command("msctl", "logs", "--tail", "40", "--no-color")
	c.Dir, c.Env = r.Dir, r.environ
	out, _ := c.CombinedOutput()
	return string(out)
}

func (r *reloading) underLoad(t *testing.T) {
	const saves, restarts, rate, streams = 6, 2, 100, 5
	r.loaded(t, rate, streams, func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		for _, service := range proof.Swapped {
			g.Go(func() error {
				for v := 1; v <= saves; v++ {
					if v%3 != 0 {
						if err := r.save(ctx, service, v); err != nil {
							return err
						}
						continue
					}
					if err := r.saveBroken(ctx, service, v); err != nil {
						return fmt.Errorf("broken save %d of %s: %w", v, service, err)
					}
				}
				return r.save(ctx, service, saves+1)
			})
		}
		g.Go(func() error {
			for v := 1; v <= restarts; v++ {
				if err := r.save(ctx, proof.Fixed, v); err != nil {
					return err
				}
			}
			return nil
		})
		return g.Wait()
	})
	for _, service := range proof.Swapped {
		r.saved[service] = saves + 1
	}
}

// save saves a version, and waits until all instances have it.
func (r *reloading) save(ctx context.Context, service string, version int) error {
	if _, err := r.Save(service, version, false); err != nil {
		return err
	}
	return r.Await(ctx, service, version)
}

// saveBroken saves what cannot run, and looks how that is told.
func (r *reloading) saveBroken(ctx context.Context, service string, version int) error {
	was := r.Floor(service)
	at, err := r.Save(service, version, true)
	if err != nil {
		return err
	}
	if err := r.AwaitStale(ctx, service, at); err != nil {
		return err
	}
	var rows []registry.Instance
	if err := json.Unmarshal([]byte(r.msctl("ps", service, "--json")), &rows); err != nil {
		return err
	}
	for _, i := range rows {
		if i.Beside == "" && (i.Stale == nil || i.State != registry.Ready || len(i.Stale.Output) == 0) {
			return fmt.Errorf("ps --json does not say that %s goes on, and why: %+v", i.ID, i)
		}
	}
	body, header, err := r.Get(ctx, "/"+service)
	switch {
	case err != nil:
		return err
	case !strings.HasPrefix(body, fmt.Sprintf("v%d ", was)):
		return fmt.Errorf("want v%d to go on, got %q", was, body)
	case header.Get("Msctl-Stale") == "":
		return fmt.Errorf("no Msctl-Stale among %v", header)
	}
	return nil
}

func (r *reloading) twoSaves(t *testing.T) {
	r.loaded(t, 20, 0, func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		for _, service := range proof.Swapped {
			v := r.saved[service] + 1
			r.saved[service] += 4
			g.Go(func() error {
				if _, err := r.Save(service, v, false); err != nil {
					return err
				}
				if err := r.save(ctx, service, v+1); err != nil {
					return err
				}
				// Once more, with the first one under way.
				at, err := r.Save(service, v+2, false)
				if err != nil {
					return err
				}
				if err := r.awaitBeside(ctx, service, at); err != nil {
					return err
				}
				return r.save(ctx, service, v+3)
			})
		}
		return g.Wait()
	})
}

// awaitBeside waits until a replacement stands by, or has its place already: one
// in Go needs some milliseconds, which the follower of the table may miss.
func (r *reloading) awaitBeside(ctx context.Context, service string, saved time.Time) error {
	return r.AwaitTable(ctx, "an instance of "+service+" stands by", func(s registry.Snapshot) bool {
		return slices.ContainsFunc(s.Service(service), func(i registry.Instance) bool { return i.Started.After(saved) })
	})
}

// standby is the instance of a service that is to replace one.
func standby(s registry.Snapshot, service string) (registry.Instance, bool) {
	for _, i := range s.Instances {
		if i.Service == service && i.Beside != "" && i.State == registry.Starting && i.PID != 0 {
			return i, true
		}
	}
	return registry.Instance{}, false
}

func (r *reloading) twentySaves(t *testing.T) {
	const saves = 20
	r.loaded(t, 20, 0, func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		for _, service := range proof.Swapped {
			v := r.saved[service]
			r.saved[service] += saves
			g.Go(func() error {
				for n := 1; n < saves; n++ {
					if _, err := r.Save(service, v+n, n%5 == 0); err != nil {
						return err
					}
				}
				return r.save(ctx, service, v+saves)
			})
		}
		return g.Wait()
	})
}

func (r *reloading) killedStandby(t *testing.T) {
	r.kill(t, func(s registry.Snapshot) (registry.Instance, bool) { return standby(s, "python") })
}

func (r *reloading) killedInstance(t *testing.T) {
	r.kill(t, func(s registry.Snapshot) (old registry.Instance, ok bool) {
		next, ok := standby(s, "python")
		for _, i := range s.Instances {
			if i.ID == next.Beside {
				old = i
			}
		}
		return old, ok && old.PID != 0
	})
}

// kill kills an instance during a reload: the next save is served all the same.
func (r *reloading) kill(t *testing.T, victim func(registry.Snapshot) (registry.Instance, bool)) {
	t.Helper()
	const service = "python" // which takes its time to start
	ctx := t.Context()
	r.saved[service] += 2
	v := r.saved[service]
	at, err := r.Save(service, v-1, false)
	if err != nil {
		t.Fatal(err)
	}
	var killed registry.Instance
	if err := r.AwaitTable(ctx, "there is one to kill", func(s registry.Snapshot) (ok bool) {
		killed, ok = victim(s)
		return ok
	}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(killed.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if killed.Beside == "" {
		err = r.Await(ctx, service, v-1)
	} else {
		err = r.AwaitStale(ctx, service, at)
	}
	if err != nil {
		t.Fatalf("killed %s (pid %d): %v\n%s", killed.ID, killed.PID, err, r.logs())
	}
	if err := r.save(ctx, service, v); err != nil {
		t.Fatalf("killed %s (pid %d): %v\n%s", killed.ID, killed.PID, err, r.logs())
	}
	if err := r.AwaitTable(ctx, "nothing is left beside", func(s registry.Snapshot) bool {
		return !slices.ContainsFunc(s.Instances, func(i registry.Instance) bool { return i.Beside != "" })
	}); err != nil {
		t.Fatal(err)
	}
}
