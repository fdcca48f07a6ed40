// Package store keeps the resources.
package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"example.com/acme-widgets/internal/resource"
)

// Store is where everything is kept: here, for as long as the process runs.
type Store struct{}

// Open returns the store.
func Open(context.Context, string) (*Store, error) { return &Store{}, nil }

// Ping says whether the store answers.
func (*Store) Ping(context.Context) error { return nil }

// Close ends the store.
func (*Store) Close() error { return nil }

// Table has the values of one resource, by id.
type Table[T any, P resource.Record[T]] struct {
	mu   sync.Mutex
	last int64
	rows []T
}

// NewTable is an empty table.
func NewTable[T any, P resource.Record[T]](*Store, string) *Table[T, P] { return &Table[T, P]{} }

// List is at most limit values whose ids are above after.
func (t *Table[T, P]) List(_ context.Context, after int64, limit int) ([]T, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from, found := t.find(after)
	if found {
		from++
	}
	return slices.Clone(t.rows[from:min(from+limit, len(t.rows))]), nil
}

// Get is the value with this id.
func (t *Table[T, P]) Get(_ context.Context, id int64) (T, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, found := t.find(id)
	if !found {
		var none T
		return none, resource.ErrNotFound
	}
	return t.rows[i], nil
}

// Create adds a value, which gets its id and its times.
func (t *Table[T, P]) Create(_ context.Context, value *T) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	now := resource.At(time.Now())
	*P(value).Common() = resource.Base{ID: t.last, CreatedAt: now, UpdatedAt: now}
	t.rows = append(t.rows, *value)
	return nil
}

// Replace sets all fields of the value with the id that it has.
func (t *Table[T, P]) Replace(_ context.Context, value *T) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	common := P(value).Common()
	i, found := t.find(common.ID)
	if !found {
		return resource.ErrNotFound
	}
	common.CreatedAt = P(&t.rows[i]).Common().CreatedAt
	common.UpdatedAt = resource.At(time.Now())
	t.rows[i] = *value
	return nil
}

// Delete removes the value with this id.
func (t *Table[T, P]) Delete(_ context.Context, id int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, found := t.find(id)
	if !found {
		return resource.ErrNotFound
	}
	t.rows = slices.Delete(t.rows, i, i+1)
	return nil
}

// find is where the value with this id is, or would be: ids only grow.
func (t *Table[T, P]) find(id int64) (int, bool) {
	return slices.BinarySearchFunc(t.rows, id, func(row T, id int64) int {
		return int(min(max(P(&row).Common().ID-id, -1), 1))
	})
}
