//go:build linux

// Command gateway measures msctl's gateway beside nginx, HAProxy and, where it
// is installed, Caddy, before the same origin. A proxy has one processor, the
// origin and the generator of the load have another; the proxies take turns
// within each round. What counts is the processor time of a request as a ratio
// to the better of nginx and HAProxy: absolute figures move with the machine.
// A bound that is missed is said, and is no error; a wrong answer is one.
//
//	go run ./bench/gateway
//	go run ./bench/gateway -rounds 9 -cells get200,get16k -only msctl,nginx -json out.json
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// roles are what this program is when it starts itself.
var roles = map[string]func(args []string) error{
	"origin": serveOrigin,
	"load":   generate,
	"pin":    pin,
}

func main() {
	if err := start(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func start(argv []string) error {
	if len(argv) > 1 {
		if role, ok := roles[argv[1]]; ok {
			return role(argv[2:])
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return measure(ctx, argv[1:], os.Stdout)
}

// options are what to measure, and where it goes.
type options struct {
	rounds int
	cells  []cell
	kinds  []kind
	json   string // a file for all samples; "" none
	update bool   // the table goes to readme, too
}

func parse(args []string) (options, error) {
	var o options
	set := flag.NewFlagSet("gateway", flag.ContinueOnError)
	set.IntVar(&o.rounds, "rounds", 5, "how often each is measured")
	named := set.String("cells", "", "which cells, such as get200,get16k (default all)")
	only := set.String("only", "", "which proxies, such as msctl,nginx (default all that are installed)")
	set.StringVar(&o.json, "json", "", "write all samples to this file")
	set.BoolVar(&o.update, "update", false, "write the table to "+readme)
	if err := set.Parse(args); err != nil {
		return o, err
	}
	o.rounds = max(1, o.rounds)
	var errs [2]error
	o.cells, errs[0] = pick("cell", *named, cells(), func(c cell) string { return c.name })
	o.kinds, errs[1] = pick("proxy", *only, kinds(), func(k kind) string { return k.name })
	return o, errors.Join(errs[:]...)
}

// pick returns those of all that are named, in the order of all; all for "".
func pick[T any](what, names string, all []T, name func(T) string) ([]T, error) {
	if names == "" {
		return all, nil
	}
	wanted := strings.Split(names, ",")
	for _, n := range wanted {
		if !slices.ContainsFunc(all, func(t T) bool { return name(t) == n }) {
			return nil, fmt.Errorf("there is no %s %q", what, n)
		}
	}
	return slices.DeleteFunc(all, func(t T) bool { return !slices.Contains(wanted, name(t)) }), nil
}

// measure writes the table to out, also when some cells failed.
func measure(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	l := &lab{}
	defer l.close()
	defer end()
	if err := l.open(ctx, o); err != nil {
		return err
	}
	r := report{Machine: machine(), Proxies: l.versions, Rounds: o.rounds, Cells: o.cells, Samples: samples{}}
	failed := l.rounds(ctx, o, r.Samples)
	if err := ctx.Err(); err != nil {
		return err
	}
	text := r.markdown()
	fmt.Fprint(out, text)
	if o.json != "" {
		b, err := json.MarshalIndent(r, "", "\t")
		failed = errors.Join(failed, err, os.WriteFile(o.json, append(b, '\n'), 0o600))
	}
	if o.update && failed == nil {
		failed = update(readme, text)
	}
	return failed
}
