package consul

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/hashicorp/go-bexpr"

	"github.com/msctl/msctl/registry/catalog"
)

// The times that a blocking query waits (Consul's defaults).
const (
	defaultWait = 5 * time.Minute
	maxWait     = 10 * time.Minute
)

// transferTime bounds the reading of a request and the writing of an answer.
const transferTime = 30 * time.Second

// failure is an answer that is an error, as text.
type failure struct {
	status int
	text   string
}

func (f *failure) Error() string { return f.text }

func failf(status int, format string, args ...any) error {
	return &failure{status, fmt.Sprintf(format, args...)}
}

// answer is what a handler has to say. A nil value has no body.
type answer struct {
	value  any
	index  uint64 // 0 for what has none
	hash   string // of what is waited for by its content
	status int    // 0 is 200
}

// plainText is an answer that is no JSON.
type plainText string

// handle makes a handler of f.
func (s *Server) handle(f func(*http.Request) (answer, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Form = r.URL.Query() // it is parsed once; no body is a form
		conn := http.NewResponseController(w)
		if r.Method != http.MethodGet { // a deadline would end the wait of a blocking query
			_ = conn.SetReadDeadline(time.Now().Add(transferTime))
		}
		a, err := s.checked(r, f)
		_ = conn.SetWriteDeadline(time.Now().Add(transferTime))
		h := w.Header()
		h.Set("X-Consul-Default-Acl-Policy", "allow")
		if err != nil {
			f := &failure{http.StatusInternalServerError, err.Error()}
			_ = errors.As(err, &f)
			h.Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(f.status)
			_, _ = w.Write([]byte(f.text)) // the client may have gone
			return
		}
		if a.hash != "" {
			h.Set("X-Consul-ContentHash", a.hash)
		}
		if a.index > 0 {
			h.Set("X-Consul-Index", strconv.FormatUint(a.index, 10))
			h.Set("X-Consul-Knownleader", "true")
			h.Set("X-Consul-Lastcontact", "0")
			h.Set("X-Consul-Effective-Consistency", "leader")
			h.Set("X-Consul-Query-Backend", "blocking-query")
		}
		a.write(w, r.Form.Has("pretty"))
	}
}

// write answers with the value. That the client has gone is no error.
func (a answer) write(w http.ResponseWriter, pretty bool) {
	h := w.Header()
	status := cmp.Or(a.status, http.StatusOK)
	switch value := a.value.(type) {
	case nil:
		w.WriteHeader(status)
	case plainText:
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, string(value)) // as above
	case rawValue: // whoever wrote it, no browser runs it
		h.Set("Content-Type", "text/plain")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "sandbox")
		w.WriteHeader(status)
		_, _ = w.Write(value) // as above
	case encoded:
		h.Set("Content-Type", "application/json")
		h.Set("Content-Length", strconv.Itoa(len(value)))
		w.WriteHeader(status)
		_, _ = w.Write(value) // as above
	default:
		body, err := encode(value, pretty)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer{value: body, status: status}.write(w, pretty)
	}
}

func (s *Server) checked(r *http.Request, f func(*http.Request) (answer, error)) (answer, error) {
	q := r.Form
	if dc := q.Get("dc"); dc != "" && dc != s.options.Datacenter {
		return answer{}, failf(http.StatusInternalServerError, "No path to datacenter")
	}
	if q.Has("stale") && q.Has("consistent") {
		return answer{}, failf(http.StatusBadRequest, "Cannot specify ?stale with ?consistent, conflicting semantics.")
	}
	return f(r)
}

// await blocks on a topic of the catalog.
func (s *Server) await(r *http.Request, topic catalog.Topic) error {
	return await(r, func(ctx context.Context, index uint64) error { return s.catalog.Await(ctx, topic, index) })
}

// await blocks as the query says: until changed, which is given its index, or for
// its time.
func await(r *http.Request, changed func(context.Context, uint64) error) error {
	q := r.Form
	if q.Get("index") == "" {
		return nil
	}
	index, err := strconv.ParseUint(q.Get("index"), 10, 64)
	if err != nil {
		return failf(http.StatusBadRequest, "Invalid index")
	}
	wait, err := waitOf(r)
	if err != nil || index == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	_ = changed(ctx, index) // what there is by then is the answer
	return nil
}

// waitOf is how long the query waits at most.
func waitOf(r *http.Request) (time.Duration, error) {
	wait := defaultWait
	if text := r.Form.Get("wait"); text != "" {
		var err error
		if wait, err = time.ParseDuration(text); err != nil || wait < 0 {
			return 0, failf(http.StatusBadRequest, "Invalid wait time")
		}
	}
	if wait = min(wait, maxWait); wait == 0 {
		wait = defaultWait
	}
	return wait + rand.N(wait/16+1), nil //nolint:gosec // only so that not all come back at once
}

// filtered is the part of a slice, or of a map, that the query's filter takes.
func filtered[T any](r *http.Request, all T) (any, error) {
	text := r.Form.Get("filter")
	if text == "" {
		return all, nil
	}
	f, err := bexpr.CreateFilter(text, nil, reflect.Zero(reflect.TypeFor[T]()).Interface())
	if err != nil {
		return nil, failf(http.StatusInternalServerError, "Failed to create boolean expression evaluator: %v", err)
	}
	out, err := f.Execute(all)
	if err != nil {
		return nil, failf(http.StatusInternalServerError, "%v", err)
	}
	return out, nil
}
