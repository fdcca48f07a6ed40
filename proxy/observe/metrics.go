package observe

import (
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// WriteMetrics writes the metrics in Prometheus' text format, version 0.0.4.
func (r *Recorder) WriteMetrics(w io.Writer) error {
	reg := prometheus.NewPedanticRegistry()
	if err := reg.Register(collector{r}); err != nil {
		return err
	}
	families, err := reg.Gather()
	if err != nil {
		return err
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return err
		}
	}
	return nil
}

// collector reads the series when it is scraped.
type collector struct{ r *Recorder }

var (
	labels = []string{"route", "caller", "service"}

	requestsDesc = desc("requests_total", "Requests that are over, by the status that the client got (0: none).", "code")
	errorsDesc   = desc("request_errors_total", "Requests that ended with a status of 5xx, or were broken off but by their client.")
	durationDesc = desc("request_duration_seconds", "How long requests took, from their head to the end of the response.")
	receivedDesc = desc("request_bytes_total", "Bytes of requests' bodies.")
	sentDesc     = desc("response_bytes_total", "Bytes of responses' bodies.")
	retriesDesc  = desc("retries_total", "Attempts after the first.")
	flightDesc   = desc("requests_in_flight", "Requests that have begun and are not over.")
	heldDesc     = desc("requests_held", "Requests that wait for an instance.")
)

func desc(name, help string, more ...string) *prometheus.Desc {
	return prometheus.NewDesc("msctl_gateway_"+name, help, append(labels[:len(labels):len(labels)], more...), nil)
}

// Describe implements prometheus.Collector.
func (collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		requestsDesc, errorsDesc, durationDesc, receivedDesc, sentDesc, retriesDesc, flightDesc, heldDesc,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	for _, s := range c.r.all() {
		values := []string{s.route, s.caller, s.service}
		value := func(d *prometheus.Desc, t prometheus.ValueType, v float64, more ...string) {
			to <- prometheus.MustNewConstMetric(d, t, v, append(values, more...)...)
		}
		for i, name := range codes.names {
			if n := s.codes[i].Load(); n > 0 {
				value(requestsDesc, prometheus.CounterValue, float64(n), name)
			}
		}
		value(errorsDesc, prometheus.CounterValue, float64(s.errors.Load()))
		value(receivedDesc, prometheus.CounterValue, float64(s.bytesIn.Load()))
		value(sentDesc, prometheus.CounterValue, float64(s.bytesOut.Load()))
		value(retriesDesc, prometheus.CounterValue, float64(s.retries.Load()))
		value(flightDesc, prometheus.GaugeValue, float64(s.inFlight.Load()))
		value(heldDesc, prometheus.GaugeValue, float64(s.held.Load()))

		h := s.histogram()
		buckets, n := make(map[float64]uint64, len(bounds)), uint64(0)
		for i, b := range bounds {
			n += h[i]
			buckets[b] = n
		}
		sum := time.Duration(s.time.Load()).Seconds() //nolint:gosec // 292 years
		to <- prometheus.MustNewConstHistogram(durationDesc, h.count(), sum, buckets, values...)
	}
}
