package control

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/msctl/msctl/registry"
)

// Traffic is what the gateway has seen of its requests.
type Traffic interface {
	// Requests blocks until there are requests after that number, of which
	// those that are still there come in the order of their numbers. When ctx
	// is done it still returns what there is, and the error of ctx when there
	// is nothing.
	Requests(ctx context.Context, after uint64) (RequestBatch, error)
	Graph() Graph
	// WriteMetrics writes them in Prometheus' text format.
	WriteMetrics(w io.Writer) error
}

// Request is a request of the gateway that is over. Durations are in
// milliseconds in JSON.
type Request struct {
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

// RequestBatch is some requests that follow each other.
type RequestBatch struct {
	Requests []Request `json:"requests"`
	Next     uint64    `json:"next"`              // the number to go on after
	Dropped  uint64    `json:"dropped,omitempty"` // so many were gone before they could be read
}

// RequestQuery says which requests a client wants: those that all of it holds
// for.
type RequestQuery struct {
	Follow  bool              `json:"follow,omitempty"`
	Tail    int               `json:"tail,omitempty"` // the last so many of those that are over; 0 all, less none
	Status  Statuses          `json:"status,omitzero"`
	Slow    registry.Duration `json:"slow_ms,omitempty"` // that took so long or longer
	Service string            `json:"service,omitempty"` // that was called
	Caller  string            `json:"caller,omitempty"`
	Route   string            `json:"route,omitempty"` // pattern
	Method  string            `json:"method,omitempty"`
}

func (q *RequestQuery) wants(r *Request) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	return q.Status.include(r.Status) && r.Total >= q.Slow && is(q.Service, r.Service) && is(q.Caller, r.Caller) &&
		is(q.Route, r.Route) && (q.Method == "" || strings.EqualFold(q.Method, r.Method))
}

// Statuses are the statuses from First to Last; the zero value is all of them.
// As a text they are one (404), a class (5xx) or a range (400-499).
type Statuses struct{ First, Last int }

func (s Statuses) include(status int) bool {
	return s == Statuses{} || s.First <= status && status <= s.Last
}

// MarshalText implements encoding.TextMarshaler.
func (s Statuses) MarshalText() ([]byte, error) {
	if s == (Statuses{}) {
		return nil, nil
	}
	return fmt.Appendf(nil, "%d-%d", s.First, s.Last), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Statuses) UnmarshalText(b []byte) error {
	text := strings.ToLower(string(b))
	if text == "" {
		*s = Statuses{}
		return nil
	}
	first, last, ranged := strings.Cut(text, "-")
	if class, ok := strings.CutSuffix(text, "xx"); ok {
		first, last, ranged = class+"00", class+"99", true
	}
	if !ranged {
		last = first
	}
	from, err := status(first)
	to, err2 := status(last)
	if err != nil || err2 != nil || from > to {
		return fmt.Errorf("want a status such as 404, 5xx or 400-499, got %q", b)
	}
	*s = Statuses{from, to}
	return nil
}

func status(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err == nil && (len(text) != 3 || n < 100) {
		err = strconv.ErrRange
	}
	return n, err
}

// Graph is who called whom.
type Graph struct {
	Since  time.Time         `json:"since"`     // when counting began
	Window registry.Duration `json:"window_ms"` // what the rates are over: the minute before now, or less
	Nodes  []string          `json:"nodes"`     // services, sorted; "" first: whoever is outside
	Edges  []Edge            `json:"edges"`     // by caller and service
}

// Edge is what one calls of another: of those that could, too, without
// requests.
type Edge struct {
	Caller   string            `json:"caller"` // "" outside
	Service  string            `json:"service"`
	Requests uint64            `json:"requests"` // that are over
	Errors   uint64            `json:"errors"`   // of them
	InFlight int64             `json:"in_flight"`
	Rate     float64           `json:"rate"` // requests a second, over the window
	P50      registry.Duration `json:"p50_ms"`
	P99      registry.Duration `json:"p99_ms"`
}

// followPause is how long a stream collects requests after it has sent some: a
// gateway under load is not to wake it for each.
const followPause = 50 * time.Millisecond

// requests streams batches: first one of those that are over, though it may be
// empty, then what comes.
func (s *Server) requests(w http.ResponseWriter, r *http.Request) {
	var q RequestQuery
	if !decode(w, r, &q) {
		return
	}
	send := streamTo(w)
	ctx, cancel := context.WithCancel(r.Context())
	cancel() // what there is, at once
	batch, err := s.Traffic.Requests(ctx, 0)
	if err != nil {
		batch = RequestBatch{Requests: []Request{}}
	}
	batch.only(&q)
	if q.Tail != 0 {
		batch.Requests = batch.Requests[len(batch.Requests)-min(max(q.Tail, 0), len(batch.Requests)):]
	}
	pause := time.NewTicker(followPause)
	defer pause.Stop()
	for send(batch) == nil && q.Follow {
		for after := batch.Next; ; after = batch.Next {
			select {
			case <-pause.C:
			case <-r.Context().Done():
				return
			}
			if batch, err = s.Traffic.Requests(r.Context(), after); err != nil {
				return // the client or the stack has gone
			}
			if batch.only(&q); len(batch.Requests) > 0 || batch.Dropped > 0 {
				break
			}
		}
	}
}

// only leaves those in b that q asks for.
func (b *RequestBatch) only(q *RequestQuery) {
	wanted := []Request{}
	for i := range b.Requests {
		if q.wants(&b.Requests[i]) {
			wanted = append(wanted, b.Requests[i])
		}
	}
	b.Requests = wanted
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_ = s.Traffic.WriteMetrics(w) // the client has gone
}
