//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/msctl/msctl/bench/proof"
	"github.com/msctl/msctl/registry"
)

// reload measures what saving a file costs those who ask meanwhile, and how
// soon new code answers, each on a stack of its own.
func reload(ctx context.Context, l *lab) error {
	for _, f := range []func(context.Context, *reloading) error{newCode, saved, hundred} {
		r, err := l.reloading(ctx)
		if err != nil {
			return err
		}
		if err := errors.Join(f(ctx, r), r.close()); err != nil {
			return err
		}
	}
	return nil
}

const reloadStack = "testdata/stacks/reload" // from the module's folder

// reloading is that stack, running and followed.
type reloading struct {
	*proof.Stack
	run  *run
	stop context.CancelFunc
	done chan error
}

func (l *lab) reloading(ctx context.Context) (*reloading, error) {
	r, err := l.start(ctx, sample{}, nil)
	if err != nil {
		return nil, err
	}
	x := &reloading{run: r, stop: func() {}, done: make(chan error, 1)}
	if x.Stack, err = proof.Open(ctx, r.dir); err != nil {
		return nil, errors.Join(err, r.close())
	}
	ctx, x.stop = context.WithCancel(ctx)
	go func() { x.done <- x.Follow(ctx) }()
	for _, service := range append(proof.Swapped, proof.Fixed) {
		if err := x.Await(ctx, service, 0); err != nil {
			return nil, errors.Join(err, x.close())
		}
	}
	return x, nil
}

// close takes the stack down; what is left then is an error.
func (x *reloading) close() error {
	x.stop()
	err := <-x.done
	_, left, stopErr := x.run.stop()
	if len(left) > 0 {
		err = errors.Join(err, fmt.Errorf("msctl down has left %v", left))
	}
	return errors.Join(err, stopErr, x.run.close())
}

// under runs f while the loads ask.
func (x *reloading) under(ctx context.Context, f func(context.Context) error, streams int, loads ...proof.Load) error {
	asking, stop := context.WithCancel(ctx)
	var load errgroup.Group
	load.Go(func() error { x.Ask(asking, loads...); return nil })
	if streams > 0 {
		for _, service := range proof.Swapped {
			load.Go(func() error { x.Listen(asking, service, streams); return nil })
		}
	}
	err := f(ctx)
	stop()
	_ = load.Wait() // each reports by itself
	return err
}

// sample is msctl with the stack of testdata/stacks/reload.
type sample struct{}

func (sample) String() string { return "msctl -d" }

func (sample) start(ctx context.Context, r *run, _ []service) (func() error, error) {
	ports, err := r.lab.services(ctx, 1)
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(r.dir, os.DirFS(reloadStack)); err != nil {
		return nil, err
	}
	if err := timeBuild(filepath.Join(r.dir, "stack.yaml")); err != nil {
		return nil, err
	}
	up := r.command(ctx, r.lab.msctl, "up", "-d", "--wait")
	up.Env = append(up.Env, "RELOAD_LISTEN=127.0.0.1:0", fmt.Sprintf("RELOAD_PORT=%d", ports[0].port))
	if err := up.Run(); err != nil {
		return nil, fmt.Errorf("msctl up: %w: %s", err, r.said())
	}
	down := context.WithoutCancel(ctx) // it may run for longer than others
	return func() error { return r.command(down, r.lab.msctl, "down").Run() }, nil
}

// builtFile, in the stack's folder, has when the service in Go was built last:
// when that began and ended, in seconds.
const builtFile = "built"

// timeBuild has the stack write it.
func timeBuild(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	const build, timed = "build_command: go build -o $BIN . #", `build_command: bash -c 'b=$EPOCHREALTIME && go build -o "$BIN" . && echo "$b $EPOCHREALTIME" >../` + builtFile + `' #`
	if !strings.Contains(string(b), build) {
		return fmt.Errorf("%s builds no service in Go", file)
	}
	return os.WriteFile(file, []byte(strings.Replace(string(b), build, timed, 1)), 0o600)
}

