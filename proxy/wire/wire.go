// Package wire is the seam between the gateway, which decides where a request
// goes, and the engines that carry it, which know how requests are written on
// a connection. The gateway implements Door and Pass; an engine accepts
// connections, reads the head of each request, shows it at the Door, and
// carries the request to the address that the Pass names.
package wire

import (
	"context"
	"errors"
	"time"
)

// Head is what routing may look at of a request.
type Head struct {
	Method string
	Host   string // as received, with the port
	Path   string // as received: encoded, without the query
	Header Header
}

// Header is a request's fields; http.Header is one.
type Header interface {
	// Values returns the values of the field called name, in any case.
	Values(name string) []string
}

// Door is where the requests of one listener come in.
type Door interface {
	// Enter says where a request goes, and how it has to change on its way. A
	// Problem is the answer to a request that goes nowhere; otherwise Done must
	// be called on the Pass.
	Enter(h Head) (Pass, Terms, *Problem)
}

// Terms is how a request is to be carried.
type Terms struct {
	Path    string        // to ask the service for, encoded
	Prefix  string        // taken off the path; "" none
	Timeout time.Duration // until the response is complete, upgrades excepted; 0 none
	Outside bool          // it came through the front door, not from a service of the stack
}

// Pass is the way of one request to its service.
type Pass interface {
	// Next returns the address of an instance to send the request to. It is
	// called again, with the cause, only when connecting to the one before
	// failed, so that nothing was sent. It waits while there is hope for an
	// instance; its error is a *Problem, or ctx's when that ended first.
	Next(ctx context.Context, failed error) (addr string, err error)
	// Broke makes the answer to a request that failed after it was connected,
	// or timed out: err is ErrTimeout then.
	Broke(err error) *Problem
	// Done ends the pass: the request is no longer in flight.
	Done()
}

// ErrTimeout ends a request that took longer than its route allows.
var ErrTimeout = errors.New("the route's timeout has passed")
