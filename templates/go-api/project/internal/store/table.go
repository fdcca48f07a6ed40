package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"example.com/acme-widgets/internal/resource"
)

// Table has the values of one resource.
type Table[T any, P resource.Record[T]] struct {
	db                                 *sql.DB
	list, get, create, replace, remove string
}

// NewTable is the table of this name. Its columns are those of the resource.
func NewTable[T any, P resource.Record[T]](s *Store, name string) *Table[T, P] {
	var columns, places, sets []string
	for i, f := range P(new(T)).Fields() {
		columns = append(columns, f.Name)
		places = append(places, fmt.Sprintf("$%d", i+3))
		sets = append(sets, fmt.Sprintf("%s = $%d", f.Name, i+3))
	}
	fields, values := strings.Join(columns, ", "), strings.Join(places, ", ")
	all := "id, created_at, updated_at, " + fields
	return &Table[T, P]{
		db:      s.db,
		list:    fmt.Sprintf("SELECT %s FROM %s WHERE id > $1 ORDER BY id LIMIT $2", all, name),
		get:     fmt.Sprintf("SELECT %s FROM %s WHERE id = $1", all, name),
		create:  fmt.Sprintf("INSERT INTO %s (created_at, updated_at, %s) VALUES ($1, $2, %s) RETURNING %s", name, fields, values, all),
		replace: fmt.Sprintf("UPDATE %s SET updated_at = $2, %s WHERE id = $1 RETURNING %s", name, strings.Join(sets, ", "), all),
		remove:  fmt.Sprintf("DELETE FROM %s WHERE id = $1", name),
	}
}

// List is at most limit values whose ids are above after.
func (t *Table[T, P]) List(ctx context.Context, after int64, limit int) ([]T, error) {
	rows, err := t.db.QueryContext(ctx, t.list, after, limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err has what went wrong
	values := []T{}
	for rows.Next() {
		var value T
		if err := rows.Scan(columns[T, P](&value)...); err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, rows.Err()
}

// Get is the value with this id.
func (t *Table[T, P]) Get(ctx context.Context, id int64) (T, error) {
	var value T
	err := found(t.db.QueryRowContext(ctx, t.get, id).Scan(columns[T, P](&value)...))
	return value, err
}

// Create adds a value, which gets its id and its times.
func (t *Table[T, P]) Create(ctx context.Context, value *T) error {
	now := resource.At(time.Now())
	args := append([]any{now, now}, fields[T, P](value)...)
	return t.db.QueryRowContext(ctx, t.create, args...).Scan(columns[T, P](value)...)
}

// Replace sets all fields of the value with the id that it has.
func (t *Table[T, P]) Replace(ctx context.Context, value *T) error {
	args := append([]any{P(value).Common().ID, resource.At(time.Now())}, fields[T, P](value)...)
	return found(t.db.QueryRowContext(ctx, t.replace, args...).Scan(columns[T, P](value)...))
}

// Delete removes the value with this id.
func (t *Table[T, P]) Delete(ctx context.Context, id int64) error {
	result, err := t.db.ExecContext(ctx, t.remove, id)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return resource.ErrNotFound
}

func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return resource.ErrNotFound
	}
	return err
}

func columns[T any, P resource.Record[T]](value *T) []any {
	base := P(value).Common()
	return append([]any{&base.ID, &base.CreatedAt, &base.UpdatedAt}, fields[T, P](value)...)
}

func fields[T any, P resource.Record[T]](value *T) []any {
	var pointers []any
	for _, f := range P(value).Fields() {
		pointers = append(pointers, f.Value)
	}
	return pointers
}
