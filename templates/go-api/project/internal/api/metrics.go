package api

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// buckets are those of Prometheus' own clients, in seconds.
var buckets = [...]float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

type endpoint struct{ method, route string }

type outcome struct {
	endpoint
	status int
}

type histogram struct {
	counts [len(buckets)]uint64 // of requests that took at most as long
	count  uint64
	sum    float64
}

type metrics struct {
	mu        sync.Mutex
	inFlight  int
	requests  map[outcome]uint64
	durations map[endpoint]*histogram
}

func newMetrics() *metrics {
	return &metrics{requests: map[outcome]uint64{}, durations: map[endpoint]*histogram{}}
}

func (m *metrics) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inFlight++
}

func (m *metrics) end(e endpoint, status int, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inFlight--
	m.requests[outcome{e, status}]++
	h := m.durations[e]
	if h == nil {
		h = &histogram{}
		m.durations[e] = h
	}
	h.count++
	h.sum += took.Seconds()
	for i, most := range buckets {
		if took.Seconds() <= most {
			h.counts[i]++
		}
	}
}

func (m *metrics) serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(m.text()))
}

func (m *metrics) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	b.WriteString("# TYPE http_requests_total counter\n")
	for _, o := range slices.SortedFunc(maps.Keys(m.requests), func(x, y outcome) int {
		return cmp.Or(compare(x.endpoint, y.endpoint), cmp.Compare(x.status, y.status))
	}) {
		fmt.Fprintf(&b, "http_requests_total{method=%q,route=%q,status=\"%d\"} %d\n", o.method, o.route, o.status, m.requests[o])
	}
	b.WriteString("# TYPE http_request_duration_seconds histogram\n")
	for _, e := range slices.SortedFunc(maps.Keys(m.durations), compare) {
		h, labels := m.durations[e], fmt.Sprintf("method=%q,route=%q", e.method, e.route)
		for i, most := range buckets {
			fmt.Fprintf(&b, "http_request_duration_seconds_bucket{%s,le=\"%g\"} %d\n", labels, most, h.counts[i])
		}
		fmt.Fprintf(&b, "http_request_duration_seconds_bucket{%s,le=\"+Inf\"} %d\n", labels, h.count)
		fmt.Fprintf(&b, "http_request_duration_seconds_sum{%s} %g\n", labels, h.sum)
		fmt.Fprintf(&b, "http_request_duration_seconds_count{%s} %d\n", labels, h.count)
	}
	fmt.Fprintf(&b, "# TYPE http_requests_in_flight gauge\nhttp_requests_in_flight %d\n", m.inFlight)
	return b.String()
}

func compare(x, y endpoint) int {
	return cmp.Or(cmp.Compare(x.route, y.route), cmp.Compare(x.method, y.method))
}
