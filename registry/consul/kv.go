package consul

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/msctl/msctl/registry/keys"
)

// kvPath is what keys are under. What follows is the key, as it is: no slash of
// it is taken out.
const kvPath = "/v1/kv/"

// rawValue is a value that is answered as it is.
type rawValue []byte

// kv serves one key, or all that begin with it.
func (s *Server) kv(w http.ResponseWriter, r *http.Request) {
	f := map[string]func(*http.Request, string) (answer, error){
		http.MethodGet: s.readKey, http.MethodPut: s.writeKey, http.MethodDelete: s.deleteKey,
	}[r.Method]
	if f == nil {
		notAllowed(w, r, "GET,PUT,DELETE")
		return
	}
	s.handle(func(r *http.Request) (answer, error) { return f(r, strings.TrimPrefix(r.URL.Path, kvPath)) })(w, r)
}

var errNoKey = failf(http.StatusBadRequest, "Missing key name")

func (s *Server) readKey(r *http.Request, key string) (answer, error) {
	q := r.Form
	all := q.Has("keys") || q.Has("recurse")
	if key == "" && !all {
		return answer{}, errNoKey
	}
	err := await(r, func(ctx context.Context, index uint64) error {
		if all {
			return s.keys.AwaitUnder(ctx, key, index)
		}
		return s.keys.AwaitKey(ctx, key, index)
	})
	switch {
	case err != nil:
		return answer{}, err
	case q.Has("keys"):
		names, index := s.keys.Keys(key, q.Get("separator"))
		return found(names, len(names), index), nil
	case q.Has("recurse"):
		entries, index := s.keys.List(key)
		return found(entries, len(entries), index), nil
	}
	e, index := s.keys.Get(key)
	switch {
	case e == nil:
		return found(nil, 0, index), nil
	case q.Has("raw"):
		return answer{value: rawValue(e.Value), index: index}, nil
	}
	return answer{value: []*keys.Entry{e}, index: index}, nil
}

// found is the answer for n of something; there is no body for none.
func found(value any, n int, index uint64) answer {
	if n == 0 {
		return answer{index: index, status: http.StatusNotFound}
	}
	return answer{value: value, index: index}
}

func (s *Server) writeKey(r *http.Request, key string) (answer, error) {
	q := r.Form
	if key == "" {
		return answer{}, errNoKey
	}
	op := keys.Op{Verb: keys.Set, Key: key}
	var err error
	if op.Flags, err = number(q, "flags"); err != nil {
		return answer{}, err
	}
	if op.Index, err = number(q, "cas"); err != nil {
		return answer{}, err
	}
	ways := 0
	for way, verb := range map[string]keys.Verb{"cas": keys.CAS, "acquire": keys.Lock, "release": keys.Unlock} {
		if q.Has(way) {
			op.Verb = verb
			ways++
		}
	}
	if ways > 1 {
		return answer{}, conflicting(q)
	}
	op.Session = q.Get("acquire") + q.Get("release")
	if op.Value, err = io.ReadAll(http.MaxBytesReader(nil, r.Body, keys.MaxValue)); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return answer{}, failf(http.StatusRequestEntityTooLarge, "Request body(%d bytes) too large, max size: %d bytes.", max(r.ContentLength, keys.MaxValue+1), keys.MaxValue)
		}
		return answer{}, failf(http.StatusBadRequest, "the value was not read to its end: %v", err)
	}
	if len(op.Value) == 0 {
		op.Value = nil
	}
	return s.done(op)
}

func (s *Server) deleteKey(r *http.Request, key string) (answer, error) {
	q := r.Form
	op := keys.Op{Verb: keys.Delete, Key: key}
	switch {
	case q.Has("recurse") && q.Has("cas"):
		return answer{}, conflicting(q)
	case q.Has("recurse"):
		op.Verb = keys.DeleteTree
	case key == "":
		return answer{}, errNoKey
	case q.Has("cas"):
		op.Verb = keys.DeleteCAS
		var err error
		if op.Index, err = number(q, "cas"); err != nil {
			return answer{}, err
		}
	}
	return s.done(op)
}

// done does an operation, and answers whether it was done.
func (s *Server) done(op keys.Op) (answer, error) {
	_, refused := s.keys.Do(op)
	switch {
	case len(refused) == 0:
		return answer{value: true}, nil
	case errors.Is(refused[0].Err, keys.ErrSession), errors.Is(refused[0].Err, keys.ErrFull):
		return answer{}, failf(http.StatusInternalServerError, "%v", refused[0].Err)
	}
	return answer{value: false}, nil
}

func conflicting(q url.Values) error {
	return failf(http.StatusBadRequest, "Conflicting flags: %s", q.Encode())
}

// number is one of the query, 0 where it is left out.
func number(q url.Values, name string) (uint64, error) {
	if !q.Has(name) {
		return 0, nil
	}
	n, err := strconv.ParseUint(q.Get(name), 10, 64)
	if err != nil {
		return 0, failf(http.StatusBadRequest, "%s: %v", name, err)
	}
	return n, nil
}
