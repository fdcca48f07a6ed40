package watch

import (
	"io/fs"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// A round of looks is followed by a hundred times its length of rest,
	// within these bounds.
	pollLeast = 200 * time.Millisecond
	pollMost  = 2 * time.Second
	pollRest  = 100
)

// polling is of the folders that nobody tells of.
type polling struct {
	folders map[*folder]bool
	round   []*folder     // that are still to be looked at in this round
	took    time.Duration // so far
	next    time.Time     // when the next round begins
	full    bool          // the source has refused a folder in this round
}

// stamp is what tells a content of a file, or a folder, from the next.
type stamp struct {
	id   fileID
	size int64
	time time.Time
	mode fs.FileMode
}

func stampOf(st fs.FileInfo) stamp {
	s := stamp{id: identify(st), mode: st.Mode().Type()}
	if !st.IsDir() {
		s.size, s.time = st.Size(), st.ModTime()
	}
	return s
}

// begin begins a round when it is due.
func (p *polling) begin(now time.Time) {
	if p.next.IsZero() {
		p.next = now.Add(pollLeast)
	}
	if len(p.round) > 0 || now.Before(p.next) {
		return
	}
	for f := range p.folders {
		p.round = append(p.round, f)
	}
	p.took = 0
}

// due returns when the next round begins; zero when there is nothing to poll,
// and during a round.
func (p *polling) due() time.Time {
	if len(p.round) > 0 || len(p.folders) == 0 {
		return time.Time{}
	}
	return p.next
}

// nextLook looks at one folder of the round; false means that there is none.
func (t *tree) nextLook() bool {
	p := &t.polling
	if len(p.round) == 0 {
		return false
	}
	began := time.Now()
	f := pop(&p.round)
	if p.folders[f] {
		t.look(f)
		t.retry(f)
	}
	now := time.Now()
	p.took += now.Sub(began)
	if len(p.round) == 0 {
		p.next = now.Add(rest(p.took))
		p.full = false
	}
	return true
}

// rest is how long is rested after a round.
func rest(took time.Duration) time.Duration {
	return min(max(pollRest*took, pollLeast), pollMost)
}

// look compares what is in a folder with what was. The first look tells
// nothing.
func (t *tree) look(f *folder) {
	now, ok := t.stamps(f)
	if !ok {
		t.lose(f)
		return
	}
	was, wasWhole := f.seen, f.whole
	f.seen, f.whole = now, len(f.nodes) > 0
	if was == nil {
		return
	}
	for name, s := range was {
		n, there := now[name]
		switch {
		case !there:
			t.lookedAway(f, name)
			t.entry(f, name, fsnotify.Rename, false, true)
		case n == s:
		case n.mode != s.mode || n.mode.IsDir():
			t.lookedAway(f, name)
			t.entry(f, name, fsnotify.Rename, false, true)
			t.entry(f, name, fsnotify.Create, false, true)
		default:
			t.entry(f, name, fsnotify.Write, false, true)
		}
	}
	for name := range now {
		if _, known := was[name]; !known && (wasWhole || !f.whole) {
			t.entry(f, name, fsnotify.Create, false, true)
		}
	}
}

// seePin has a name that is pinned from now on be compared with what it is now.
func (t *tree) seePin(f *folder, name string) {
	if !t.polling.folders[f] {
		return
	}
	if f.seen == nil {
		t.look(f)
	} else if st, err := os.Lstat(join(f.path, name)); err == nil && !f.whole {
		if _, known := f.seen[name]; !known {
			f.seen[name] = stampOf(st)
		}
	}
}

// lookedAway lets go of a folder that a look has missed.
func (t *tree) lookedAway(f *folder, name string) {
	if c := t.byPath[join(f.path, name)]; c != nil {
		t.lose(c)
	}
}

// stamps returns what is in a folder, or of it what is pinned; ok is false
// when the folder is not there.
func (t *tree) stamps(f *folder) (map[string]stamp, bool) {
	all := map[string]stamp{}
	if len(f.nodes) == 0 {
		for _, p := range f.pins {
			if st, err := os.Lstat(join(f.path, p.name)); err == nil {
				all[p.name] = stampOf(st)
			}
		}
		st, err := os.Lstat(f.path)
		return all, err == nil && identify(st) == f.id
	}
	entries, err := t.listers[0].list(f.path, wanted{all: true})
	if err != nil {
		return f.seen, !os.IsNotExist(err)
	}
	for _, e := range entries {
		if st, err := os.Lstat(join(f.path, e.name)); err == nil {
			all[e.name] = stampOf(st)
		}
	}
	return all, true
}

// retry asks the source again for a folder that it has refused; after one
// refusal no more in the same round.
func (t *tree) retry(f *folder) {
	p := &t.polling
	if !f.refused || p.full || t.source == nil || t.byPath[f.path] != f {
		return
	}
	if err := t.source.add(f.path); err != nil {
		p.full = true
		return
	}
	f.watched, f.refused = true, false
	t.look(f) // what came before the watch; it is polled no more then
	delete(p.folders, f)
	f.seen = nil
}
