package runtime

import (
	"slices"
	"testing"
	"time"
)

// saved is a service as its saver and the loops see it: what was started last,
// and when it is there for all to see.
type saved struct {
	last   lastStart
	served time.Time
}

const (
	toStart = 50 * time.Millisecond  // from a change to a start
	toReady = 300 * time.Millisecond // from the start until it is ready
)

// reloads takes a change at now that is reloaded after hold.
func (s *saved) reloads(now time.Time, hold time.Duration) {
	s.last = lastStart{n: s.last.n + 1, at: now.Add(hold + toStart)}
	s.served = s.last.at.Add(toReady)
	if hold > 0 {
		s.served = s.served.Add(loopUnseen)
	}
}

// at is the last start as it is seen at now, before the one that is due then.
func (s *saved) at(now time.Time) lastStart {
	last := s.last
	last.unseen = now.Before(s.served)
	return last
}

// A service that writes while it starts, early or late.
func TestALoopIsFound(t *testing.T) {
	for _, after := range []time.Duration{0, 50 * time.Millisecond, toReady - time.Millisecond} {
		l, s := loops{}, &saved{}
		s.reloads(time.Now(), 0)
		found := false
		for n := 0; !found; n++ {
			now := s.last.at.Add(after)
			hold, reload, own := l.see([]string{"cache.json"}, now, s.at(now))
			switch {
			case len(own) > 0:
				found = true
				if !slices.Equal(own, []string{"cache.json"}) || reload {
					t.Errorf("found %v, reload %v", own, reload)
				}
				if _, reload, own = l.see([]string{"cache.json"}, now, s.at(now)); reload || len(own) > 0 {
					t.Error("it is found again")
				}
				if _, reload, _ = l.see([]string{"app.py", "cache.json"}, now, s.at(now)); !reload {
					t.Error("a save beside it is lost")
				}
			case !reload:
				t.Fatal("a change is lost")
			case n > 20:
				t.Fatalf("not found, %v after the start", after)
			}
			s.reloads(now, hold)
		}
	}
}

// Whoever saves again and again, at whatever pace, loses nothing.
func TestSavesAreNoLoop(t *testing.T) {
	for pace := 20 * time.Millisecond; pace < 10*time.Second; pace += 10 * time.Millisecond {
		l, s := loops{}, &saved{}
		var due *saved
		for now := time.Unix(1000, 0); now.Before(time.Unix(1200, 0)); now = now.Add(pace) {
			if due != nil && !due.last.at.After(now) {
				s = due
			}
			hold, reload, found := l.see([]string{"app.py"}, now, s.at(now))
			if !reload || len(found) > 0 {
				t.Fatalf("a save every %v is lost", pace)
			}
			next := *s
			next.reloads(now, hold)
			due = &next
		}
	}
}

// Who saves as soon as the last save is served loses nothing either.
func TestAnEagerSaverIsNoLoop(t *testing.T) {
	for eager := time.Duration(0); eager < 3*time.Second; eager += 10 * time.Millisecond {
		l, s := loops{}, &saved{}
		s.reloads(time.Now(), 0)
		for range 50 {
			now := s.served.Add(eager)
			hold, reload, found := l.see([]string{"app.py"}, now, s.at(now))
			if !reload || len(found) > 0 {
				t.Fatalf("a save %v after the last is served is lost", eager)
			}
			s.reloads(now, hold)
		}
	}
}

func TestTrailsAreBounded(t *testing.T) {
	l, now := loops{}, time.Now()
	for n := range 3 * maxTrails {
		l.see([]string{string(rune(n + 0x100))}, now, lastStart{at: now})
	}
	if len(l) > maxTrails {
		t.Errorf("%d trails", len(l))
	}
}
