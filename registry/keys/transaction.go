package keys

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/msctl/msctl/registry/journal"
)

// Verb is what an operation does.
type Verb string

// The verbs, in Consul's words (api.KVOp).
const (
	Set            Verb = "set"
	CAS            Verb = "cas"    // set, if ModifyIndex is Index; 0 is for a key that is not there
	Lock           Verb = "lock"   // set, and have Session hold it
	Unlock         Verb = "unlock" // set, and have nobody hold it
	Get            Verb = "get"
	GetOrEmpty     Verb = "get-or-empty"
	GetTree        Verb = "get-tree"
	CheckIndex     Verb = "check-index"
	CheckSession   Verb = "check-session"
	CheckNotExists Verb = "check-not-exists"
	Delete         Verb = "delete"
	DeleteTree     Verb = "delete-tree"
	DeleteCAS      Verb = "delete-cas"
)

// Reads reports whether the verb changes nothing.
func (v Verb) Reads() bool {
	switch v {
	case Get, GetOrEmpty, GetTree, CheckIndex, CheckSession, CheckNotExists:
		return true
	case Set, CAS, Lock, Unlock, Delete, DeleteTree, DeleteCAS:
	}
	return false
}

// Op is one operation of a transaction.
type Op struct {
	Verb    Verb
	Key     string
	Value   []byte
	Flags   uint64
	Index   uint64
	Session string
}

// Refusal is why an operation could not be done: the store is not as it wants.
type Refusal struct {
	Op  int // its place in the transaction
	Err error
}

// ErrSession is that of a lock for a session that there is not.
var ErrSession = errors.New("invalid session")

// ErrFull is that of what the store has no room for.
var ErrFull = fmt.Errorf("the keys and values would have more than %d MiB", maxSize>>20)

// transaction is what one changes, so that it can be taken back.
type transaction struct {
	store  *Store
	index  uint64
	before map[string]*Entry // by key; nil for what was not there
}

// Do does all operations, or, if there are refusals, none. What those read and
// write that have a result is in results, in their order; what was written is
// there without its value.
func (s *Store) Do(ops ...Op) (results []*Entry, refused []Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.begin()
	for n, op := range ops {
		found, err := t.do(op)
		if err != nil {
			refused = append(refused, Refusal{n, err})
			continue
		}
		results = append(results, found...)
	}
	if len(refused) == 0 && s.size > maxSize && t.grows() {
		refused = []Refusal{{0, ErrFull}}
	}
	if len(refused) > 0 {
		t.revert()
		return nil, refused
	}
	t.commit()
	return results, nil
}

func (s *Store) begin() *transaction {
	return &transaction{store: s, index: s.next(), before: map[string]*Entry{}}
}

func (t *transaction) do(op Op) ([]*Entry, error) {
	s := t.store
	old := s.get(op.Key)
	switch op.Verb {
	case Set:
		return t.set(op, old), nil
	case CAS:
		if op.Index == 0 && old != nil || op.Index != 0 && (old == nil || old.ModifyIndex != op.Index) {
			return nil, fmt.Errorf("failed to set key %q, index is stale", op.Key)
		}
		return t.set(op, old), nil
	case Lock:
		return t.lock(op, old)
	case Unlock:
		if old == nil || old.Session != op.Session || op.Session == "" {
			return nil, fmt.Errorf("failed to unlock key %q, lock isn't held, or is held by another session", op.Key)
		}
		return t.write(Entry{Key: op.Key, Value: op.Value, Flags: op.Flags, LockIndex: old.LockIndex}, old), nil
	case Delete:
		t.put(op.Key, nil)
		return nil, nil
	case DeleteTree:
		for _, e := range append([]*Entry{}, s.under(op.Key)...) {
			t.put(e.Key, nil)
		}
		return nil, nil
	case DeleteCAS:
		if old != nil && old.ModifyIndex != op.Index {
			return nil, fmt.Errorf("failed to delete key %q, index is stale", op.Key)
		}
		t.put(op.Key, nil)
		return nil, nil
	case Get, GetOrEmpty, GetTree, CheckIndex, CheckSession, CheckNotExists:
		return t.read(op, old)
	}
	return nil, fmt.Errorf("unknown KV verb %q", op.Verb)
}

