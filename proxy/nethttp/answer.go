package nethttp

import (
	"io"
	"log"
	"net/http"
	"net/url"
	"strconv"

	"github.com/msctl/msctl/proxy/wire"
)

// discard is where a reverse proxy says what the exchange knows already.
var discard = log.New(io.Discard, "", 0)

// answer writes a problem: as a document, or as the status that a gRPC client
// looks for.
func answer(w http.ResponseWriter, r *http.Request, p *wire.Problem) {
	h := w.Header()
	clear(h)
	if isGRPC(r) {
		h.Set("Content-Type", "application/grpc")
		h.Set("Grpc-Status", grpcStatus(p.Status))
		h.Set("Grpc-Message", url.PathEscape(p.Detail))
		w.WriteHeader(http.StatusOK)
		return
	}
	document := p.Document()
	h.Set("Content-Type", wire.ProblemType)
	h.Set("Content-Length", strconv.Itoa(len(document)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(document)
}

// grpcStatus is the code that belongs to an HTTP status
// (grpc/doc/http-grpc-status-mapping.md, but for 504).
func grpcStatus(status int) string {
	switch status {
	case http.StatusNotFound:
		return "12" // UNIMPLEMENTED
	case http.StatusGatewayTimeout:
		return "4" // DEADLINE_EXCEEDED
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return "14" // UNAVAILABLE
	case http.StatusBadRequest:
		return "13" // INTERNAL
	}
	return "2" // UNKNOWN
}
