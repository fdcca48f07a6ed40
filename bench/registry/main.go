// Command registry measures msctl's registry beside a real Consul in dev mode: both
// have the same instances, and are asked the same in turn.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/msctl/msctl/registry/consul/consultest"
)

// options say how much is measured.
type options struct {
	instances int           // that are there throughout
	services  int           // that they are of
	watchers  int           // clients that wait
	clients   int           // that ask at the same time
	each      time.Duration // for each measurement of a round
	rounds    int
}

// contender is a registry that is measured.
type contender struct {
	name string
	addr string
	pid  int
	end  func()

	changes, reads []float64 // a second, by round
	one, all       []time.Duration
	before, after  float64 // MiB, without the instances and with them
	journal        float64 // MiB on disk
}

func main() {
	var o options
	flag.IntVar(&o.instances, "instances", 10_000, "instances that are there")
	flag.IntVar(&o.services, "services", 1_000, "services that they are of")
	flag.IntVar(&o.watchers, "watchers", 1_000, "clients that wait")
	flag.IntVar(&o.clients, "clients", 16, "clients that ask at the same time")
	flag.DurationVar(&o.each, "each", 3*time.Second, "time of each measurement of a round")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds")
	flag.Parse()
	debug.SetGCPercent(400) // the load's own pauses are nobody's
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "msctl-registry")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is temporary
	ours, err := startMsctl(ctx, dir)
	if err != nil {
		return err
	}
	defer ours.end()
	all := []*contender{ours}
	if path := consultest.Find(); path == "" {
		fmt.Fprintln(os.Stderr, consultest.Missing)
	} else {
		a, err := consultest.Start(ctx, path)
		if err != nil {
			return err
		}
		defer a.Stop()
		all = append(all, &contender{name: "consul", addr: a.HTTP, pid: a.PID})
	}
	for _, c := range all {
		fmt.Fprintf(os.Stderr, "%s: %d instances of %d services\n", c.name, o.instances, o.services)
		if err := c.fill(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for n := range o.rounds {
		for _, c := range all {
			fmt.Fprintf(os.Stderr, "round %d: %s\n", n+1, c.name)
			if err := c.round(ctx, o); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	if info, err := os.Stat(filepath.Join(dir, ".msctl", "registry.journal")); err == nil {
		ours.journal = float64(info.Size()) / (1 << 20)
	}
	report(o, all)
	return nil
}

// startMsctl builds msctl and runs a stack that is a registry and nothing else.
func startMsctl(ctx context.Context, dir string) (*contender, error) {
	program := filepath.Join(dir, "msctl")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "stack.yaml"), []byte("registry: {listen: 127.0.0.1:0, dns: 127.0.0.1:0}\n"), 0o600); err != nil {
		return nil, err
	}
	msctl := func(args ...string) ([]byte, error) {
		c := exec.CommandContext(context.WithoutCancel(ctx), program, append([]string{"-C", dir}, args...)...) //nolint:gosec // built above
		out, err := c.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("msctl %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		return out, err
	}
	out, err := msctl("up", "-d", "--wait")
	if err != nil {
		return nil, err
	}
	c := &contender{name: "msctl", end: func() { _, _ = msctl("down") }}
	for _, field := range strings.Fields(string(out)) {
		if addr, ok := strings.CutPrefix(field, "http://"); ok {
			c.addr = addr
		}
	}
	if c.pid, err = supervisor(program); err != nil || c.addr == "" {
		c.end()
		return nil, errors.Join(err, fmt.Errorf("no registry in %s", out))
	}
	return c, nil
}

// supervisor finds the process in the background.
func supervisor(program string) (int, error) {
	found, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return 0, err
	}
	for _, exe := range found {
		to, _ := os.Readlink(exe) // it may have ended
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(exe), "cmdline"))
		if to == program && strings.Contains(string(line), "__supervise") {
			return strconv.Atoi(filepath.Base(filepath.Dir(exe)))
		}
	}
	return 0, errors.New("msctl does not run")
}

// resident is what a process has in memory, in MiB.
func resident(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("process %d has no VmRSS", pid)
}

func report(o options, all []*contender) {
	ours, theirs := all[0], (*contender)(nil)
	if len(all) > 1 {
		theirs = all[1]
	}
	row := func(what string, of func(*contender) float64, better, bound string) {
		fmt.Printf("| %s | %.3g |", what, of(ours))
		if theirs == nil {
			fmt.Printf(" – | – | %s |\n", bound)
			return
		}
		ratio := of(ours) / of(theirs)
		if better == "less" {
			ratio = 1 / ratio
		}
		fmt.Printf(" %.3g | %.1f× | %s |\n", of(theirs), ratio, bound)
	}
	fmt.Printf("\n| with %d instances | msctl | consul | better | bound |\n|---|---:|---:|---:|---|\n", o.instances)
	row("register and deregister, a second", func(c *contender) float64 { return median(c.changes) }, "more", "≥ 5×")
	row("health of a service, a second", func(c *contender) float64 { return median(c.reads) }, "more", "≥ 5×")
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	row(fmt.Sprintf("change → the one of %d that waits for it, p50, ms", o.watchers), func(c *contender) float64 { return ms(quantile(c.one, 0.5)) }, "less", "")
	row("the same, p99, ms", func(c *contender) float64 { return ms(quantile(c.one, 0.99)) }, "less", "≤ 2 ms")
	row(fmt.Sprintf("change → all %d that wait for it, p50, ms", o.watchers), func(c *contender) float64 { return ms(quantile(c.all, 0.5)) }, "less", "")
	row("the same, p99, ms", func(c *contender) float64 { return ms(quantile(c.all, 0.99)) }, "less", "")
	row("memory, MiB", func(c *contender) float64 { return c.after }, "less", "< 60 MiB")
	row("memory without the instances, MiB", func(c *contender) float64 { return c.before }, "less", "")
	fmt.Printf("\nmsctl's journal has %.1f MiB in the end.\n", ours.journal)
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	if len(all) == 0 {
		return 0
	}
	return all[len(all)/2]
}

func quantile[T cmp.Ordered](all []T, q float64) T {
	var zero T
	if len(all) == 0 {
		return zero
	}
	all = slices.Sorted(slices.Values(all))
	return all[min(len(all)-1, int(q*float64(len(all))))]
}
