package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/stack"
	"github.com/msctl/msctl/templates/client"
	"github.com/msctl/msctl/verify"
)

type verifyOptions struct {
	services []string
	url      string
	json     bool
	timeout  time.Duration
}

func (a *app) verifyCommand() *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "verify [SERVICE...]",
		Short: "Check what services do at run time: probes, metrics, errors, logs, their end",
		Long: `Check what services do at run time: probes, metrics, errors, logs, and how they
end. Without SERVICE, all HTTP services of the stack are checked.

Each is started once more, beside the stack: on a port of its own, in its
environment, and with the addresses of its dependencies while the stack runs.
With --url, a service that runs already is looked at; what needs its process is
skipped. The exit code is 1 when a check fails.`,
		Example:           "  msctl verify\n  msctl verify catalog --json\n  msctl verify --url http://127.0.0.1:8000",
		ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			o.services = args
			return a.verify(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.url, "url", "", "look at the service that answers here")
	c.Flags().BoolVar(&o.json, "json", false, "print a JSON list")
	c.Flags().DurationVar(&o.timeout, "timeout", 30*time.Second, "how long a start, and each answer, may take")
	return c
}

func (a *app) verify(ctx context.Context, o verifyOptions) error {
	if o.timeout <= 0 {
		return usagef("--timeout: want a time above 0")
	}
	ctx, hurry := context.WithCancel(ctx)
	defer hurry()
	signalled, done := untilSignalled(ctx, hurry)
	defer done()
	report := &verifyReport{app: a, json: o.json, verdicts: []verdict{}}
	var err error
	if o.url != "" {
		err = a.verifyURL(signalled, o, report)
	} else {
		err = a.verifyServices(signalled, ctx.Done(), o, report)
	}
	if err != nil {
		return err
	}
	return report.end()
}

func (a *app) verifyURL(ctx context.Context, o verifyOptions, report *verifyReport) error {
	u, err := url.Parse(o.url)
	switch {
	case len(o.services) > 0:
		return usagef("want services or --url, not both")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return usagef("--url: want http://HOST:PORT, got %q", o.url)
	}
	return report.take(ctx, verify.Target{Name: u.Host, URL: u, Timeout: o.timeout})
}

// verifyServices checks one service after the other: two at a time would
// disturb each other's measures. kill ends what does not end by itself.
func (a *app) verifyServices(ctx context.Context, kill <-chan struct{}, o verifyOptions, report *verifyReport) error {
	st, err := a.load()
	if err != nil {
		return err
	}
	services, err := verifiable(st, o.services)
	if err != nil {
		return err
	}
	for _, sv := range services {
		report.width = max(report.width, len(sv.Name))
	}
	return a.beside(ctx, kill, st.Dir, func(own *ownInstances) error {
		for _, sv := range services {
			if err := own.verify(ctx, st, sv, o, report); err != nil {
				return err
			}
		}
		return nil
	})
}

func (own *ownInstances) verify(ctx context.Context, st *stack.Stack, sv *stack.Service, o verifyOptions, report *verifyReport) error {
	contracts, err := contractsOf(st, sv.Name)
	if err != nil {
		return err
	}
	i, address, err := own.start(ctx, sv)
	if err != nil {
		return err
	}
	defer i.end()
	return report.take(ctx, verify.Target{
		Name:      sv.Name,
		URL:       address,
		Timeout:   o.timeout,
		Process:   i,
		Dir:       sv.Dir,
		Grace:     sv.StopGracePeriod,
		Contracts: contracts,
	})
}

// contractsOf are what services of the stack have been told that service offers.
func contractsOf(st *stack.Stack, service string) ([]verify.Contract, error) {
	var out []verify.Contract
	for _, sv := range st.Services {
		file := filepath.Join(sv.Dir, filepath.FromSlash(client.Pinned(service)))
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read what %s knows of %s: %w", sv.Name, service, err)
		}
		out = append(out, verify.Contract{Service: sv.Name, Document: data})
	}
	return out, nil
}

// verifiable are the services named, or all, that answer HTTP and run as
// processes.
func verifiable(st *stack.Stack, names []string) ([]*stack.Service, error) {
	selected, err := st.Select(names, nil, true)
	if err != nil {
		return nil, err
	}
	var out []*stack.Service
	for _, name := range selected {
		sv, _ := st.Service(name)
		serves := sv.Kind == stack.KindService && sv.Protocol == stack.HTTP && sv.Healthcheck.Kind != stack.ProbeNone && !sv.Command.IsZero()
		switch {
		case serves:
			out = append(out, sv)
		case slices.Contains(names, name):
			return nil, usagef("%s is no HTTP service that runs as a process", name)
		}
	}
	if len(out) == 0 {
		return nil, usagef("the stack has no HTTP service that runs as a process")
	}
	return out, nil
}

// verdict is a result as it is printed.
type verdict struct {
	Service string `json:"service"`
	verify.Result
}

// verifyReport prints results as they come, or all of them as JSON.
type verifyReport struct {
	app      *app
	json     bool
	width    int // of the services' names
	verdicts []verdict
	failed   bool
}

// take makes the checks. It fails only when ctx ends.
func (r *verifyReport) take(ctx context.Context, t verify.Target) error {
	count := map[verify.Status]int{}
	for result := range verify.Run(ctx, t) {
		count[result.Status]++
		r.verdicts = append(r.verdicts, verdict{t.Name, result})
		if !r.json {
			r.print(t.Name, result)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !r.json {
		fmt.Fprintf(r.app.out, "%s: %d passed, %d failed, %d skipped\n", t.Name, count[verify.Pass], count[verify.Fail], count[verify.Skip])
	}
	r.failed = r.failed || count[verify.Fail] > 0
	return nil
}

func (r *verifyReport) print(service string, result verify.Result) {
	mark := map[verify.Status]string{verify.Pass: "ok", verify.Fail: "FAIL", verify.Skip: "skip"}[result.Status]
	fmt.Fprintf(r.app.out, "%-4s  %-*s  %-*s  %s\n", mark, r.width, service, verify.Width(), result.Check, oneLine(result.Seen))
	if result.Hint != "" {
		fmt.Fprintf(r.app.out, "      hint: %s\n", oneLine(result.Hint))
	}
}

// oneLine keeps what a service wrote from breaking up the columns.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// end prints what is left to print; the error is the exit code of a failure.
func (r *verifyReport) end() error {
	if r.json {
		if err := r.app.printJSON(r.verdicts); err != nil {
			return err
		}
	}
	if r.failed {
		return &exitError{code: exitFailed}
	}
	return nil
}