func (t *transaction) read(op Op, old *Entry) ([]*Entry, error) {
	switch op.Verb {
	case GetTree:
		return append([]*Entry{}, t.store.under(op.Key)...), nil
	case CheckNotExists:
		if old != nil {
			return nil, fmt.Errorf("key %q exists", op.Key)
		}
		return nil, nil
	case GetOrEmpty:
		if old == nil {
			return []*Entry{{Key: op.Key}}, nil
		}
	case CheckIndex:
		switch {
		case old == nil:
			return nil, fmt.Errorf("failed to check index, key %q doesn't exist", op.Key)
		case old.ModifyIndex != op.Index:
			return nil, fmt.Errorf("current modify index %d does not match %d, of key %q", old.ModifyIndex, op.Index, op.Key)
		}
	case CheckSession:
		switch {
		case old == nil:
			return nil, fmt.Errorf("failed to check session, key %q doesn't exist", op.Key)
		case old.Session != op.Session:
			return nil, fmt.Errorf("failed session check for key %q, current session %q != %q", op.Key, old.Session, op.Session)
		}
	default:
		if old == nil {
			return nil, fmt.Errorf("key %q doesn't exist", op.Key)
		}
	}
	return []*Entry{old}, nil
}

func (t *transaction) lock(op Op, old *Entry) ([]*Entry, error) {
	s := t.store
	switch {
	case op.Session == "":
		return nil, errors.New("missing session")
	case s.sessions[op.Session] == nil:
		return nil, fmt.Errorf("%w %q", ErrSession, op.Session)
	case old != nil && old.Session != "" && old.Session != op.Session:
		return nil, fmt.Errorf("failed to lock key %q, lock is already held", op.Key)
	case time.Now().Before(s.delays[op.Key]):
		return nil, fmt.Errorf("failed to lock key %q due to lock delay", op.Key)
	}
	e := Entry{Key: op.Key, Value: op.Value, Flags: op.Flags, Session: op.Session}
	if old != nil {
		e.LockIndex = old.LockIndex
	}
	if old == nil || old.Session == "" {
		e.LockIndex++
	}
	return t.write(e, old), nil
}

func (t *transaction) set(op Op, old *Entry) []*Entry {
	e := Entry{Key: op.Key, Value: op.Value, Flags: op.Flags}
	if old != nil {
		e.LockIndex, e.Session = old.LockIndex, old.Session
	}
	return t.write(e, old)
}

// write puts e in the place of old, unless that says the same, and returns it
// without its value.
func (t *transaction) write(e Entry, old *Entry) []*Entry {
	e.CreateIndex, e.ModifyIndex = t.index, t.index
	if old != nil {
		e.CreateIndex = old.CreateIndex
		if old.Flags == e.Flags && old.Session == e.Session && old.LockIndex == e.LockIndex && bytes.Equal(old.Value, e.Value) {
			e.ModifyIndex = old.ModifyIndex
		}
	}
	if old == nil || e.ModifyIndex != old.ModifyIndex {
		t.put(e.Key, &e)
	}
	told := e
	told.Value = nil
	return []*Entry{&told}
}

func (t *transaction) put(key string, e *Entry) {
	if _, ok := t.before[key]; !ok {
		t.before[key] = t.store.get(key)
	}
	t.store.put(key, e)
}

func (t *transaction) grows() bool {
	grown := 0
	for key, old := range t.before {
		if e := t.store.get(key); e != nil {
			grown += len(key) + len(e.Value)
		}
		if old != nil {
			grown -= len(key) + len(old.Value)
		}
	}
	return grown > 0
}

func (t *transaction) revert() {
	for key, old := range t.before {
		t.store.put(key, old)
	}
}

// commit makes the changes seen, and writes them down.
func (t *transaction) commit(more ...journal.Change) {
	s := t.store
	for key, old := range t.before {
		e := s.get(key)
		switch e {
		case old: // it came and went
			continue
		case nil:
			s.bury(key, t.index)
			more = append(more, journal.Change{Key: entryKey + key})
		default:
			delete(s.graves, key)
			more = append(more, journal.Change{Key: entryKey + key, Value: e})
		}
		s.wake(key)
	}
	if s.journal != nil && len(more) > 0 {
		s.journal.Write(more...)
	}
}
