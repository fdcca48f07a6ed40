package http1

import (
	"errors"
	"io"
	"net/http"

	"github.com/msctl/msctl/proxy/policy"
)

// compresses decides whether the response, whose head is in x.head, gets
// another content coding. A client of HTTP/1.0 gets what there is: it knows no
// chunks.
func (x *exchange) compresses() bool {
	if len(x.terms.Compress) == 0 || x.old {
		return false
	}
	h := x.head
	method := ""
	if x.bodiless {
		method = http.MethodHead
	}
	x.coding, x.varies = policy.Coding(x.terms.Compress, string(x.accepts), &policy.Response{
		Method: method, Status: h.status, Length: max(h.length, chunked),
		ContentType: h.Get("Content-Type"), ContentEncoding: h.Get("Content-Encoding"), CacheControl: h.Get("Cache-Control"),
	})
	return x.coding != ""
}

// recoded names the fields that are others in another coding.
func recoded(name []byte) bool {
	return equalFold(name, "etag") || equalFold(name, "accept-ranges")
}

// appendCoding writes the fields of another coding.
func (x *exchange) appendCoding(b []byte) []byte {
	b = append(b, "Content-Encoding: "...)
	b = append(b, x.coding...)
	b = append(b, '\r', '\n')
	if tag := x.head.Get("ETag"); tag != "" {
		b = append(b, "ETag: "...)
		b = append(b, policy.WeakETag(tag)...)
		b = append(b, '\r', '\n')
	}
	return b
}

// compress passes the body on in its coding, after head. What the instance has
// sent goes on as soon as there is nothing more for now.
func (x *exchange) compress(head []byte) error {
	x.answered = true
	if err := x.write(head); err != nil {
		return &writeError{err}
	}
	var out chunkWriter
	out.to = &x.conn
	e := policy.NewEncoder(x.coding, &out)
	defer e.Release()
	b := &x.response
	defer func() { b.count = out.count }()
	for waiting := false; ; {
		p, f := b.there()
		switch {
		case f != nil:
			return f
		case len(p) > 0:
		case b.over:
			b.from.release()
			if err := e.Close(); err != nil {
				return err
			}
			if err := x.write(lastChunk); err != nil {
				return &writeError{err}
			}
			return nil
		default:
			if waiting {
				if err := e.Flush(); err != nil {
					return err
				}
			}
			var err error
			if p, err = b.next(); errors.Is(err, io.EOF) {
				continue // it is over
			} else if err != nil {
				return err
			}
		}
		if _, err := e.Write(p); err != nil {
			return err
		}
		b.from.used(len(p))
		waiting = true
	}
}

var lastChunk = []byte("0\r\n\r\n")

// chunkWriter writes each piece as a chunk.
type chunkWriter struct {
	to    *conn
	count int64
	buf   []byte
}

func (w *chunkWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil // an empty chunk would be the last
	}
	w.count += int64(len(p))
	w.buf = append(append(appendChunk(w.buf[:0], len(p)), p...), '\r', '\n')
	if err := w.to.write(w.buf); err != nil {
		return 0, &writeError{err}
	}
	return len(p), nil
}
