// Package api is what the service answers.
package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"example.com/acme-widgets/internal/store"
)

// API is the service's handler.
type API struct {
	http.Handler
	stopping atomic.Bool
}

// Stop makes /readyz say that the service is about to end.
func (a *API) Stop() { a.stopping.Store(true) }

type server struct {
	mux     *http.ServeMux
	metrics *metrics
	paths   map[string]any
	schemas map[string]any
}

// New serves what is in the store.
func New(db *store.Store, service, version string) *API {
	s := &server{http.NewServeMux(), newMetrics(), map[string]any{}, map[string]any{}}
	a := &API{}

	// msctl:each resource
	addSpareGadgets(s, db)
	// msctl:end
	document := s.document(service, version)

	s.handle("/healthz", map[string]http.HandlerFunc{"GET": func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusOK, map[string]string{"status": "alive"})
	}})
	s.handle("/readyz", map[string]http.HandlerFunc{"GET": func(w http.ResponseWriter, r *http.Request) {
		switch {
		case a.stopping.Load():
			fail(w, r, http.StatusServiceUnavailable, "the service is stopping")
		case db.Ping(r.Context()) != nil:
			fail(w, r, http.StatusServiceUnavailable, "the store does not answer")
		default:
			respond(w, http.StatusOK, map[string]string{"status": "ready"})
		}
	}})
	s.handle("/metrics", map[string]http.HandlerFunc{"GET": s.metrics.serve})
	s.handle("/openapi.json", map[string]http.HandlerFunc{"GET": func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusOK, document)
	}})
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, r, http.StatusNotFound, "there is nothing at "+r.URL.Path)
	})
	a.Handler = s.observe(s.mux)
	return a
}

// handle serves a path by its methods. The mux alone would answer other methods in plain text.
func (s *server) handle(path string, methods map[string]http.HandlerFunc) {
	allowed := slices.Sorted(maps.Keys(methods))
	if _, ok := methods["GET"]; ok {
		methods["HEAD"] = methods["GET"]
		allowed = append(allowed, "HEAD")
	}
	allow := strings.Join(allowed, ", ")
	s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		if handler, ok := methods[r.Method]; ok {
			handler(w, r)
			return
		}
		w.Header().Set("Allow", allow)
		fail(w, r, http.StatusMethodNotAllowed, fmt.Sprintf("%s takes %s", r.URL.Path, allow))
	})
}
