package http1

import "sync"

// bufferSize bounds a head, and what is read and written at once.
const bufferSize = 32 << 10

// smallBuffer has room for most heads.
const smallBuffer = 2 << 10

// Buffers come in four sizes: a thousand requests in flight hold a thousand
// of them.
var (
	tiny   = sync.Pool{New: func() any { return new([1 << 10]byte) }}
	small  = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	medium = sync.Pool{New: func() any { return new([8 << 10]byte) }}
	large  = sync.Pool{New: func() any { return new([bufferSize]byte) }}
)

// buffer returns one with room for n bytes, or of bufferSize when n is more.
func buffer(n int) []byte {
	switch {
	case n <= 1<<10:
		return tiny.Get().(*[1 << 10]byte)[:]
	case n <= smallBuffer:
		return small.Get().(*[smallBuffer]byte)[:]
	case n <= 8<<10:
		return medium.Get().(*[8 << 10]byte)[:]
	}
	return large.Get().(*[bufferSize]byte)[:]
}

// putBuffer gives a buffer back; nil is none.
func putBuffer(b []byte) {
	switch cap(b) {
	case 1 << 10:
		tiny.Put((*[1 << 10]byte)(b[:1<<10]))
	case smallBuffer:
		small.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case 8 << 10:
		medium.Put((*[8 << 10]byte)(b[:8<<10]))
	case bufferSize:
		large.Put((*[bufferSize]byte)(b[:bufferSize]))
	}
}
