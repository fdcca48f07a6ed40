package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

const maxBody = 64 << 10 // bytes

// API is the HTTP face of the orders.
type API struct {
	Store   *Store
	Catalog *Catalog

	requests inFlight
	draining atomic.Bool
}

// Drain makes /readyz turn traffic away and waits for the requests in flight,
// until ctx ends. Those that still come are answered.
func (a *API) Drain(ctx context.Context) {
	a.draining.Store(true)
	a.requests.Wait(ctx)
}

// Handler returns the routes. Probes are not logged: they would bury the rest.
func (a *API) Handler() http.Handler {
	orders := http.NewServeMux()
	orders.HandleFunc("POST /{$}", a.create)
	orders.HandleFunc("GET /{$}", a.list)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", a.ready)
	mux.Handle("/", a.requests.Wrap(logged(orders)))
	return mux
}

func (a *API) create(w http.ResponseWriter, r *http.Request) {
	var want struct {
		ItemID   int64 `json:"item_id"`
		Quantity int64 `json:"quantity"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(body, &want)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("want {\"item_id\": 1, \"quantity\": 2}: %w", err))
		return
	}

	item, err := a.Catalog.Item(r.Context(), want.ItemID)
	switch {
	case errors.Is(err, ErrNoItem):
		fail(w, http.StatusUnprocessableEntity, err)
		return
	case err != nil:
		slog.Error("catalog", "err", err)
		fail(w, http.StatusServiceUnavailable, errors.New("the catalog does not answer; try again"))
		return
	case want.Quantity < 1 || want.Quantity > item.Stock:
		fail(w, http.StatusUnprocessableEntity, fmt.Errorf("quantity: want 1 to %d, got %d", item.Stock, want.Quantity))
		return
	}

	order, err := a.Store.Add(r.Context(), Order{
		ItemID:     item.ID,
		Item:       item.Name,
		Quantity:   want.Quantity,
		TotalCents: want.Quantity * item.PriceCents,
	})
	if err != nil {
		slog.Error("store", "err", err)
		fail(w, http.StatusInternalServerError, errors.New("the order was not saved"))
		return
	}
	reply(w, http.StatusCreated, order)
}

func (a *API) list(w http.ResponseWriter, r *http.Request) {
	orders, err := a.Store.Latest(r.Context())
	if err != nil {
		slog.Error("store", "err", err)
		fail(w, http.StatusInternalServerError, errors.New("the orders could not be read"))
		return
	}
	reply(w, http.StatusOK, orders)
}

// ready leaves the catalog out: without it, orders can still be listed.
func (a *API) ready(w http.ResponseWriter, r *http.Request) {
	if a.draining.Load() {
		fail(w, http.StatusServiceUnavailable, errors.New("draining"))
		return
	}
	if err := a.Store.Ping(r.Context()); err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	reply(w, http.StatusOK, map[string]string{"status": "ready"})
}

func fail(w http.ResponseWriter, status int, err error) {
	reply(w, status, map[string]string{"error": err.Error()})
}

func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // it only fails when the client has left
}

// logged logs each request, and says in X-Instance which instance answered.
func logged(next http.Handler) http.Handler {
	instance := os.Getenv("INSTANCE_ID")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		w.Header().Set("X-Instance", instance)
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(rec, r)
		slog.Info("request", "method", r.Method, "path", r.URL.Path, "status", rec.status,
			"ms", float64(time.Since(start).Microseconds())/1000)
	})
}

// recorder remembers the status for the log.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}
