package cmd

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/proxy/observe"
	"github.com/msctl/msctl/registry"
)

type requestsOptions struct {
	follow  bool
	tail    string
	status  string
	slow    time.Duration
	service string
	json    bool
}

func (a *app) requestsCommand() *cobra.Command {
	var o requestsOptions
	c := &cobra.Command{
		Use:   "requests",
		Short: "Show the requests that the gateway carried",
		Long: `Show the requests that the gateway carried, those from outside and those
between services, as they ended: when they began, status, method, path, the
route or the calling service and the instance that answered, how long they took,
bytes of the response, and what went wrong.

The last 2048 are there while the stack runs. --status takes a status (404), a
class (5xx) or a range (400-499).`,
		Example: "  msctl requests -f\n  msctl requests --status 5xx --service orders\n  msctl requests --slow 200ms --tail 20 --json",
		Args:    none,
		RunE:    func(c *cobra.Command, _ []string) error { return a.requests(c.Context(), o) },
	}
	f := c.Flags()
	f.BoolVarP(&o.follow, "follow", "f", false, "go on with those that end from now on")
	f.StringVarP(&o.tail, "tail", "n", "all", "show this many of the last")
	f.StringVar(&o.status, "status", "", "show those with this status, class or range")
	f.DurationVar(&o.slow, "slow", 0, "show those that took so long or longer")
	f.StringVar(&o.service, "service", "", "show those to this service")
	f.BoolVar(&o.json, "json", false, "print one JSON object a line")
	_ = c.RegisterFlagCompletionFunc("service", a.completeServices) // it fails for a flag that is not there
	return c
}

// query is what the options ask for.
func (o requestsOptions) query() (control.RequestQuery, error) {
	q := control.RequestQuery{Follow: o.follow, Slow: registry.Duration(o.slow), Service: o.service}
	if err := q.Status.UnmarshalText([]byte(o.status)); err != nil {
		return q, usagef("--status: %w", err)
	}
	var err error
	q.Tail, err = parseTail(o.tail)
	return q, err
}

func (a *app) requests(ctx context.Context, o requestsOptions) error {
	q, err := o.query()
	if err != nil {
		return err
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	if o.service != "" {
		status, err := client.Status(ctx)
		if err != nil {
			return err
		}
		if err := known(status, []string{o.service}); err != nil {
			return err
		}
	}
	p := requestPrinter{color: a.printerOptions(false).Color, json: o.json}
	for b, err := range client.Requests(ctx, q) {
		if err != nil {
			return err
		}
		if b.Dropped > 0 {
			a.note("%d requests were gone before they could be shown", b.Dropped)
		}
		if err := p.print(a.out, b.Requests); err != nil {
			return brokenPipe(err)
		}
	}
	return nil
}

// requestPrinter prints requests in columns as wide as those before needed.
type requestPrinter struct {
	color, json         bool
	method, path, where int // columns
}

// maxColumn is how wide a column may become for the sake of its longest text.
const maxColumn = 48

func (p *requestPrinter) print(w io.Writer, requests []control.Request) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	grow := func(column *int, text string) { *column = max(*column, min(utf8.RuneCountInString(text), maxColumn)) }
	for i := range requests {
		r := &requests[i]
		grow(&p.method, observe.Printable(r.Method))
		grow(&p.path, observe.Printable(r.Path))
		grow(&p.where, where(r))
	}
	for i := range requests {
		if p.json {
			if err := enc.Encode(requests[i]); err != nil {
				return err
			}
			continue
		}
		b.WriteString(p.line(&requests[i]))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *requestPrinter) line(r *control.Request) string {
	status := "  -"
	if r.Status != 0 {
		status = strconv.Itoa(r.Status)
	}
	if p.color {
		status = "\x1b[" + statusColor(r.Status) + "m" + status + "\x1b[0m"
	}
	line := fmt.Sprintf("%s  %s  %-*s  %-*s  %-*s  %7s  %7s  %s",
		r.Time.Local().Format("15:04:05.000"), status, p.method, observe.Printable(r.Method), p.path, observe.Printable(r.Path), p.where, where(r),
		observe.Brief(r.Total), size(r.BytesOut), observe.Printable(r.Error))
	return strings.TrimRight(line, " ")
}

// where is the way of a request: from its caller, or by its route, to the
// instance.
func where(r *control.Request) string {
	from, to := cmp.Or(r.Caller, r.Route), cmp.Or(r.Instance, r.Service)
	if from == "" && to == "" {
		return "no route"
	}
	return observe.Printable(cmp.Or(from, "-") + " → " + cmp.Or(to, "-"))
}

func statusColor(status int) string {
	switch status / 100 {
	case 1, 2:
		return "32"
	case 3:
		return "36"
	case 4:
		return "33"
	}
	return "31"
}

// size is a number of bytes in about three digits.
func size(n int64) string {
	v, units := float64(n), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for v >= 1000 && len(units) > 1 {
		v, units = v/1024, units[1:]
	}
	if v < 10 && n >= 1000 {
		return strconv.FormatFloat(v, 'f', 1, 64) + units[0]
	}
	return strconv.FormatFloat(v, 'f', 0, 64) + units[0]
}
