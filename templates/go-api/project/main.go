// Acme Widgets is an HTTP service.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/acme-widgets/internal/api"
	"example.com/acme-widgets/internal/config"
	"example.com/acme-widgets/internal/store"
	"example.com/acme-widgets/internal/telemetry"
)

func main() {
	c, err := config.Load(os.Getenv)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err = run(ctx, c, os.Stdout)
	stop()
	if err != nil {
		slog.Error("stopped", "error", err)
		os.Exit(1)
	}
}

// run serves until the context ends, and then until what is in flight is done.
func run(ctx context.Context, c config.Config, logs io.Writer) (err error) {
	slog.SetDefault(telemetry.NewLogger(logs, c.Level, c.Service, c.Instance))
	flush, err := telemetry.Trace(ctx, c.Traces, c.Service, c.Version, c.Instance)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if failed := flush(ctx); failed != nil {
			slog.Warn("spans were not sent", "error", failed)
		}
	}()

	db, err := store.Open(ctx, c.Database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Address)
	if err != nil {
		return err
	}
	handler := api.New(db, c.Service, c.Version)
	var unused unused
	server := &http.Server{
		Handler: handler, ConnState: unused.note, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	slog.Info("listening", "address", listener.Addr().String())

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	handler.Stop()
	time.Sleep(c.ShutdownDelay)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.ShutdownGrace)
	defer cancel()
	defer time.AfterFunc(lastMoment, unused.close).Stop()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(fmt.Errorf("requests in flight were cut: %w", err), server.Close())
	}
	return nil
}
