package http2

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/msctl/msctl/proxy/http1"
	"github.com/msctl/msctl/proxy/wire"
)

// lost reports whether an attempt at u failed with err since its instance is
// about to be stopped.
func (x *exchange) lost(u *http1.Upstream, err error) bool {
	return u.Ended() && !errors.Is(err, errAgain) && http1.Unconnected(err) == nil && x.ctx.Err() == nil
}

// elsewhere is what becomes of an attempt that was lost.
func (x *exchange) elsewhere() error {
	if x.repeatable() {
		return http1.Replaced()
	}
	return wire.ErrReplaced
}

// conclude brings a response to its end that broke with err since its instance
// is about to be stopped, if that makes sense to who reads it: events, which are
// asked for again, and a gRPC call, which has a status for it. Any other has to
// look broken.
func (x *exchange) conclude(res response, err error) error {
	if errors.As(err, new(*writeError)) || x.cause() != nil {
		return x.halted(err)
	}
	switch {
	case x.grpc:
		problem := x.pass.Broke(wire.ErrReplaced)
		h := x.w.Header()
		h.Set(http.TrailerPrefix+"Grpc-Status", grpcStatus(problem.Status))
		h.Set(http.TrailerPrefix+"Grpc-Message", url.PathEscape(problem.Detail))
		return problem
	case res.length() < 0 && x.coding == "" && http1.IsEvents(res.get("Content-Type")):
		return nil
	}
	return x.halted(wire.ErrReplaced)
}
