package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/msctl/msctl/logs"
	"github.com/msctl/msctl/registry"
)

const (
	// maxWait is how long a snapshot request blocks, so that a client that
	// went away is noticed.
	maxWait = 30 * time.Second
	// maxBody bounds a request's body; an environment is the largest thing in it.
	maxBody = 4 << 20
	// logBatch is how much of the logs goes into one value of a stream.
	logBatch = 256 << 10
	// shutdownPatience is what requests get to end once the stack has.
	shutdownPatience = time.Second
)

// Operator carries out actions.
type Operator interface {
	Do(ctx context.Context, a Action) (Result, error)
}

// Viewer answers what is not in the registry.
type Viewer interface {
	Status(ctx context.Context) (Status, error)
	Routes(ctx context.Context) ([]Route, error)
	Environment(ctx context.Context, service string) (Environment, error)
	// Match is nil when no route takes the request.
	Match(ctx context.Context, q MatchQuery) (*Match, error)
}

// Options are what a Server serves; all are needed.
type Options struct {
	Dir      string // the stack's folder
	Registry *registry.Registry
	Logs     *logs.Store
	Operator Operator
	Viewer   Viewer
	Traffic  Traffic
}

// Server serves the control API of a stack.
type Server struct {
	Options
	listener net.Listener
}

// Listen listens on the stack's socket: clients can connect from now on, and
// are served once Run runs, which has to be called. A socket that a killed
// msctl left is replaced; the caller holds the stack's lock, so no other one is
// alive.
func Listen(ctx context.Context, o Options) (*Server, error) {
	path := SocketPath(o.Dir)
	if err := makeSocketDir(path); err != nil {
		return nil, fmt.Errorf("control API: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("control API: %w", err)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("control API: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("control API: %w", err)
	}
	return &Server{o, ln}, nil
}

// Run serves until ctx is done; requests that block end with it. It closes the
// socket.
func (s *Server) Run(ctx context.Context) error {
	srv := &http.Server{
		Handler:           s.handler(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
	}
	var g errgroup.Group
	g.Go(func() error {
		if err := srv.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("control API: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownPatience)
		defer cancel()
		if srv.Shutdown(limit) != nil {
			return srv.Close()
		}
		return nil
	})
	return g.Wait()
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		v, err := s.Viewer.Status(r.Context())
		answer(w, v, err)
	})
	mux.HandleFunc("GET /v1/routes", func(w http.ResponseWriter, r *http.Request) {
		v, err := s.Viewer.Routes(r.Context())
		answer(w, v, err)
	})
	mux.HandleFunc("GET /v1/env", func(w http.ResponseWriter, r *http.Request) {
		v, err := s.Viewer.Environment(r.Context(), r.FormValue("service"))
		answer(w, v, err)
	})
	mux.HandleFunc("GET /v1/graph", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.Traffic.Graph(), nil) })
	mux.HandleFunc("GET /v1/metrics", s.metrics)
	mux.HandleFunc("GET /v1/snapshot", s.snapshot)
	mux.HandleFunc("POST /v1/actions", s.action)
	mux.HandleFunc("POST /v1/routes/match", s.match)
	mux.HandleFunc("POST /v1/requests", s.requests)
	mux.HandleFunc("POST /v1/logs", s.logs)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, fmt.Errorf("the control API has no %s %s", r.Method, r.URL.Path))
	})
	return mux
}

func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) {
	after := uint64(0)
	if v := r.FormValue("after"); v != "" {
		var err error
		if after, err = strconv.ParseUint(v, 10, 64); err != nil {
			fail(w, http.StatusBadRequest, fmt.Errorf("after: want a revision, got %q", v))
			return
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxWait)
	defer cancel()
	snap, err := s.Registry.Next(ctx, after)
	if err != nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answer(w, snap, nil)
}

func (s *Server) action(w http.ResponseWriter, r *http.Request) {
	var a Action
	if !decode(w, r, &a) {
		return
	}
	before := s.Registry.Snapshot().Revision
	result, err := s.Operator.Do(r.Context(), a)
	result.Revision = before
	answer(w, result, err)
}

func (s *Server) match(w http.ResponseWriter, r *http.Request) {
	var q MatchQuery
	if !decode(w, r, &q) {
		return
	}
	v, err := s.Viewer.Match(r.Context(), q)
	answer(w, v, err)
}

// logs streams batches.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) {
	var q LogQuery
	if !decode(w, r, &q) {
		return
	}
	filter, err := logs.NewFilter(q.Grep, q.Invert, q.Level)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	q.Filter = filter
	if !q.Follow && q.Until.IsZero() {
		q.Until = time.Now()
	}
	cursor, err := s.Logs.Seek(q.Query)
	if err != nil {
		answer(w, nil, err)
		return
	}
	for send := streamTo(w); ; {
		batch, err := s.Logs.Next(r.Context(), cursor, logBatch)
		if err != nil {
			return // the end, or the client or the stack has gone
		}
		cursor = batch.Cursor
		err = send(batch)
		batch.Release()
		if err != nil {
			return
		}
	}
}

// streamTo begins an answer of JSON values: the client learns that its query is
// right before there is any. What it returns sends one.
func streamTo(w http.ResponseWriter) (send func(any) error) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, enc := http.NewResponseController(w), json.NewEncoder(w)
	_ = out.Flush() // whether the client has gone, the first value tells
	return func(v any) error {
		if err := enc.Encode(v); err != nil {
			return err
		}
		return out.Flush()
	}
}

// decode reads a JSON body, and answers when it cannot.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil || errors.Is(err, io.EOF) {
		return true
	}
	fail(w, http.StatusBadRequest, fmt.Errorf("body: %w", err))
	return false
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		fail(w, http.StatusUnprocessableEntity, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client has gone
}

func fail(w http.ResponseWriter, status int, err error) {
	e := Error{Message: err.Error()}
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		e.Advice = h.Hint()
	}
	var c interface{ ExitCode() int }
	if errors.As(err, &c) {
		e.Code = c.ExitCode()
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(e) // the client has gone
}
