package keys

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/msctl/msctl/registry/journal"
)

// The behaviors of a session that ends.
const (
	Release = "release" // what it holds is held by nobody
	Destroy = "delete"  // what it holds is deleted
)

// overtime is how many TTLs a session lasts without being renewed (Consul's
// structs.SessionTTLMultiplier).
const overtime = 2

// Session is who may hold keys. Its JSON is Consul's (structs.Session).
type Session struct {
	ID            string
	Name          string
	Node          string
	LockDelay     time.Duration // for which nobody gets what it held when it was ended
	Behavior      string
	TTL           string // empty for one that lasts
	NodeChecks    []string
	ServiceChecks []ServiceCheck
	CreateIndex   uint64
	ModifyIndex   uint64
}

// ServiceCheck is a check that a session relies on.
type ServiceCheck struct {
	ID        string
	Namespace string
}

// Checks are the IDs of all that the session relies on.
func (s Session) Checks() []string {
	checks := slices.Clone(s.NodeChecks)
	for _, k := range s.ServiceChecks {
		checks = append(checks, k.ID)
	}
	return checks
}

// session is one with its clock.
type session struct {
	Session
	lapse *time.Timer // nil without a TTL
}

func (s *session) stop() {
	if s.lapse != nil {
		s.lapse.Stop()
	}
}

// Create begins a session, gives it its ID, and returns it.
func (s *Store) Create(one Session) Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.ID = newID()
	one.CreateIndex = s.next()
	one.ModifyIndex = one.CreateIndex
	s.changed = one.CreateIndex
	s.start(one)
	s.waits.Wake(sessionsTopic)
	if s.journal != nil {
		s.journal.Write(journal.Change{Key: sessionKey + one.ID, Value: one})
	}
	return one
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// start has a session run. The caller holds mu.
func (s *Store) start(one Session) {
	k := &session{Session: one}
	s.sessions[one.ID] = k
	if ttl, err := time.ParseDuration(one.TTL); err == nil && ttl > 0 && !s.closed {
		k.lapse = time.AfterFunc(overtime*ttl, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.sessions[one.ID] == k && !s.closed {
				s.end(k)
			}
		})
	}
}

// Renew gives a session its TTL anew. It reports whether there is the session.
func (s *Store) Renew(id string) (Session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.sessions[id]
	if k == nil {
		return Session{}, false
	}
	if ttl, err := time.ParseDuration(k.TTL); err == nil && k.lapse != nil {
		k.lapse.Reset(overtime * ttl)
	}
	return k.Session, true
}

// Destroy ends a session, if there is one of that ID.
func (s *Store) Destroy(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.sessions[id]; k != nil {
		s.end(k)
	}
}

// CheckFailed ends the sessions that rely on a check.
func (s *Store) CheckFailed(node, check string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.sessions {
		if k.Node == node && slices.Contains(k.Checks(), check) {
			s.end(k)
		}
	}
}

// end ends a session: what it holds is let go, or deleted. The caller holds mu.
func (s *Store) end(k *session) {
	k.stop()
	delete(s.sessions, k.ID)
	t := s.begin()
	s.changed = t.index
	now := time.Now()
	maps.DeleteFunc(s.delays, func(_ string, until time.Time) bool { return until.Before(now) })
	for _, e := range slices.Clone(s.entries) {
		if e.Session != k.ID {
			continue
		}
		if k.LockDelay > 0 {
			s.delays[e.Key] = now.Add(k.LockDelay)
		}
		if k.Behavior == Destroy {
			t.put(e.Key, nil)
			continue
		}
		t.write(Entry{Key: e.Key, Value: e.Value, Flags: e.Flags, LockIndex: e.LockIndex}, e)
	}
	t.commit(journal.Change{Key: sessionKey + k.ID})
	s.waits.Wake(sessionsTopic)
}

// Session returns a session, and the index of them all.
func (s *Store) Session(id string) (one Session, ok bool, index uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.sessions[id]
	if k == nil {
		return Session{}, false, s.changed
	}
	return k.Session, true, s.changed
}

// Sessions returns all sessions, by ID, and their index.
func (s *Store) Sessions() ([]Session, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Session, 0, len(s.sessions))
	for _, k := range s.sessions {
		all = append(all, k.Session)
	}
	slices.SortFunc(all, func(a, b Session) int { return cmp.Compare(a.ID, b.ID) })
	return all, s.changed
}

// AwaitSessions blocks until the index of the sessions is above after. Its only
// error is ctx's.
func (s *Store) AwaitSessions(ctx context.Context, after uint64) error {
	return s.waits.Await(ctx, sessionsTopic, func() bool { return s.changed > after })
}
