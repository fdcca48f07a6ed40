package admin

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/msctl/msctl/proxy/wire"
)

// Limits of a client's connection.
const (
	readTimeout    = 10 * time.Second
	writeTimeout   = 30*time.Second + tryTimeout
	idleTimeout    = time.Minute
	maxHeaderBytes = 16 << 10
)

// grace is how long answers may take to be written once the server ends.
const grace = time.Second

// Serve serves h on ln until ctx ends, and with it the contexts of all
// requests. It closes ln, and returns when nothing is left.
func Serve(ctx context.Context, ln net.Listener, h http.Handler) error {
	var flight wire.Flight
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			flight.Begin()
			defer flight.End()
			h.ServeHTTP(w, r)
		}),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(io.Discard, "", 0), // what a client does wrong is its own concern
	}
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	err := server.Serve(ln)
	if errors.Is(err, net.ErrClosed) && ctx.Err() != nil {
		err = nil
	}
	rest := context.WithoutCancel(ctx)
	brief, done := context.WithTimeout(rest, grace)
	defer done()
	_ = server.Shutdown(brief)
	_ = server.Close()
	return errors.Join(err, flight.Wait(rest))
}
