package journal

import (
	"encoding/json"
	"sync"
)

// sequenceKey is where the journal has how far the numbers may have come.
const sequenceKey = "sequence"

// reserve is how many numbers a write stands for.
const reserve = 1 << 16

// Sequence counts: each number is above all earlier ones, those of processes that
// were killed included. It is safe for concurrent use.
type Sequence struct {
	journal *Journal

	mu       sync.Mutex
	last     uint64
	reserved uint64
}

// NewSequence returns one whose numbers are above after, and above those of
// earlier ones of the same journal. Without a journal, they are known to nobody.
func NewSequence(j *Journal, after uint64) *Sequence {
	if j == nil {
		return &Sequence{last: after}
	}
	_ = j.Each(func(key string, value json.RawMessage) error { // what cannot be read has been told
		var n uint64
		if key == sequenceKey && json.Unmarshal(value, &n) == nil {
			after = max(after, n)
		}
		return nil
	})
	return &Sequence{journal: j, last: after, reserved: after}
}

// Next returns the next number.
func (s *Sequence) Next() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	if s.journal != nil && s.last > s.reserved {
		s.reserved = s.last + reserve
		s.journal.Write(Change{sequenceKey, s.reserved})
	}
	return s.last
}