// newCode measures the time from a save until new code has answered, and what
// of that was the service's own: its build, and from the start of its process
// until it answers.
func newCode(ctx context.Context, x *reloading) error {
	const rate = 400 // GET and POST in turn: 200 of each
	for _, service := range proof.Swapped {
		n := 4 * x.run.lab.rounds
		before := x.Tally()
		var floors samples
		took := map[string]samples{}
		err := x.under(ctx, func(ctx context.Context) error {
			for v := 1; v <= n; v++ {
				own, answered, err := x.newVersion(ctx, service, v)
				if err != nil {
					return err
				}
				floors = append(floors, ms(own))
				for method, after := range answered {
					took[method] = append(took[method], ms(after))
				}
			}
			return nil
		}, 0, proof.Load{Service: service, Rate: rate, Connections: rate / 10})
		if err != nil {
			return err
		}
		t := x.run.lab.table
		t.add(service+", its own build and start", "floor", floors, "ms", "", nil)
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			more := took[method].more(floors)
			t.add(service+", save to new code, "+method, "msctl -d", took[method], "ms", plus(more, "ms"), atMost(more.median(), 30, " ms more"))
			t.add(service+", the same, more than the floor, p99", "msctl -d", samples{more.p99()}, "ms", "", atMost(more.p99(), 100, " ms"))
		}
		failed := float64(x.Tally().Failed-before.Failed) / float64(n)
		t.add(service+", failed requests a reload", "msctl -d", samples{failed}, "", "", atMost(failed, 0, ""))
	}
	x.told()
	return nil
}

// newVersion saves, and measures how soon each method is answered by what was
// saved.
func (x *reloading) newVersion(ctx context.Context, service string, version int) (own time.Duration, answered map[string]time.Duration, err error) {
	if err = proof.Pause(ctx, time.Now()); err != nil {
		return 0, nil, err
	}
	at, err := x.Save(service, version, false)
	if err != nil {
		return 0, nil, err
	}
	if own, err = x.ownStart(ctx, service, at); err != nil {
		return 0, nil, err
	}
	answered = map[string]time.Duration{}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		first, err := x.AwaitAnswer(ctx, service, method, version)
		if err != nil {
			return 0, nil, err
		}
		answered[method] = first.Sub(at)
	}
	return own, answered, x.Await(ctx, service, version)
}

// told prints what went wrong, for who looks for the cause.
func (x *reloading) told() {
	for _, report := range x.Tally().Reports {
		fmt.Fprintln(os.Stderr, report)
	}
}

// ownStart is how long the first instance that was started after a save took
// by itself: to build, and from the start of its process until it answers who
// asks it, not the gateway. One that answers at the first try has taken no time.
func (x *reloading) ownStart(ctx context.Context, service string, saved time.Time) (took time.Duration, err error) {
	var next registry.Instance
	err = x.AwaitTable(ctx, service+" starts again", func(s registry.Snapshot) bool {
		for _, i := range s.Service(service) {
			if i.Started.After(saved) && i.Address != "" {
				next = i
				return true
			}
		}
		return false
	})
	if err != nil {
		return 0, err
	}
	looked := false
	for limit := time.Now().Add(answerLimit); ; looked = true {
		_, err := proof.AskVersion(ctx, next.Address)
		if err == nil {
			break
		}
		if time.Now().After(limit) || ctx.Err() != nil {
			return 0, fmt.Errorf("%s does not answer: %w", next.ID, err)
		}
		time.Sleep(time.Millisecond)
	}
	if looked {
		took = time.Since(next.Started)
	}
	built, err := os.ReadFile(filepath.Join(x.run.dir, builtFile))
	if errors.Is(err, fs.ErrNotExist) || service != "go" {
		return took, nil
	}
	var began, ended float64
	if _, err := fmt.Sscan(string(built), &began, &ended); err != nil {
		return 0, fmt.Errorf("%s: %w", builtFile, err)
	}
	return took + time.Duration((ended-began)*float64(time.Second)), nil
}

