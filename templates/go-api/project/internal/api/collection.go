package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"example.com/acme-widgets/internal/resource"
)

// table is what a collection needs of the store.
type table[T any] interface {
	List(ctx context.Context, after int64, limit int) ([]T, error)
	Get(ctx context.Context, id int64) (T, error)
	Create(ctx context.Context, value *T) error
	Replace(ctx context.Context, value *T) error
	Delete(ctx context.Context, id int64) error
}

// collection serves the values of one resource.
type collection[T any, P resource.Record[T]] struct {
	path, name string
	table      table[T]
}

// add serves a resource at its path, and describes it.
func add[T any, P resource.Record[T]](s *server, path, name string, t table[T]) {
	c := collection[T, P]{path, name, t}
	s.handle(path, map[string]http.HandlerFunc{"GET": c.list, "POST": c.create})
	s.handle(path+"/{id}", map[string]http.HandlerFunc{"GET": c.get, "PUT": c.replace, "DELETE": c.remove})
	s.describe(path, name, P(new(T)).Fields())
}

func (c collection[T, P]) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	limit, err := strconv.Atoi(cmp.Or(query.Get("limit"), "20"))
	if err != nil || limit < 1 || limit > 100 {
		fail(w, r, http.StatusUnprocessableEntity, "the query is not what it has to be", Invalid{"limit", "has to be a whole number from 1 to 100"})
		return
	}
	after, err := parseCursor(query.Get("cursor"))
	if err != nil {
		fail(w, r, http.StatusUnprocessableEntity, "the query is not what it has to be", Invalid{"cursor", "is none that this service gave"})
		return
	}
	items, err := c.table.List(r.Context(), after, limit+1)
	if err != nil {
		c.failed(w, r, 0, err)
		return
	}
	var next *string
	if len(items) > limit {
		items = items[:limit]
		cursor := formatCursor(P(&items[limit-1]).Common().ID)
		next = &cursor
	}
	respond(w, http.StatusOK, struct {
		Items []T     `json:"items"`
		Next  *string `json:"next"`
	}{append([]T{}, items...), next})
}

func (c collection[T, P]) create(w http.ResponseWriter, r *http.Request) {
	value := new(T)
	if !read(w, r, P(value).Fields()) {
		return
	}
	if err := c.table.Create(r.Context(), value); err != nil {
		c.failed(w, r, 0, err)
		return
	}
	w.Header().Set("Location", fmt.Sprintf("%s/%d", c.path, P(value).Common().ID))
	respond(w, http.StatusCreated, value)
}

func (c collection[T, P]) get(w http.ResponseWriter, r *http.Request) {
	id, ok := c.id(w, r)
	if !ok {
		return
	}
	value, err := c.table.Get(r.Context(), id)
	if err != nil {
		c.failed(w, r, id, err)
		return
	}
	respond(w, http.StatusOK, value)
}

func (c collection[T, P]) replace(w http.ResponseWriter, r *http.Request) {
	id, ok := c.id(w, r)
	value := new(T)
	if !ok || !read(w, r, P(value).Fields()) {
		return
	}
	P(value).Common().ID = id
	if err := c.table.Replace(r.Context(), value); err != nil {
		c.failed(w, r, id, err)
		return
	}
	respond(w, http.StatusOK, value)
}

func (c collection[T, P]) remove(w http.ResponseWriter, r *http.Request) {
	id, ok := c.id(w, r)
	if !ok {
		return
	}
	if err := c.table.Delete(r.Context(), id); err != nil {
		c.failed(w, r, id, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// id is that of the path. What is no id names nothing.
func (c collection[T, P]) id(w http.ResponseWriter, r *http.Request) (int64, bool) {
	text := r.PathValue("id")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no %s %s", c.name, text))
	}
	return id, err == nil
}

// failed answers for the store.
func (c collection[T, P]) failed(w http.ResponseWriter, r *http.Request, id int64, err error) {
	if errors.Is(err, resource.ErrNotFound) {
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no %s %d", c.name, id))
		return
	}
	slog.ErrorContext(r.Context(), "store", "error", err)
	fail(w, r, http.StatusInternalServerError, "")
}

func formatCursor(id int64) string {
	return base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, id, 10))
}

func parseCursor(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(text), 10, 64)
}
