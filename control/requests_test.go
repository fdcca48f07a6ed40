package control

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/msctl/msctl/registry"
)

// traffic has seen what it is told to have.
type traffic struct {
	mu   sync.Mutex
	seen []Request
	gone uint64        // of them
	more chan struct{} // closed with the next
}

func (o *traffic) saw(requests ...Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range requests {
		r.ID = uint64(len(o.seen) + 1)
		o.seen = append(o.seen, r)
	}
	close(o.more)
	o.more = make(chan struct{})
}

func (o *traffic) Requests(ctx context.Context, after uint64) (RequestBatch, error) {
	for {
		o.mu.Lock()
		b := RequestBatch{Requests: slices.Clone(o.seen[max(after, o.gone):]), Next: uint64(len(o.seen))}
		if after > 0 && after < o.gone {
			b.Dropped = o.gone - after
		}
		more := o.more
		o.mu.Unlock()
		if b.Next > after {
			return b, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return RequestBatch{}, ctx.Err()
		}
	}
}

func (o *traffic) Graph() Graph {
	return Graph{Nodes: []string{"", "web"}, Edges: []Edge{{Service: "web", Requests: 3, P99: registry.Duration(time.Millisecond)}}}
}

func (o *traffic) WriteMetrics(w io.Writer) error {
	_, err := io.WriteString(w, "msctl_gateway_requests_total 3\n")
	return err
}

func TestRequestsAreFiltered(t *testing.T) {
	f := serve(t, t.TempDir())
	f.traffic.saw(
		Request{Route: "/", Service: "web", Instance: "web-1", Method: "GET", Status: 200, Total: registry.Duration(time.Millisecond)},
		Request{Route: "/", Service: "web", Instance: "web-2", Method: "POST", Status: 404, Total: registry.Duration(200 * time.Millisecond)},
		Request{Caller: "web", Service: "orders", Method: "GET", Status: 503, Total: registry.Duration(time.Second)},
		Request{Caller: "web", Service: "orders", Method: "GET", Error: "reset"},
	)
	statuses := func(text string) (s Statuses) {
		if err := s.UnmarshalText([]byte(text)); err != nil {
			t.Error(err)
		}
		return s
	}
	for _, c := range []struct {
		name  string
		query RequestQuery
		want  []uint64
	}{
		{"all", RequestQuery{}, []uint64{1, 2, 3, 4}},
		{"status", RequestQuery{Status: statuses("404")}, []uint64{2}},
		{"class", RequestQuery{Status: statuses("5xx")}, []uint64{3}},
		{"range", RequestQuery{Status: statuses("400-599")}, []uint64{2, 3}},
		{"slow", RequestQuery{Slow: registry.Duration(200 * time.Millisecond)}, []uint64{2, 3}},
		{"service", RequestQuery{Service: "orders"}, []uint64{3, 4}},
		{"caller", RequestQuery{Caller: "web"}, []uint64{3, 4}},
		{"route", RequestQuery{Route: "/"}, []uint64{1, 2}},
		{"method", RequestQuery{Method: "post"}, []uint64{2}},
		{"tail", RequestQuery{Tail: 3}, []uint64{2, 3, 4}},
		{"tail of what is wanted", RequestQuery{Tail: 1, Route: "/"}, []uint64{2}},
		{"tail of none", RequestQuery{Tail: -1}, nil},
		{"long tail", RequestQuery{Tail: 100}, []uint64{1, 2, 3, 4}},
		{"all of it", RequestQuery{Service: "orders", Status: statuses("2xx")}, nil},
	} {
		var got []uint64
		for b, err := range f.client.Requests(t.Context(), c.query) {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			for _, r := range b.Requests {
				got = append(got, r.ID)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestRequestsAreFollowed(t *testing.T) {
	f := serve(t, t.TempDir())
	began := time.Now().Round(0).UTC()
	first := Request{Service: "web", Status: 200, Time: began, FirstByte: registry.Duration(1500 * time.Microsecond)}
	f.traffic.saw(first, Request{Service: "orders"})
	var got []Request
	dropped := uint64(0)
	for b, err := range f.client.Requests(t.Context(), RequestQuery{Follow: true, Service: "web"}) {
		if err != nil {
			t.Fatal(err)
		}
		dropped += b.Dropped
		got = append(got, b.Requests...)
		switch len(got) {
		case 1:
			f.traffic.mu.Lock()
			f.traffic.gone = 3
			f.traffic.mu.Unlock()
			f.traffic.saw(Request{Service: "web"}, Request{Service: "orders"}, Request{Service: "web", Path: "/last"})
		case 2:
			f.stop() // the stack ends, and so does the stream
		}
	}
	first.ID = 1
	want := []Request{first, {ID: 5, Service: "web", Path: "/last"}}
	if diff := cmp.Diff(want, got); diff != "" || dropped != 1 {
		t.Errorf("dropped %d, (-want +got):\n%s", dropped, diff)
	}
}

func TestStatuses(t *testing.T) {
	for _, c := range []struct {
		text string
		want Statuses
	}{
		{"", Statuses{}},
		{"404", Statuses{404, 404}},
		{"5xx", Statuses{500, 599}},
		{"5XX", Statuses{500, 599}},
		{"400-499", Statuses{400, 499}},
	} {
		var got, again Statuses
		if err := got.UnmarshalText([]byte(c.text)); err != nil || got != c.want {
			t.Errorf("%q is %v, %v", c.text, got, err)
		}
		if text, err := got.MarshalText(); err != nil || again.UnmarshalText(text) != nil || again != got {
			t.Errorf("%q: %q, %v", c.text, text, err)
		}
	}
	for _, text := range []string{"x", "40", "4xxx", "xx", "0xx", "-", "400-", "-400", "499-400", "5xx-6xx", "1000", "+404", "404,500"} {
		var s Statuses
		want := fmt.Sprintf("want a status such as 404, 5xx or 400-499, got %q", text)
		if err := s.UnmarshalText([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q is %v, %v", text, s, err)
		}
	}
}

func TestGraphAndMetrics(t *testing.T) {
	f := serve(t, t.TempDir())
	g, err := f.client.Graph(t.Context())
	if diff := cmp.Diff(f.traffic.Graph(), g); err != nil || diff != "" {
		t.Errorf("%v, (-want +got):\n%s", err, diff)
	}
	res, err := f.client.request(t.Context(), http.MethodGet, "/v1/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != "msctl_gateway_requests_total 3\n" || res.Header.Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("%q, %v, %v", body, res.Header, err)
	}
}