// saved is the whole proof: many saves of all services at once, a third of
// them broken, while requests, WebSockets and event streams go on.
func saved(ctx context.Context, x *reloading) error {
	const (
		front, edge = 200, 100 // requests a second for each service; with those below a thousand
		fixed       = 100
		streams     = 17 // of each kind and service: 51 WebSockets and 51 event streams
	)
	saves := 40 * x.run.lab.rounds
	loads := []proof.Load{{Service: proof.Fixed, Rate: fixed, Connections: fixed / 10}}
	for _, service := range proof.Swapped {
		loads = append(loads,
			proof.Load{Service: service, Rate: front, Connections: front / 10},
			proof.Load{Service: service, Rate: edge, Connections: edge / 10, Path: "/caller/via/" + service})
	}
	began := time.Now()
	err := x.under(ctx, func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		for _, service := range proof.Swapped {
			g.Go(func() error { return x.saves(ctx, service, saves) })
		}
		return g.Wait()
	}, streams, loads...)
	took := time.Since(began)
	tally := x.Tally()
	x.told()
	what := fmt.Sprintf("%d reloads of each of %s", saves, strings.Join(proof.Swapped, ", "))
	t := x.run.lab.table
	t.add(what+": requests a second", "msctl -d", samples{float64(tally.Requests) / took.Seconds()}, "/s", fmt.Sprintf("%d in %.0f s, %d streams", tally.Requests, took.Seconds(), tally.Streams), nil)
	for _, row := range []struct {
		what string
		n    int
	}{{"failed requests", tally.Failed}, {"streams cut before the drain limit", tally.Cut}, {"answers by old code", tally.Stale}} {
		t.add(row.what, "msctl -d", samples{float64(row.n)}, "", "", atMost(float64(row.n), 0, ""))
	}
	return err
}

// saves saves a service again and again, each as soon as it is known what came
// of the one before, but for a break after each broken one.
func (x *reloading) saves(ctx context.Context, service string, n int) error {
	for v := 1; v <= n; v++ {
		broken := v%3 == 0
		at, err := x.Save(service, v, broken)
		if err != nil {
			return err
		}
		if !broken {
			if err := x.Await(ctx, service, v); err != nil {
				return err
			}
			continue
		}
		if err := x.AwaitStale(ctx, service, at); err != nil {
			return err
		}
	}
	return nil
}

// hundred saves each service a hundred times in a minute, whatever comes of it.
func hundred(ctx context.Context, x *reloading) error {
	const saves, every = 100, time.Minute / 100
	last := map[string]time.Time{}
	var loads []proof.Load
	for _, service := range proof.Swapped {
		loads = append(loads, proof.Load{Service: service, Rate: 100, Connections: 10})
	}
	return x.under(ctx, func(ctx context.Context) error {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for v := 1; v <= saves; v++ {
			for _, service := range proof.Swapped {
				at, err := x.Save(service, v, false)
				if err != nil {
					return err
				}
				last[service] = at
			}
			if v == saves {
				break
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		t := x.run.lab.table
		for _, service := range proof.Swapped {
			first, err := x.AwaitAnswer(ctx, service, http.MethodGet, saves)
			if err == nil {
				err = x.Await(ctx, service, saves)
			}
			if err != nil {
				return err
			}
			took := ms(first.Sub(last[service]))
			t.add(service+", 100 saves in a minute: the last one to new code", "msctl -d", samples{took}, "ms",
				fmt.Sprintf("%d of them were served", x.Served(service, 1, saves)), nil)
		}
		failed := x.Tally().Failed
		t.add("failed requests meanwhile", "msctl -d", samples{float64(failed)}, "", "", atMost(float64(failed), 0, ""))
		x.told()
		return nil
	}, 0, loads...)
}
