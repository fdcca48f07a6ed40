// Package wiretest has what the tests of the engines share: the other side of
// package wire, as a test wants it.
package wiretest

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/msctl/msctl/proxy/wire"
)

// backlog is more than a test's requests have outcomes, or causes.
const backlog = 1024

// Door lets every request in, on the same terms, to the same upstreams. Make
// its channels with Open first; the other fields are not to change after that.
type Door struct {
	Terms  wire.Terms // Path is the request's unless it is set; Query is the request's
	Again  int        // how often a request may be tried again
	Answer *wire.Answer
	To     []wire.Upstream // Next has the next one, and then the last again

	Done   chan wire.Outcome
	Causes chan error // that Next, Again and Broke were told
}

// Open makes the channels.
func (d *Door) Open() {
	d.Done, d.Causes = make(chan wire.Outcome, backlog), make(chan error, backlog)
}

// Enter implements wire.Door.
func (d *Door) Enter(_ context.Context, h *wire.Head) (wire.Pass, *wire.Terms, *wire.Answer) {
	if d.Answer != nil {
		return nil, nil, d.Answer
	}
	p := &pass{door: d, terms: d.Terms, again: d.Again}
	if p.terms.Path == "" {
		p.terms.Path = strings.Clone(h.Path)
	}
	p.terms.Query = strings.Clone(h.Query)
	return p, &p.terms, nil
}

type pass struct {
	door  *Door
	terms wire.Terms
	next  int
	again int
}

func (p *pass) Next(_ context.Context, failed error) (wire.Upstream, error) {
	if failed != nil {
		p.door.Causes <- failed
	}
	if len(p.door.To) == 0 {
		return nil, Problem(http.StatusServiceUnavailable, "there is none")
	}
	u := p.door.To[min(p.next, len(p.door.To)-1)]
	p.next++
	return u, nil
}

func (p *pass) Again(_ context.Context, status int, err error) bool {
	if err == nil {
		err = errors.New(http.StatusText(status))
	}
	p.door.Causes <- err
	p.again--
	return p.again >= 0
}

func (p *pass) Broke(err error) *wire.Problem {
	p.door.Causes <- err
	if errors.Is(err, wire.ErrTimeout) {
		return Problem(http.StatusGatewayTimeout, err.Error())
	}
	return Problem(http.StatusBadGateway, err.Error())
}

func (p *pass) Done(o *wire.Outcome) {
	if o != nil {
		p.door.Done <- *o
	}
}

// Problem is one of the status, by its usual title.
func Problem(status int, detail string) *wire.Problem {
	return &wire.Problem{Status: status, Title: http.StatusText(status), Detail: detail}
}
