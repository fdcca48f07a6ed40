package http2

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/msctl/msctl/proxy/wire"
)

// refusal is what is wrong with a request, as it is told.
func refusal(status int, detail string) *wire.Problem {
	return &wire.Problem{Status: status, Title: http.StatusText(status), Detail: detail}
}

// answer is what the gateway itself says: as a document or a page, or as the
// status that a gRPC client looks for.
func (x *exchange) answer(a *wire.Answer) {
	h := x.w.Header()
	clear(h)
	var late []wire.Field
	if x.terms != nil {
		late = x.terms.Late
	}
	for _, f := range a.Header {
		h.Add(f.Name, f.Value)
	}
	setAll(h, late)
	if x.r.ProtoMajor == 1 {
		h.Set("Connection", "close")
	}
	x.answered = true
	if x.grpc {
		h.Set("Content-Type", "application/grpc")
		h.Set("Grpc-Status", grpcStatus(a.Status))
		message := http.StatusText(a.Status)
		if a.Problem != nil {
			message = a.Problem.Detail
		}
		h.Set("Grpc-Message", url.PathEscape(message))
		x.outcome.Status = http.StatusOK
		x.w.WriteHeader(http.StatusOK)
		return
	}
	x.outcome.Status = a.Status
	var body []byte
	if p := a.Problem; p != nil {
		kind := wire.ProblemType
		if strings.Contains(x.r.Header.Get("Accept"), "text/html") {
			kind, body = "text/html; charset=utf-8", p.Page()
		} else {
			body = p.Document()
		}
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "no-store")
		h.Add("Vary", "Accept")
	}
	if a.Status >= 200 && a.Status != http.StatusNoContent && a.Status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	x.w.WriteHeader(a.Status)
	if x.r.Method != http.MethodHead {
		n, _ := x.w.Write(body)
		x.outcome.Sent = int64(n)
	}
}

// setAll sets each name to the values that fields has for it, and no others.
func setAll(h http.Header, fields []wire.Field) {
	for i := range fields {
		h.Del(fields[i].Name)
	}
	for i := range fields {
		h.Add(fields[i].Name, fields[i].Value)
	}
}

// grpcStatus is the code that belongs to an HTTP status
// (grpc/doc/http-grpc-status-mapping.md, but for 413 and 504).
func grpcStatus(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "13" // INTERNAL
	case http.StatusUnauthorized:
		return "16" // UNAUTHENTICATED
	case http.StatusForbidden:
		return "7" // PERMISSION_DENIED
	case http.StatusNotFound:
		return "12" // UNIMPLEMENTED
	case http.StatusRequestEntityTooLarge:
		return "8" // RESOURCE_EXHAUSTED, as of a message that is too large
	case http.StatusGatewayTimeout:
		return "4" // DEADLINE_EXCEEDED
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable:
		return "14" // UNAVAILABLE
	}
	return "2" // UNKNOWN
}
