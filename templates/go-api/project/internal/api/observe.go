package api

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"example.com/acme-widgets/internal/telemetry"
)

// operation has the paths that are asked all the time and tell nothing.
var operation = []string{"/healthz", "/readyz", "/metrics", "/openapi.json"}

// known has the methods that are labels as they stand: a client can make up any number of others.
var known = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// recorder remembers the status.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// observe gives each request its ids, a span, a line in the log and a place in the metrics.
func (s *server) observe(next *http.ServeMux) http.Handler {
	tracer := otel.Tracer("example.com/acme-widgets")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		s.metrics.begin()

		id := r.Header.Get("X-Request-Id")
		if !printable(id) {
			id = rand.Text()
		}
		w.Header().Set("X-Request-Id", id)

		_, route := next.Handler(r)
		if route == "/" {
			route = "unmatched"
		}
		method := r.Method
		if !slices.Contains(known, method) {
			method = "_OTHER"
		}
		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := tracer.Start(ctx, method+" "+route, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			attribute.String("http.request.method", method),
			attribute.String("http.route", route),
		))
		defer span.End()
		r = r.WithContext(telemetry.WithRequestID(ctx, id))

		recorded := &recorder{ResponseWriter: w}
		whole := serve(next, recorded, r)
		if recorded.status == 0 {
			recorded.status = http.StatusOK
		}
		took := time.Since(began)
		s.metrics.end(endpoint{method, route}, recorded.status, took)
		span.SetAttributes(attribute.Int("http.response.status_code", recorded.status))
		if recorded.status >= 500 {
			span.SetStatus(codes.Error, "")
		}
		if !slices.Contains(operation, r.URL.Path) {
			slog.InfoContext(r.Context(), "request",
				"method", r.Method,
				"path", r.URL.Path,
				"status", recorded.status,
				"ms", float64(took.Microseconds())/1000,
			)
		}
		if !whole {
			panic(http.ErrAbortHandler) // the connection is cut: the client has half of an answer
		}
	})
}

// serve answers 500 when the handler panics. It reports whether the answer is whole.
func serve(next http.Handler, w *recorder, r *http.Request) (whole bool) {
	defer func() {
		if p := recover(); p != nil {
			slog.ErrorContext(r.Context(), "panic", "error", p, "stack", string(debug.Stack()))
			if whole = w.status == 0; whole {
				fail(w, r, http.StatusInternalServerError, "")
			}
		}
	}()
	next.ServeHTTP(w, r)
	return true
}

func requestID(ctx context.Context) string { return telemetry.RequestID(ctx) }

func printable(id string) bool {
	return id != "" && len(id) <= 128 && !strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r > '~' })
}
