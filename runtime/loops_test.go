package runtime

import (
	"slices"
	"testing"
	"time"
)

// start is how long a service takes from a change to its start.
const start = 300 * time.Millisecond

func TestALoopIsFound(t *testing.T) {
	l, now, reloads := loops{}, time.Now(), 0
	started := now
	for range 50 {
		now = started.Add(50 * time.Millisecond) // it writes soon after it started
		hold, reload, found := l.see([]string{"cache.json"}, now, started)
		if len(found) > 0 {
			if !slices.Equal(found, []string{"cache.json"}) || reload {
				t.Errorf("found %v, reload %v", found, reload)
			}
			if _, reload, found = l.see([]string{"cache.json"}, now, started); reload || len(found) > 0 {
				t.Error("it is found again")
			}
			if _, reload, _ = l.see([]string{"app.py", "cache.json"}, now, started); !reload {
				t.Error("a save beside it is lost")
			}
			return
		}
		if !reload {
			t.Fatal("a change is lost")
		}
		reloads++
		started = now.Add(hold + start)
	}
	t.Errorf("not found after %d reloads", reloads)
}

// Whoever saves again and again, at whatever pace, loses nothing.
func TestSavesAreNoLoop(t *testing.T) {
	for pace := 20 * time.Millisecond; pace < 10*time.Second; pace += 10 * time.Millisecond {
		l := loops{}
		var started, due time.Time
		for now := time.Unix(1000, 0); now.Before(time.Unix(1200, 0)); now = now.Add(pace) {
			if !due.IsZero() && !due.After(now) {
				started, due = due, time.Time{}
			}
			hold, reload, found := l.see([]string{"app.py"}, now, started)
			if !reload || len(found) > 0 {
				t.Fatalf("a save every %v is lost", pace)
			}
			due = now.Add(hold + start)
		}
	}
}

func TestTrailsAreBounded(t *testing.T) {
	l, now := loops{}, time.Now()
	for n := range 3 * maxTrails {
		l.see([]string{string(rune(n + 0x100))}, now, now)
	}
	if len(l) > maxTrails {
		t.Errorf("%d trails", len(l))
	}
}
