package http2

import (
	"errors"
	"io"
	"iter"
	"net/http"
	"strings"

	"github.com/msctl/msctl/proxy/policy"
	"github.com/msctl/msctl/proxy/wire"
)

// response is what an instance says, in whichever protocol.
type response interface {
	status() int
	length() int64 // of the body, -1 when that is not known
	ended() bool   // its instance is about to be stopped
	get(name string) string
	// copyTo puts the fields into h whose canonical names go on.
	copyTo(h http.Header, goes func(name string) bool)
	// there is what is there of the body, without waiting: nothing when more
	// has to come, io.EOF at the end. It is valid until the next call.
	there() ([]byte, error)
	// next is there, but waits for at least one byte.
	next() ([]byte, error)
	// trailers puts those into h, once the body is over.
	trailers(h http.Header)
	// end is called once. well: all of it was passed on.
	end(well bool)
}

// inform passes an informational response on to a client that understands it.
// 100 is sent once the body is read, by the server itself.
func (x *exchange) inform(status int, fields iter.Seq2[string, string]) {
	if status == http.StatusContinue || !x.r.ProtoAtLeast(1, 1) {
		return
	}
	h := x.w.Header()
	for name, v := range fields {
		h.Add(name, v)
	}
	x.w.WriteHeader(status)
	clear(h)
}

// respond passes the response on.
func (x *exchange) respond(res response) error {
	p, err := res.there()
	if err != nil && !errors.Is(err, io.EOF) {
		res.end(false)
		return x.fail(err)
	}
	x.header(res)
	x.answered = true
	x.outcome.Status = res.status()
	x.w.WriteHeader(res.status())
	to := &writer{x: x}
	if x.coding != "" {
		err = x.compress(res, p, err, to)
	} else {
		err = relay(res, p, err, to, to)
	}
	if err != nil {
		switch {
		case x.had(res):
			err = nil
		case res.ended():
			err = x.conclude(res, err)
		default:
			err = x.halted(err)
		}
		res.end(false)
		return err
	}
	res.trailers(x.w.Header())
	res.end(true)
	return nil
}

// had reports whether the client left with all of the response: its length told
// it the end before the instance did.
func (x *exchange) had(res response) bool {
	return x.coding == "" && res.length() == x.outcome.Sent && errors.Is(x.cause(), wire.ErrClientGone)
}

// header makes the header that the client gets of the instance's.
func (x *exchange) header(res response) {
	h, t := x.w.Header(), x.terms
	res.copyTo(h, func(name string) bool {
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Transfer-Encoding", "Upgrade":
			return false
		}
		return !removes(t.Response, name) && !names(t.Late, name)
	})
	varies := false
	if len(t.Compress) > 0 {
		x.coding, varies = policy.Coding(t.Compress, joined(x.r.Header["Accept-Encoding"]), &policy.Response{
			Method: x.r.Method, Status: res.status(), Length: res.length(),
			ContentType: res.get("Content-Type"), ContentEncoding: res.get("Content-Encoding"), CacheControl: res.get("Cache-Control"),
		})
	}
	if x.coding != "" {
		h.Del("Content-Length")
		h.Del("Accept-Ranges")
		h.Set("Content-Encoding", x.coding)
		if tag := h.Get("ETag"); tag != "" {
			h.Set("ETag", policy.WeakETag(tag))
		}
	} else if l := res.get("Content-Length"); l != "" {
		h["Content-Length"] = []string{l} // of a body that is not sent as well (RFC 9110 §8.6)
	}
	if t.Response != nil {
		for i := range t.Response.Add {
			h.Add(t.Response.Add[i].Name, t.Response.Add[i].Value)
		}
	}
	setAll(h, t.Late)
	if varies {
		h.Add("Vary", "Accept-Encoding")
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // or the server would guess one
	}
	if x.r.ProtoMajor == 1 {
		h.Set("Connection", "close") // it was handed over for this request
	}
}

// joined is a list that came in several fields (RFC 9110 §5.3).
func joined(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	return strings.Join(values, ",")
}

// flusher sends on all that was written.
type flusher interface{ Flush() error }

// relay passes a body on, p and err of it first. What the instance has sent
// goes on as soon as there is nothing more for now.
func relay(res response, p []byte, err error, to io.Writer, flush flusher) error {
	for {
		if err == nil && len(p) == 0 {
			if err := flush.Flush(); err != nil {
				return err
			}
			p, err = res.next()
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if _, err := to.Write(p); err != nil {
			return err
		}
		p, err = res.there()
	}
}

// compress is relay into the response's coding.
func (x *exchange) compress(res response, p []byte, err error, to *writer) error {
	e := policy.NewEncoder(x.coding, to)
	defer e.Release()
	if err := relay(res, p, err, e, &both{e, to}); err != nil {
		return err
	}
	return e.Close()
}

// both flushes the encoder into the writer, and that.
type both struct {
	policy.Encoder
	to *writer
}

func (b *both) Flush() error {
	if err := b.Encoder.Flush(); err != nil {
		return err
	}
	return b.to.Flush()
}

// writer writes the response's body.
type writer struct{ x *exchange }

func (w *writer) Write(p []byte) (int, error) {
	n, err := w.x.w.Write(p)
	w.x.outcome.Sent += int64(n)
	if err != nil {
		return n, &writeError{err}
	}
	return n, nil
}

func (w *writer) Flush() error {
	if err := http.NewResponseController(w.x.w).Flush(); err != nil {
		return &writeError{err}
	}
	return nil
}
