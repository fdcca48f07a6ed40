package policy

import (
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// zstdWindow is how far back an encoder looks: memory for each response under
// way. Clients need to take 8 MiB (RFC 9659 §3).
const zstdWindow = 1 << 20

// Encoder compresses what is written to it. It is used by one goroutine.
type Encoder interface {
	io.Writer
	// Flush sends on all that was written.
	Flush() error
	// Close ends the coded body, and calls Release.
	Close() error
	// Release gives the encoder up without ending the body, after which
	// writing fails. It may be called more than once, and after Close.
	Release()
}

// stream is what the libraries have in common.
type stream interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// Encoders take longer to make than most responses take to be coded. These are
// the idle ones; the collector bounds them.
var (
	gzips = sync.Pool{New: func() any {
		w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // nginx's gzip_comp_level; the level exists
		return w
	}}
	zstds = sync.Pool{New: func() any {
		w, _ := zstd.NewWriter(nil, // the options are valid
			zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(1), // in the caller's goroutine
			zstd.WithLowerEncoderMem(true),
			zstd.WithWindowSize(zstdWindow))
		return w
	}}
)

var errReleased = errors.New("write to an encoder that was released")

// NewEncoder returns an encoder of what Coding returns, gzip or zstd, that
// writes to w; nil for any other coding.
func NewEncoder(coding string, w io.Writer) Encoder {
	var pool *sync.Pool
	switch coding {
	case "gzip":
		pool = &gzips
	case "zstd":
		pool = &zstds
	default:
		return nil
	}
	e := &encoder{stream: pool.Get().(stream), pool: pool}
	e.stream.Reset(w)
	return e
}

// encoder is a loan of a stream: nobody writes to one that is another's again.
type encoder struct {
	stream stream // nil once it was given back
	pool   *sync.Pool
}

func (e *encoder) Write(p []byte) (int, error) {
	if e.stream == nil {
		return 0, errReleased
	}
	return e.stream.Write(p)
}

func (e *encoder) Flush() error {
	if e.stream == nil {
		return errReleased
	}
	return e.stream.Flush()
}

func (e *encoder) Close() error {
	if e.stream == nil {
		return nil
	}
	defer e.Release()
	return e.stream.Close()
}

func (e *encoder) Release() {
	if e.stream == nil {
		return
	}
	e.stream.Reset(io.Discard) // lets go of w, and of an error
	e.pool.Put(e.stream)
	e.stream = nil
}
