//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/msctl/msctl/runtime/watch"
)

// The tree that is watched: services, the folders of each, the files in each.
const (
	watchScopes  = 100
	watchFolders = 200
	watchFiles   = 10
	watchSaves   = 50
	watchBurst   = 10_000
	watchCalm    = 12 * time.Second // it has looked for what was saved while it came up
	watchIdle    = 5 * time.Second
	watchPatient = time.Minute
)

// watchTree is in the environment of the process that watches the tree that it
// names: one of its own, whose memory and processor time are the watcher's.
const watchTree = "MSCTL_BENCH_WATCH"

// watched is what one process has measured; times are in milliseconds.
type watched struct {
	Floor, Ready float64 // to walk the tree, and until it is watched
	Idle         float64 // percent of a processor
	RSS          float64 // MiB
	Saves        samples // until each was told
	Batches      float64 // of a burst
	Burst        float64 // from its last write until it was told
	BurstFloor   float64 // to write it
}

// watching measures what it takes to watch 100 services with 200,000 files,
// and how soon changes are told. The floor is a plain walk of the same tree.
func watching(ctx context.Context, l *lab) error {
	dir := filepath.Join(l.dir, "watched")
	for s := range watchScopes {
		for f := range watchFolders {
			in := filepath.Join(dir, fmt.Sprintf("svc%02d/pkg%d/d%d", s, f%20, f/20))
			if err := os.MkdirAll(in, 0o755); err != nil {
				return err
			}
			for i := range watchFiles {
				if err := os.WriteFile(filepath.Join(in, fmt.Sprintf("file%d.go", i)), nil, 0o600); err != nil {
					return err
				}
			}
		}
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, fmt.Sprintf("svc%02d/node_modules/x/y", s)), 0o755), ctx.Err()); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var floor, ready, idle, rss, saves, batches, burst, burstFloor samples
	for range l.rounds {
		child := exec.CommandContext(ctx, self)
		child.Env, child.Stderr = append(os.Environ(), watchTree+"="+dir), os.Stderr
		out, err := child.Output()
		if err != nil {
			return err
		}
		var w watched
		if err := json.Unmarshal(out, &w); err != nil {
			return err
		}
		floor, ready, idle, rss = append(floor, w.Floor), append(ready, w.Ready), append(idle, w.Idle), append(rss, w.RSS)
		saves, batches = append(saves, w.Saves...), append(batches, w.Batches)
		burst, burstFloor = append(burst, w.Burst), append(burstFloor, w.BurstFloor)
	}
	what := fmt.Sprintf("watch %d files", watchScopes*watchFolders*watchFiles)
	l.table.add(what+", up", "walk", floor, "ms", "", nil)
	l.table.add(what+", up", "msctl", ready, "ms", times(ready.over(floor)), below(ready.median(), 1000, " ms"))
	l.table.add(what+", idle", "msctl", idle, "%", "", below(idle.median(), 1, " %"))
	l.table.add(what+", RSS", "msctl", rss, "MiB", "", below(rss.median(), 100, " MiB"))
	l.table.add("a save until it is told", "msctl", saves, "ms", "", atMost(saves.median(), 20, " ms"))
	what = fmt.Sprintf("a burst of %d files", watchBurst)
	l.table.add(what+", written", "floor", burstFloor, "ms", "", nil)
	l.table.add(what+", told after it", "msctl", burst, "ms", "", atMost(burst.median(), 300, " ms"))
	l.table.add(what+", batches", "msctl", batches, "", "", atMost(batches.median(), 1, ""))
	return nil
}

// watchChild watches a tree and prints what it has measured.
func watchChild(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, watchPatient)
	defer cancel()
	var w watched
	began := time.Now()
	if err := filepath.WalkDir(dir, func(_ string, _ fs.DirEntry, err error) error { return err }); err != nil {
		return err
	}
	w.Floor = ms(time.Since(began))

	told := make(chan watch.Batch, 100)
	watcher := watch.New(watch.Options{
		Changed: func(b watch.Batch) { told <- b },
		Notice:  func(err error) { fmt.Fprintln(os.Stderr, "bench: watch:", err) },
	})
	done := make(chan error, 1)
	running, stop := context.WithCancel(ctx)
	go func() { done <- watcher.Run(running) }()
	defer func() { stop(); <-done }()
	var scopes []watch.Scope
	for s := range watchScopes {
		at := filepath.Join(dir, fmt.Sprintf("svc%02d", s))
		scopes = append(scopes, watch.Scope{Name: filepath.Base(at), Dir: at, Paths: []string{at}})
	}
	began = time.Now()
	watcher.Follow(scopes)
	if err := watcher.Ready(ctx); err != nil {
		return err
	}
	w.Ready = ms(time.Since(began))

	me := process{pid: os.Getpid()}
	<-time.After(watchCalm)
	cpu, began := me.cpu(), time.Now()
	<-time.After(watchIdle)
	w.Idle = 100 * float64(me.cpu()-cpu) / float64(time.Since(began))
	w.RSS, _ = me.memory()

	for i := range watchSaves {
		file := filepath.Join(dir, fmt.Sprintf("svc%02d/pkg3/d4/file5.go", i))
		if err := os.WriteFile(file, []byte("package d4\n"), 0o600); err != nil {
			return err
		}
		saved := time.Now()
		if _, err := next(ctx, told); err != nil {
			return err
		}
		w.Saves = append(w.Saves, ms(time.Since(saved)))
	}
	if err := watchBurstOf(ctx, filepath.Join(dir, "svc07/pkg1"), told, &w); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(w)
}

// watchBurstOf writes many files in new folders, and takes them away again.
func watchBurstOf(ctx context.Context, dir string, told <-chan watch.Batch, w *watched) error {
	began := time.Now()
	for i := range watchBurst {
		at := filepath.Join(dir, fmt.Sprintf("burst%d", i/100))
		if err := errors.Join(os.MkdirAll(at, 0o755), os.WriteFile(filepath.Join(at, fmt.Sprint("f", i%100)), []byte("x"), 0o600)); err != nil {
			return err
		}
	}
	written := time.Now()
	w.BurstFloor = ms(written.Sub(began))
	for paths := 0; paths < watchBurst; w.Batches++ {
		b, err := next(ctx, told)
		if err != nil {
			return fmt.Errorf("%d of %d files told: %w", paths, watchBurst, err)
		}
		paths += len(b.Paths) + b.More
	}
	w.Burst = ms(time.Since(written))
	var bursts []error
	for i := range watchBurst / 100 {
		bursts = append(bursts, os.RemoveAll(filepath.Join(dir, fmt.Sprintf("burst%d", i))))
	}
	return errors.Join(bursts...)
}

func next(ctx context.Context, told <-chan watch.Batch) (watch.Batch, error) {
	select {
	case b := <-told:
		return b, nil
	case <-ctx.Done():
		return watch.Batch{}, ctx.Err()
	}
}
