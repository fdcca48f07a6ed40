// Package logs keeps what the instances of a stack write, on disk, and hands
// it out again.
//
// # The files are the store
//
// A reader that follows closely reads from the system's page cache, which costs
// as little as a copy of our own would, and one that is slow finds everything
// where a fast one did. So there is one path, a service is never slowed down by
// who reads, and memory does not grow with what is written. Only a new segment
// is kept in memory at first, as a draft of at most 64 KiB; every quarter of a
// second, what is new of it goes to one file for all services, the pack. After
// five to ten seconds it gets files of its own, if its service has a writer
// then: a stack that ends soon after it started has created one file, and a
// service that says nothing costs nothing. Drafts also stand in for a disk while
// it fails; of those, only the newest is saved when it works again.
//
// Each service has one log, cut into segments:
//
//	catalog.log      the bytes as they came, nothing added: cat and tail -F work
//	catalog.log.7    an older segment; the oldest are deleted
//	catalog.idx.7    the index of segment 7
//	catalog.idx.8    the index of catalog.log, which becomes segment 8
//	drafts.pack      the drafts of all services
//
// A chunk is what one read of an instance's output brought: complete lines,
// written with one system call. Complete lines of the instances of a service
// interleave, never parts of them, with two exceptions that are marked: a line
// that stays unfinished for a while (a prompt), and one longer than MaxLine.
//
// # The index
//
// An index is a row of blocks of 32 bytes, little endian, each beginning with
// the CRC-32C of the other 28:
//
//	header  crc u32 · 'H' · version 1 · 0 u16 · base offset u64 · base line u64 · "msctlidx"
//	name    crc u32 · 'N' · length u8 · more u8 · 0 · 24 bytes of an instance's name
//	chunk   crc u32 · 'C' · flags u8 · 0 u16 · name u32 · offset u32 · length u32 · lines u32 · time i64
//
// The header is the first block; its base says how many bytes and lines the
// log had before this segment. A name longer than 24 bytes goes on in the next
// block. A chunk's name is the number of the block where its instance's name
// begins, 0 when it is not known; offset is where it is in the segment; lines
// counts the lines that begin in the segment up to and including the chunk;
// time is in nanoseconds since 1970 and never goes back. Offsets, lines and times
// ascend, so all of them are found by binary search, in any size of log.
//
// The data is written before its record, without fsync. What a kill leaves is
// data without a record or half a record: the index is then rebuilt, and data
// that no record covers is handed out as a chunk of an unknown instance.
//
// # The pack
//
// The pack is a row of entries, little endian, each appended with one write and
// beginning with the CRC-32C of the rest of it:
//
//	head    crc u32 · 'D' · version 1 · length of name u16 · segment u32
//	        data before u32 · index before u32 · length of data u32 · length of index u32
//	then    the service's name · blocks of the index · data
//
// An entry goes on where the ones before it ended, as its head says; one that
// has nothing before it begins the draft. One with neither data nor index says
// that the service's drafts up to that segment are not needed any more.
//
// What a kill leaves is a torn entry at the end, which is ignored and then
// overwritten. A draft is ignored when its segment or a newer one has files,
// unless those have less of it: then the kill came while they were made.
package logs

import (
	"slices"
	"strings"
	"time"
)

// MaxLine is the longest line that is kept whole. A longer one is passed on in
// pieces, verbatim.
const MaxLine = 1 << 20

// DefaultSegmentSize and DefaultSegments bound a service's log to 256 MiB:
// about two million lines, and a reader may be that far behind. The whole of
// it can be searched in a second.
const (
	DefaultSegmentSize = 64 << 20
	DefaultSegments    = 4
)

// Chunk is a piece of an instance's output: complete lines, each with its
// newline, unless Partial or Continued say otherwise.
type Chunk struct {
	Time     time.Time `json:"time"` // when it was read from the instance
	Service  string    `json:"service"`
	Instance string    `json:"instance,omitempty"` // "" when a crash left it unknown
	Data     []byte    `json:"data"`

	Partial   bool `json:"partial,omitempty"`   // the last line has no newline yet
	Continued bool `json:"continued,omitempty"` // the first line goes on from the instance's chunk before
}

// Batch is what Next returns.
type Batch struct {
	Chunks  []Chunk `json:"chunks"`
	Dropped []Drop  `json:"dropped,omitempty"` // what was deleted before it could be read
	Cursor  Cursor  `json:"cursor"`            // where to go on

	buffers []*[]byte
}

// Drop counts what a reader missed.
type Drop struct {
	Service string `json:"service"`
	Lines   int64  `json:"lines"`
	Bytes   int64  `json:"bytes"`
}

// Release gives the memory of the chunks back for the next batch. Calling it
// is optional; after it the data of the chunks must not be used.
func (b *Batch) Release() {
	for _, p := range b.buffers {
		buffers.Put(p)
	}
	b.Chunks, b.buffers = nil, nil
}

// Cursor is a place in the logs of the services it selects, and survives
// JSON. The zero Cursor is the beginning of all.
type Cursor struct {
	Services []string   `json:"services,omitempty"` // none selects all, those to come included
	Until    time.Time  `json:"until,omitzero"`     // later chunks are not read
	At       []Position `json:"at,omitempty"`       // sorted by service; without one a service begins at its beginning
}

// Position is a place in a service's log.
type Position struct {
	Service string `json:"service"`
	Offset  int64  `json:"offset"` // bytes since the log began, deleted ones included
	Line    int64  `json:"line"`   // lines that began before it

	block int // in the index, a guess; 0 is none
}

func (c Cursor) selects(service string) bool {
	return len(c.Services) == 0 || slices.Contains(c.Services, service)
}

// position returns where the cursor is in a service's log.
func (c Cursor) position(service string) (Position, bool) {
	i, ok := slices.BinarySearchFunc(c.At, service, func(p Position, s string) int { return strings.Compare(p.Service, s) })
	if !ok {
		return Position{Service: service}, false
	}
	return c.At[i], true
}

// with returns the cursor with other positions for those services in moved.
func (c Cursor) with(moved []Position) Cursor {
	at := make([]Position, 0, max(len(c.At), len(moved)))
	for _, p := range c.At {
		if !slices.ContainsFunc(moved, func(m Position) bool { return m.Service == p.Service }) {
			at = append(at, p)
		}
	}
	at = append(at, moved...)
	slices.SortFunc(at, func(a, b Position) int { return strings.Compare(a.Service, b.Service) })
	c.At = at
	return c
}
