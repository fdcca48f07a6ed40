package logs

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sort"
)

const (
	blockSize    = 32
	nameCap      = 24 // bytes of a name in one block
	indexVersion = 1
	indexMagic   = "msctlidx"
)

// The kinds of block.
const (
	headerBlock = 'H'
	nameBlock   = 'N'
	chunkBlock  = 'C'
)

// The flags of a chunk.
const (
	flagPartial   = 1 << iota // the last line has no newline
	flagContinued             // the first line began in an earlier chunk
)

// errDamaged says that a block of an index is not what was written.
var errDamaged = errors.New("damaged index")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is a chunk block.
type record struct {
	flags  uint8
	name   uint32
	offset uint32
	length uint32
	lines  uint32 // through the end of the chunk
	time   int64
}

func (r record) end() int64 { return int64(r.offset) + int64(r.length) }

// sealed writes the checksum of the block at the end of b.
func sealed(b []byte) []byte {
	blk := b[len(b)-blockSize:]
	binary.LittleEndian.PutUint32(blk, crc32.Checksum(blk[4:], castagnoli))
	return b
}

func appendHeader(b []byte, base mark) []byte {
	b = append(b, 0, 0, 0, 0, headerBlock, indexVersion, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(base.offset))
	b = binary.LittleEndian.AppendUint64(b, uint64(base.line))
	return sealed(append(b, indexMagic...))
}

// appendName writes a name in as many blocks as it takes; a name of more than
// 16 blocks is cut.
func appendName(b []byte, name string) []byte {
	name = name[:min(len(name), 16*nameCap)]
	for {
		part := name[:min(len(name), nameCap)]
		name = name[len(part):]
		more := byte(0)
		if name != "" {
			more = 1
		}
		b = append(b, 0, 0, 0, 0, nameBlock, byte(len(part)), more, 0)
		b = append(b, part...)
		b = append(b, make([]byte, nameCap-len(part))...)
		b = sealed(b)
		if more == 0 {
			return b
		}
	}
}

func appendRecord(b []byte, r record) []byte {
	b = append(b, 0, 0, 0, 0, chunkBlock, r.flags, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, r.name)
	b = binary.LittleEndian.AppendUint32(b, r.offset)
	b = binary.LittleEndian.AppendUint32(b, r.length)
	b = binary.LittleEndian.AppendUint32(b, r.lines)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.time))
	return sealed(b)
}

// blockKind returns the kind of a block, 0 when it is damaged.
func blockKind(b []byte) byte {
	if len(b) < blockSize || binary.LittleEndian.Uint32(b) != crc32.Checksum(b[4:blockSize], castagnoli) {
		return 0
	}
	switch k := b[4]; {
	case k == chunkBlock,
		k == nameBlock && b[5] <= nameCap,
		k == headerBlock && b[5] == indexVersion && string(b[24:32]) == indexMagic:
		return k
	}
	return 0
}

func decodeHeader(b []byte) mark {
	return mark{
		offset: int64(binary.LittleEndian.Uint64(b[8:])),
		line:   int64(binary.LittleEndian.Uint64(b[16:])),
	}
}

func decodeRecord(b []byte) record {
	return record{
		flags:  b[5],
		name:   binary.LittleEndian.Uint32(b[8:]),
		offset: binary.LittleEndian.Uint32(b[12:]),
		length: binary.LittleEndian.Uint32(b[16:]),
		lines:  binary.LittleEndian.Uint32(b[20:]),
		time:   int64(binary.LittleEndian.Uint64(b[24:])),
	}
}

// index reads the blocks of one index through a window, so that reading in
// either direction costs one system call in windowBlocks.
type index struct {
	r      io.ReaderAt
	blocks int // how many there are, the header included
	lo, hi int // the blocks in the window
	window [windowBlocks * blockSize]byte
}

const windowBlocks = 64

func (x *index) reset(r io.ReaderAt, blocks int) {
	x.r, x.blocks, x.lo, x.hi = r, blocks, 0, 0
}

// block returns block i, loading those after it, or with back those before it.
func (x *index) block(i int, back bool) ([]byte, error) {
	if i < x.lo || i >= x.hi {
		lo := i
		if back {
			lo = max(0, i-windowBlocks+1)
		}
		hi := min(lo+windowBlocks, x.blocks)
		x.lo, x.hi = 0, 0
		n, err := x.r.ReadAt(x.window[:(hi-lo)*blockSize], int64(lo)*blockSize)
		if lo+n/blockSize <= i {
			if err == nil || errors.Is(err, io.EOF) {
				err = errDamaged
			}
			return nil, err
		}
		x.lo, x.hi = lo, lo+n/blockSize
	}
	b := x.window[(i-x.lo)*blockSize:]
	return b[:blockSize], nil
}

// chunk returns the first chunk's record at block i or after it, and its
// number, which is x.blocks when there is none.
func (x *index) chunk(i int) (record, int, error) {
	for ; i < x.blocks; i++ {
		b, err := x.block(i, false)
		if err != nil {
			return record{}, i, err
		}
		switch blockKind(b) {
		case chunkBlock:
			return decodeRecord(b), i, nil
		case 0:
			return record{}, i, errDamaged
		}
	}
	return record{}, x.blocks, nil
}

// before returns the last chunk's record before block i, and its number,
// which is 0 when there is none.
func (x *index) before(i int) (record, int, error) {
	for i--; i > 0; i-- {
		b, err := x.block(i, true)
		if err != nil {
			return record{}, i, err
		}
		switch blockKind(b) {
		case chunkBlock:
			return decodeRecord(b), i, nil
		case 0:
			return record{}, i, errDamaged
		}
	}
	return record{}, 0, nil
}

// search returns the number of the first chunk for which found holds, which
// must be so for all after it, too; x.blocks when there is none.
func (x *index) search(found func(record) bool) (int, error) {
	var failed error
	i := sort.Search(x.blocks, func(i int) bool {
		r, at, err := x.chunk(i)
		if err != nil {
			failed = err
			return true
		}
		return at == x.blocks || found(r)
	})
	if failed != nil || i >= x.blocks {
		return x.blocks, failed
	}
	_, i, err := x.chunk(i) // i may be a name before the chunk
	return i, err
}

// scan is search for the first chunk that ends behind off in an index with
// damaged blocks: it looks at all that are not.
func (x *index) scan(off int64) (record, int, error) {
	for i := 1; i < x.blocks; i++ {
		b, err := x.block(i, false)
		if err != nil {
			return record{}, i, err
		}
		if blockKind(b) == chunkBlock {
			if c := decodeRecord(b); c.end() > off {
				return c, i, nil
			}
		}
	}
	return record{}, x.blocks, nil
}

// name returns the name that begins at block i, "" when there is none. The
// error is that of reading.
func (x *index) name(i int) (string, error) {
	var name []byte
	for ; i > 0 && i < x.blocks && len(name) < 16*nameCap; i++ {
		b, err := x.block(i, false)
		if err != nil && !errors.Is(err, errDamaged) {
			return "", err
		}
		if err != nil || blockKind(b) != nameBlock {
			break
		}
		name = append(name, b[8:8+b[5]]...)
		if b[6] == 0 {
			return string(name), nil
		}
	}
	return "", nil
}
