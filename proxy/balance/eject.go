package balance

import "time"

// maxEjection is the longest that a host is left out, unless Ejection.Time is
// longer (Envoy's outlier_detection.max_ejection_time).
const maxEjection = 300 * time.Second

// Ejection says when a host is left out, as Envoy's
// outlier_detection.consecutive_5xx does.
type Ejection struct {
	Errors int           // in a row; 0 never
	Time   time.Duration // n times as long for the nth ejection in a row
}

// Report tells how a request to a host of b ended, and whether that ejected the
// host. An ejection weighs less with each Ejection.Time that the host then does
// well. What an ejected host still answers does not count.
func (b *Balancer) Report(h *Host, ok bool, now time.Time) (ejected bool) {
	e := b.options.Ejection
	switch {
	case e.Errors <= 0 || e.Time <= 0 || h.Ejected(now):
		return false
	case ok:
		h.failures = 0
		return false
	}
	if h.failures++; h.failures < e.Errors {
		return false
	}
	h.failures = 0
	h.ejected = max(h.ejected-int64(now.Sub(h.until)/e.Time), 0)
	longest := max(maxEjection, e.Time)
	if time.Duration(h.ejected)*e.Time < longest {
		h.ejected++
	}
	h.until = now.Add(min(time.Duration(h.ejected)*e.Time, longest))
	b.until = later(b.until, h.until)
	return true
}

// Ejected reports whether the host is left out, if there are others enough.
func (h *Host) Ejected(now time.Time) bool { return now.Before(h.until) }
