package logs

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

const (
	entryHead    = 28
	entryKind    = 'D'
	entryVersion = 1
)

// entry is a piece of a draft in the pack. One without data or index says that
// the service's drafts up to seq are not needed any more.
type entry struct {
	service     string
	seq         int     // of the segment that the draft is
	from        lengths // of the draft that is in the entries before
	data, index []byte
}

// lengths are those of a draft, or of the beginning of one.
type lengths struct{ data, index int }

func (e entry) ends() bool { return len(e.data) == 0 && len(e.index) == 0 }

// fits reports whether the fields can hold e. Drafts are far smaller, but a
// name may be anything.
func (e entry) fits() bool { return len(e.service) <= math.MaxUint16 && e.seq <= math.MaxUint32 }

// appendEntry appends the bytes of an entry that fits.
func appendEntry(b []byte, e entry) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0, entryKind, entryVersion)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(e.service)))
	for _, n := range []int{e.seq, e.from.data, e.from.index, len(e.data), len(e.index)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	b = append(b, e.service...)
	b = append(b, e.index...)
	b = append(b, e.data...)
	binary.LittleEndian.PutUint32(b[at:], crc32.Checksum(b[at+4:], castagnoli))
	return b
}

// decodeEntry returns the entry that b begins with, which refers to b, and its
// length: 0 when there is none that is whole.
func decodeEntry(b []byte) (entry, int) {
	e, n := decodeFields(b)
	if n == 0 || binary.LittleEndian.Uint32(b) != crc32.Checksum(b[4:n], castagnoli) {
		return entry{}, 0
	}
	return e, n
}

// decodeFields is decodeEntry for any checksum.
func decodeFields(b []byte) (entry, int) {
	if len(b) < entryHead || b[4] != entryKind || b[5] != entryVersion {
		return entry{}, 0
	}
	field := func(i int) int64 { return int64(binary.LittleEndian.Uint32(b[8+4*i:])) }
	name := int64(entryHead)
	index := name + int64(binary.LittleEndian.Uint16(b[6:]))
	data := index + field(4)
	end := data + field(3)
	if field(0) == 0 || end > int64(len(b)) {
		return entry{}, 0
	}
	return entry{
		service: string(b[name:index]),
		seq:     int(field(0)),
		from:    lengths{int(field(1)), int(field(2))},
		index:   b[index:data],
		data:    b[data:end],
	}, int(end)
}
