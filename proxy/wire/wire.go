// Package wire is the seam between the gateway, which decides where a request
// goes, and the engines that carry it, which know how requests are written on
// a connection. The gateway implements Door and Pass; an engine accepts
// connections, reads the head of each request, shows it at the Door, and
// carries the request to the upstream that the Pass names.
package wire

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"time"
)

// Head is what routing and policies may look at of a request. Its texts may be
// views of a buffer: whoever keeps one for longer than Enter clones it.
type Head struct {
	Method string
	Host   string // as received, with the port
	Path   string // as received: encoded, without the query
	Query  string // as received, without its question mark
	Header Header
	Client netip.Addr // of the connection
	Proto  string     // "HTTP/1.1"
	TLS    bool       // it came encrypted
	Length int64      // of the body, -1 when that is not known before its end
	H2C    bool       // who asks could carry it to a service that speaks HTTP/2 only
}

// Header is a request's fields. Names are in any case.
type Header interface {
	// Get is the first value of the field called name, "" without one.
	Get(name string) string
	// Has reports whether a field called name has this value.
	Has(name, value string) bool
	// Values are those of all fields called name, in their order.
	Values(name string) iter.Seq[string]
}

// Door is where the requests of one listener come in.
type Door interface {
	// Enter says where a request goes, and how it has to change on its way. An
	// Answer is for a request that goes nowhere; otherwise Done must be called
	// on the Pass. The Terms are the Pass's, until it is done. It may change
	// who the client is, and waits for ctx where a policy has to.
	Enter(ctx context.Context, h *Head) (Pass, *Terms, *Answer)
}

// Terms is how a request is to be carried. They stay as they are until Done,
// but for Late, which depends on what Next returned last.
type Terms struct {
	Path    string        // to ask the service for, encoded
	Query   string        // without its question mark
	Prefix  string        // taken off the path; "" none
	Timeout time.Duration // until the response is complete, upgrades excepted; 0 none
	// TryTimeout is how long one attempt may take until the response's head is
	// there; 0 without end. The error of Again and Broke is ErrTimeout then.
	TryTimeout time.Duration
	MaxBody    int64 // bytes of the request's body; 0 no limit
	Outside    bool  // it came through the front door, not from a service of the stack
	Trusted    bool  // what it says of who is behind it is believed, and added to
	H2C        bool  // the service speaks HTTP/2 only: an engine that does not asks another to Enter
	// Traceparent is the request's traceparent field (W3C Trace Context), with
	// the gateway's span as the parent.
	Traceparent [55]byte
	NewTrace    bool   // it begins with the gateway: a tracestate received belongs to none (§3.3)
	Request     *Rules // nil changes nothing
	Response    *Rules // nil changes nothing
	// Late are set in the response, for this request alone, in place of the
	// fields of these names; in the gateway's own answer to it as well.
	Late []Field
	// LateRequest are set in the request in the same way.
	LateRequest []Field
	Compress    []string // codings that the response may have, the best first
}

// Field is a header field.
type Field struct{ Name, Value string }

// Rules change the fields of a message: what Remove names goes, then Add is
// added. Who wants a field set names it in both.
type Rules struct {
	Remove []string
	Add    []Field
}

// Size is at least how many bytes the rules add to a head.
func (r *Rules) Size() (n int) {
	if r != nil {
		for _, f := range r.Add {
			n += len(f.Name) + len(f.Value) + len(": \r\n")
		}
	}
	return n
}

// Answer is what the gateway itself answers.
type Answer struct {
	Status  int
	Header  []Field
	Problem *Problem // the body; nil for none
}

// Upstream is the connections to one address; the engine makes it.
type Upstream interface {
	// Addr is the address, host:port.
	Addr() string
	// Forget closes the idle connections, and others as they become idle. It
	// is called once no request will be sent to the address.
	Forget()
	// End has what is under way at the address end the way its protocol does,
	// and returns at once; cut has it end in whichever way. It follows Forget.
	End(cut bool)
}

// Pass is the way of one request to its service. One method is called at a
// time.
type Pass interface {
	// Next returns where to send the request to. It is called again, with the
	// cause, when connecting to the one before failed, so that nothing was
	// sent, with ErrReplaced when the one before was ended and the request may
	// go elsewhere, or after Again said so. It waits while there is hope for an
	// instance; its error is a *Problem, or ctx's when that ended first.
	Next(ctx context.Context, failed error) (Upstream, error)
	// Again says whether a request that can be repeated, and was answered with
	// status (0: with none, but err), is to be sent once more. It may wait a
	// little. False passes on what there is.
	Again(ctx context.Context, status int, err error) bool
	// Broke makes the answer to a request that failed after it was connected,
	// timed out (err is ErrTimeout then), or was ended (ErrReplaced).
	Broke(err error) *Problem
	// Done ends the pass: the request is no longer in flight. Neither the
	// pass nor its terms may be used after it. A nil Outcome says that the
	// request goes on elsewhere, and has not ended.
	Done(o *Outcome)
}

// Outcome is how a request ended.
type Outcome struct {
	Status    int   // that the client got; 0 none
	Sent      int64 // bytes of the response's body
	Received  int64 // bytes of the request's body
	Began     time.Time
	FirstByte time.Duration // from Began until the response's head was there; 0 never
	Total     time.Duration // from Began
	Proto     string        // that the client speaks
	Err       error         // that ended it early; nil otherwise
}

// ErrTimeout ends a request that took longer than its route allows.
var ErrTimeout = errors.New("the route's timeout has passed")

// ErrReplaced ends a request whose instance is about to be stopped, and has had
// its time to finish.
var ErrReplaced = errors.New("the instance was replaced")

// ErrClientGone ends a request whose client left. No instance is to blame.
var ErrClientGone = errors.New("the client left")
