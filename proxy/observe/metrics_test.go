package observe

import (
	"strings"
	"testing"
	"time"

	"github.com/msctl/msctl/proxy/wire"
)

func scrape(t *testing.T, r *Recorder) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteMetrics(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMetrics(t *testing.T) {
	r := New()
	front, edge := r.Series(`GET "shop"/orders`, "", "orders"), r.Series("", "web", "orders")
	for _, d := range []time.Duration{200 * time.Microsecond, 3 * time.Millisecond, 20 * time.Second} {
		r.Add(request(front, took(d)))
	}
	r.Add(request(front, status(404), func(e *Entry) { e.Received, e.Sent, e.Attempts = 10, 20, 3 }))
	r.Add(request(edge, status(503)))
	r.Add(request(edge, status(599)))
	r.Add(request(edge, status(0)))
	r.Add(request(edge, status(1000)))
	var held Entry
	held.Begin(edge, &wire.Head{})
	held.Hold()
	got := scrape(t, r)
	for _, want := range []string{
		`msctl_gateway_requests_total{caller="",code="200",route="GET \"shop\"/orders",service="orders"} 3`,
		`msctl_gateway_requests_total{caller="",code="404",route="GET \"shop\"/orders",service="orders"} 1`,
		`msctl_gateway_requests_total{caller="web",code="503",route="",service="orders"} 1`,
		`msctl_gateway_requests_total{caller="web",code="5xx",route="",service="orders"} 1`,
		`msctl_gateway_requests_total{caller="web",code="0",route="",service="orders"} 2`,
		`msctl_gateway_request_errors_total{caller="web",route="",service="orders"} 3`,
		`msctl_gateway_request_duration_seconds_bucket{caller="",route="GET \"shop\"/orders",service="orders",le="0.0005"} 1`,
		`msctl_gateway_request_duration_seconds_bucket{caller="",route="GET \"shop\"/orders",service="orders",le="0.001"} 2`,
		`msctl_gateway_request_duration_seconds_bucket{caller="",route="GET \"shop\"/orders",service="orders",le="10"} 3`,
		`msctl_gateway_request_duration_seconds_bucket{caller="",route="GET \"shop\"/orders",service="orders",le="+Inf"} 4`,
		`msctl_gateway_request_duration_seconds_sum{caller="",route="GET \"shop\"/orders",service="orders"} 20.0042`,
		`msctl_gateway_request_bytes_total{caller="",route="GET \"shop\"/orders",service="orders"} 10`,
		`msctl_gateway_response_bytes_total{caller="",route="GET \"shop\"/orders",service="orders"} 20`,
		`msctl_gateway_retries_total{caller="",route="GET \"shop\"/orders",service="orders"} 2`,
		`msctl_gateway_requests_in_flight{caller="web",route="",service="orders"} 1`,
		`msctl_gateway_requests_held{caller="web",route="",service="orders"} 1`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
	if want := "\n# TYPE msctl_gateway_requests_total counter\n"; !strings.Contains(got, want) {
		t.Errorf("missing: %s", want)
	}
	held.Release()
	if !strings.Contains(scrape(t, r), `msctl_gateway_requests_held{caller="web",route="",service="orders"} 0`) {
		t.Error("Release does not end Hold")
	}
}

func TestEveryStatusHasItsCode(t *testing.T) {
	if n := len(Series{}.codes); len(codes.names) > n {
		t.Fatalf("%d codes do not fit into %d counters", len(codes.names), n)
	}
	for status, want := range map[int]string{0: "0", -1: "0", 99: "0", 100: "100", 200: "200", 299: "2xx", 418: "418", 499: "4xx", 599: "5xx", 600: "0"} {
		if got := codes.names[codes.of(status)]; got != want {
			t.Errorf("%d counts as %s, want %s", status, got, want)
		}
	}
}

func TestQuantile(t *testing.T) {
	of := func(took ...time.Duration) (h histogram) {
		for _, d := range took {
			h[bucket(d)]++
		}
		return h
	}
	ms := time.Millisecond
	for _, c := range []struct {
		name string
		h    histogram
		q    float64
		want time.Duration
	}{
		{"of none", of(), 0.99, 0},
		{"in the first bucket", of(ms/4, ms/4), 0.5, ms / 4},
		{"at a bound", of(5*ms, 5*ms, 5*ms, 5*ms), 1, 5 * ms},
		{"straight within a bucket", of(60*ms, 60*ms, 60*ms, 60*ms), 0.5, 75 * ms},
		{"over the gaps", of(ms, 2*time.Second), 0.5, ms},
		{"beyond the last bound", of(time.Minute), 0.99, 10 * time.Second},
	} {
		if got := c.h.quantile(c.q); got.Round(time.Microsecond) != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
