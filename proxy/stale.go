package proxy

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/registry"
)

// staleField says in a response from outside that the instance which made it
// goes on with code that is not the latest: "build failed 12s ago".
const staleField = "Msctl-Stale"

// maxStale bounds the field's value, in bytes.
const maxStale = 200

// stale is since when, and why, an endpoint's code is not the latest.
type stale struct {
	reason string // one line
	since  time.Time
}

// newStale is s as a header can say it; nil is nil.
func newStale(s *registry.Stale) *stale {
	if s == nil {
		return nil
	}
	line := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s.Reason, ""))
	return &stale{strings.Join(strings.Fields(line), " "), s.Since}
}

// text is what is said at now.
func (s *stale) text(now time.Time) string {
	ago := age(now.Sub(s.since)) + " ago"
	if s.reason == "" {
		return ago
	}
	reason := s.reason
	if room := maxStale - len(" ") - len(ago); len(reason) > room {
		for room > 0 && !utf8.RuneStart(reason[room]) {
			room--
		}
		reason = reason[:room]
	}
	return reason + " " + ago
}

// age is d in its largest unit: 12s, 3m, 49h.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(max(d, 0)/time.Second)) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	}
	return strconv.Itoa(int(d/time.Hour)) + "h"
}

// tell has the response say it when the code at e is not the latest.
func (p *pass) tell(e *endpoint) {
	s := e.stale.Load()
	if s == nil || !p.terms.Outside {
		return
	}
	p.terms.Late = append(p.terms.Late, wire.Field{Name: staleField, Value: s.text(time.Now())})
	p.told = true
}

// untell takes it back: what is answered is not the endpoint's.
func (p *pass) untell() {
	if p.told {
		p.terms.Late = p.terms.Late[:len(p.terms.Late)-1]
		p.told = false
	}
}

// sameStale reports whether a and b say the same in a header.
func sameStale(a, b *registry.Stale) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Reason == b.Reason && a.Since.Equal(b.Since)
}
