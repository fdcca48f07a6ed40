// Command orders takes orders for what the catalog sells.
//
// POST / places an order, GET / lists the latest, GET /healthz says that it is
// alive, GET /readyz that it may take traffic.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// drainTimeout is how long requests in flight may take after SIGTERM; it ends
// before msctl's stop_grace_period of 10 s does.
const drainTimeout = 8 * time.Second

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, nil)))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		slog.Error("failed", "err", err)
		os.Exit(1)
	}
}

// run serves until ctx ends and then finishes the requests in flight.
func run(ctx context.Context) error {
	catalogURL := os.Getenv("CATALOG_URL")
	if catalogURL == "" {
		return errors.New("CATALOG_URL is not set")
	}
	store, err := OpenStore(ctx, filepath.Join("data", "orders.db"))
	if err != nil {
		return err
	}
	defer store.Close()

	api := &API{Store: store, Catalog: NewCatalog(catalogURL)}
	server := &http.Server{
		Handler:           api.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       2 * time.Minute, // outlasts the gateway's idle connections
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Getenv("PORT")))
	if err != nil {
		return err
	}
	slog.Info("listening", "addr", listener.Addr().String())

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}

	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	api.Drain(ctx)
	return shutdown(ctx, server)
}

// shutdown closes what no request uses any more. A connection that was opened
// and never used would hold Shutdown up for five seconds.
func shutdown(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	if err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	slog.Info("stopped")
	return nil
}
