package observe

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"time"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/registry"
)

// Entry is a request, from its beginning until it is added. It is meant to be
// part of what there is of the request anyway.
type Entry struct {
	wire.Outcome               // how it ended
	Instance     string        // that answered, or was tried last; "" none
	Attempts     int           // at instances
	Wait         time.Duration // until there was an instance to send it to
	Connect      time.Duration // connecting to instances; 0 for a connection that was there
	Trace        [16]byte

	series *Series
	client netip.Addr
	proto  string // kept: one of few
	// What of its head is shown, as far as it fits.
	methodLen, hostLen, pathLen int
	method                      [16]byte
	host                        [80]byte
	path                        [256]byte
}

// Begin makes e a request that begins, and counts it in flight in s until it is
// added. It copies what it needs of h.
func (e *Entry) Begin(s *Series, h *wire.Head) {
	s.inFlight.Add(1)
	// One by one: all of e at once would be made on the stack, and copied.
	e.Outcome, e.Instance, e.Attempts, e.Wait, e.Connect = wire.Outcome{}, "", 0, 0, 0
	e.Trace = [16]byte{}
	e.series, e.client, e.proto = s, h.Client, h.Proto
	e.methodLen = copy(e.method[:], h.Method)
	e.hostLen = copy(e.host[:], h.Host)
	e.pathLen = copy(e.path[:], h.Path)
	if h.Query != "" {
		e.pathLen += copy(e.path[e.pathLen:], "?")
		e.pathLen += copy(e.path[e.pathLen:], h.Query)
	}
}

// failed reports whether the service, or the way to it, is to blame for how it
// ended: by a status of 5xx or none. A client that left is not the service's.
func (e *Entry) failed() bool {
	return e.Status >= 500 || e.Err != nil && !errors.Is(e.Err, wire.ErrClientGone)
}

// Record is a request that is over, as it is read. Durations are in
// milliseconds in JSON.
type Record struct {
	ID        uint64            `json:"id"` // grows by one with each request
	Time      time.Time         `json:"time"`
	Route     string            `json:"route,omitempty"`  // pattern; "" for a call within, and for what no route takes
	Caller    string            `json:"caller,omitempty"` // the service that called; "" from outside
	Service   string            `json:"service,omitempty"`
	Instance  string            `json:"instance,omitempty"`
	Method    string            `json:"method"`
	Host      string            `json:"host"`
	Path      string            `json:"path"` // with the query; its first 256 bytes
	Proto     string            `json:"proto"`
	Client    string            `json:"client"`
	Status    int               `json:"status"` // that the client got; 0 none
	Attempts  int               `json:"attempts"`
	BytesIn   int64             `json:"bytes_in"`
	BytesOut  int64             `json:"bytes_out"`
	Wait      registry.Duration `json:"wait_ms"`
	Connect   registry.Duration `json:"connect_ms"`
	FirstByte registry.Duration `json:"first_byte_ms"`
	Total     registry.Duration `json:"total_ms"`
	TraceID   string            `json:"trace_id,omitempty"`
	Error     string            `json:"error,omitempty"` // "" none
}

// record is e as it is read.
func (e *Entry) record(id uint64) Record {
	r := Record{
		ID: id, Time: e.Began, Route: e.series.route, Caller: e.series.caller, Service: e.series.service, Instance: e.Instance,
		Method: string(e.method[:e.methodLen]), Host: string(e.host[:e.hostLen]), Path: string(e.path[:e.pathLen]),
		Proto: e.proto, Status: e.Status, Attempts: e.Attempts, BytesIn: e.Received, BytesOut: e.Sent,
		Wait: registry.Duration(e.Wait), Connect: registry.Duration(e.Connect),
		FirstByte: registry.Duration(e.FirstByte), Total: registry.Duration(e.Total),
	}
	if e.client.IsValid() {
		r.Client = e.client.String()
	}
	if e.Trace != [16]byte{} {
		r.TraceID = hex.EncodeToString(e.Trace[:])
	}
	if e.Err != nil {
		r.Error = e.Err.Error()
	}
	return r
}
