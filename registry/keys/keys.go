// Package keys is the key/value store of the registry: entries, the sessions that
// lock them, and transactions over both, by the rules of Consul's.
package keys

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/msctl/msctl/registry/journal"
	"github.com/msctl/msctl/registry/waits"
)

// The bounds of a store, in bytes.
const (
	MaxValue = 512 << 10 // of one value (Consul's default)
	maxSize  = 512 << 20 // of all keys and values
)

// maxGraves is of how many deleted keys it is known when they were.
const maxGraves = 1000

// Entry is a key and what it has. Its JSON is Consul's (structs.DirEntry).
type Entry struct {
	LockIndex   uint64 // how often it was locked
	Key         string
	Flags       uint64
	Value       []byte
	Session     string `json:",omitempty"` // that holds it
	CreateIndex uint64
	ModifyIndex uint64
}

// Store holds entries and sessions. What it returns is shared: do not change it.
// It is safe for concurrent use, and no call waits but Await.
type Store struct {
	next    func() uint64
	journal *journal.Journal // nil for none

	mu       sync.Mutex
	waits    *waits.Waits
	entries  []*Entry // by key
	size     int      // bytes of their keys and values
	graves   map[string]uint64
	buried   uint64 // the index of all that is in no grave
	sessions map[string]*session
	changed  uint64               // the index of the sessions' last change
	delays   map[string]time.Time // until when keys cannot be locked
	closed   bool
}

// New returns a store with what j has of an earlier one, nil for nothing. Changes
// are written there; next has their indexes, which grow. Sessions that have a TTL
// have all of it again. Its error is of what in j cannot be read; the rest is
// there.
func New(next func() uint64, j *journal.Journal) (*Store, error) {
	s := &Store{next: next, journal: j, graves: map[string]uint64{}, sessions: map[string]*session{}, delays: map[string]time.Time{}}
	s.waits = waits.New(&s.mu)
	s.buried = next()
	s.changed = s.buried
	if j == nil {
		return s, nil
	}
	return s, s.restore()
}

// Close ends the sessions' clocks. What they hold stays.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, one := range s.sessions {
		one.stop()
	}
}

// Get returns an entry, nil when there is none, and its index.
func (s *Store) Get(key string) (*Entry, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.get(key), s.index(key)
}

// List returns the entries whose keys begin with prefix, by key, and their index.
func (s *Store) List(prefix string) ([]*Entry, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.under(prefix)), s.indexUnder(prefix)
}

// Keys returns the keys that begin with prefix, each up to the first separator
// after it, if there is one, and their index.
func (s *Store) Keys(prefix, separator string) ([]string, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := []string{}
	for _, e := range s.under(prefix) {
		key := e.Key
		if separator != "" {
			if n := strings.Index(key[len(prefix):], separator); n >= 0 {
				key = key[:len(prefix)+n+len(separator)]
			}
		}
		if len(keys) == 0 || keys[len(keys)-1] != key {
			keys = append(keys, key)
		}
	}
	return keys, s.indexUnder(prefix)
}

// AwaitKey blocks until the index of a key is above after. Its only error is ctx's.
func (s *Store) AwaitKey(ctx context.Context, key string, after uint64) error {
	return s.waits.Await(ctx, keyTopic+key, func() bool { return s.index(key) > after })
}

// AwaitUnder blocks until the index of a prefix is above after. Its only error is
// ctx's.
func (s *Store) AwaitUnder(ctx context.Context, prefix string, after uint64) error {
	return s.waits.Await(ctx, prefixTopic+prefix, func() bool { return s.indexUnder(prefix) > after })
}

// The kinds of topics, with what comes after.
const (
	keyTopic      = "="
	prefixTopic   = "<"
	sessionsTopic = "sessions"
)

func (s *Store) find(key string) (int, bool) {
	return slices.BinarySearchFunc(s.entries, key, func(e *Entry, key string) int { return cmp.Compare(e.Key, key) })
}

func (s *Store) get(key string) *Entry {
	if at, ok := s.find(key); ok {
		return s.entries[at]
	}
	return nil
}

func (s *Store) under(prefix string) []*Entry {
	from, _ := s.find(prefix)
	to := from
	for to < len(s.entries) && strings.HasPrefix(s.entries[to].Key, prefix) {
		to++
	}
	return s.entries[from:to:to]
}

// put inserts or replaces an entry, or takes out that of a key, for nil.
func (s *Store) put(key string, e *Entry) {
	at, ok := s.find(key)
	if ok {
		s.size -= len(key) + len(s.entries[at].Value)
	}
	if e != nil {
		s.size += len(key) + len(e.Value)
	}
	switch {
	case ok && e == nil:
		s.entries = slices.Delete(s.entries, at, at+1)
	case ok:
		s.entries[at] = e
	case e != nil:
		s.entries = slices.Insert(s.entries, at, e)
	}
}

func (s *Store) index(key string) uint64 {
	if e := s.get(key); e != nil {
		return e.ModifyIndex
	}
	return max(s.buried, s.graves[key])
}

func (s *Store) indexUnder(prefix string) uint64 {
	index := s.buried
	for _, e := range s.under(prefix) {
		index = max(index, e.ModifyIndex)
	}
	for key, at := range s.graves {
		if strings.HasPrefix(key, prefix) {
			index = max(index, at)
		}
	}
	return index
}

// bury notes when a key was deleted. Of too many, the older half is forgotten:
// what there is not may seem to have changed when the last of them did.
func (s *Store) bury(key string, index uint64) {
	s.graves[key] = index
	if len(s.graves) <= maxGraves {
		return
	}
	all := make([]uint64, 0, len(s.graves))
	for _, at := range s.graves {
		all = append(all, at)
	}
	slices.Sort(all)
	s.buried = max(s.buried, all[len(all)/2])
	for key, at := range s.graves {
		if at <= s.buried {
			delete(s.graves, key)
		}
	}
}

// wake has those look again who wait for a key, or for what begins as it does.
func (s *Store) wake(key string) {
	s.waits.Wake(keyTopic + key)
	for n := range len(key) + 1 {
		s.waits.Wake(prefixTopic + key[:n])
	}
}
