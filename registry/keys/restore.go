package keys

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The kinds of what is in the journal, with what comes after.
const (
	entryKey   = "key/"
	sessionKey = "session/"
)

// Lasting is the kind of what is kept when everybody who holds a session is gone:
// the entries.
const Lasting = entryKey

// restore takes over what the journal has.
func (s *Store) restore() error {
	var bad []error
	err := s.journal.Each(func(key string, value json.RawMessage) error {
		var err error
		switch {
		case strings.HasPrefix(key, entryKey):
			var e Entry
			if err = json.Unmarshal(value, &e); err == nil {
				s.entries = append(s.entries, &e)
				s.size += len(e.Key) + len(e.Value)
			}
		case strings.HasPrefix(key, sessionKey):
			var one Session
			if err = json.Unmarshal(value, &one); err == nil {
				s.start(one)
			}
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", key, err))
		}
		return nil
	})
	slices.SortFunc(s.entries, func(a, b *Entry) int { return cmp.Compare(a.Key, b.Key) })
	for _, e := range s.entries {
		if s.sessions[e.Session] == nil {
			e.Session = "" // it could not be read
		}
	}
	return errors.Join(append(bad, err)...)
}
