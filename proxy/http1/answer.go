package http1

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/msctl/msctl/proxy/wire"
)

// refuseFor answers a head that did not come, if that is the client's fault.
func (c *client) refuseFor(err error) {
	var f *fault
	if errors.As(err, &f) {
		c.refuse(f)
	}
}

// refuse answers a head that cannot be understood. What follows it cannot be
// either.
func (c *client) refuse(f *fault) {
	_ = c.write(appendAnswer(nil, f.answer(), nil, false, false, "close"))
	c.linger()
}

// answer is what the gateway itself says, and reports whether another request
// may follow.
func (x *exchange) answer(a *wire.Answer) (more bool) {
	x.skip()
	connection := ""
	switch {
	case x.last || !x.request.over || x.server.ending.Load():
		x.last = true
		connection = "close"
	case x.old:
		connection = "keep-alive"
	}
	x.answered = true
	x.outcome.Status = a.Status
	var late []wire.Field
	if x.terms != nil {
		late = x.terms.Late
	}
	b := appendAnswer(x.out[:0], a, late, x.bodiless, x.html, connection)
	x.response.count = int64(len(b))
	if x.write(b) != nil {
		return false
	}
	if !x.request.over {
		x.linger()
	}
	return !x.last
}

// skip takes off what is there of the request's body.
func (x *exchange) skip() {
	for !x.request.over {
		p, f := x.request.there()
		if f != nil || len(p) == 0 {
			return
		}
		x.used(len(p))
	}
}

// appendAnswer writes an answer, late the fields that the route has it say.
func appendAnswer(b []byte, a *wire.Answer, late []wire.Field, bodiless, html bool, connection string) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(a.Status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(a.Status)...)
	b = append(b, "\r\nDate: "...) // RFC 9110 §6.6.1: there is no origin behind it that could say
	b = time.Now().UTC().AppendFormat(b, http.TimeFormat)
	b = append(b, '\r', '\n')
	b = appendFields(b, a.Header)
	b = appendFields(b, late)
	var body []byte
	if a.Problem != nil {
		kind := wire.ProblemType
		if html {
			kind, body = "text/html; charset=utf-8", a.Problem.Page()
		} else {
			body = a.Problem.Document()
		}
		b = append(b, "Content-Type: "+kind+"\r\nCache-Control: no-store\r\nVary: Accept\r\n"...)
	}
	if a.Status >= 200 && a.Status != http.StatusNoContent && a.Status != http.StatusNotModified {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
		b = append(b, '\r', '\n')
	}
	if connection != "" {
		b = append(b, "Connection: "+connection+"\r\n"...)
	}
	b = append(b, '\r', '\n')
	if bodiless {
		return b
	}
	return append(b, body...)
}
