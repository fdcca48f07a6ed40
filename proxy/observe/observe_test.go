package observe

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/msctl/msctl/proxy/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// request is one of a series that took a millisecond.
func request(s *Series, change ...func(*Entry)) *Entry {
	return requested(s, wire.Head{Method: "GET", Host: "shop.localhost:8080", Path: "/orders", Proto: "HTTP/1.1", Client: netip.MustParseAddr("127.0.0.1")}, change...)
}

func requested(s *Series, h wire.Head, change ...func(*Entry)) *Entry {
	e := &Entry{Instance: "of the one before"}
	e.Begin(s, &h)
	e.Outcome = wire.Outcome{Began: time.Now().Add(-time.Millisecond), Status: 200, Total: time.Millisecond}
	e.Instance, e.Attempts = "orders-1", 1
	for _, c := range change {
		c(e)
	}
	return e
}

func status(code int) func(*Entry) { return func(e *Entry) { e.Status = code } }

func took(d time.Duration) func(*Entry) { return func(e *Entry) { e.Total = d } }

func failed(err error) func(*Entry) { return func(e *Entry) { e.Status, e.Err = 0, err } }

func TestASeriesIsMadeOnce(t *testing.T) {
	r := New()
	s := r.Series("/orders", "", "orders")
	if r.Series("/orders", "", "orders") != s || r.Series("/orders", "web", "orders") == s {
		t.Error("a series is that of its texts")
	}
	if r.Series("\xff", "", "x") != r.Series("\uFFFD", "", "x") {
		t.Error("a text that is no UTF-8 would be refused by the metrics")
	}
}

func TestSeriesAreBounded(t *testing.T) {
	r := New()
	var last *Series
	for i := range maxSeries + 10 {
		last = r.Series(string(rune('A'+i)), "", "x")
	}
	if n := len(r.all()); n != maxSeries+1 || last != r.Series("another", "", "y") {
		t.Errorf("%d series", n)
	}
}

func TestWhatFailed(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Entry)
		want   bool
	}{
		{"200", status(200), false},
		{"404", status(404), false},
		{"500", status(500), true},
		{"504", status(504), true},
		{"broken off", failed(errors.New("connection reset by peer")), true},
		{"left by its client", failed(wire.ErrClientGone), false},
	} {
		r := New()
		s := r.Series("/", "", "web")
		r.Add(request(s, c.change))
		if got := s.errors.Load() == 1; got != c.want {
			t.Errorf("%s: failed is %t, want %t", c.name, got, c.want)
		}
	}
}
