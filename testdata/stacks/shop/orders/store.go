package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver: SQLite without cgo
)

const schema = `
CREATE TABLE IF NOT EXISTS orders (
	id          INTEGER PRIMARY KEY,
	item_id     INTEGER NOT NULL,
	item        TEXT    NOT NULL,
	quantity    INTEGER NOT NULL CHECK (quantity > 0),
	total_cents INTEGER NOT NULL
)`

// Order is an order that was placed, with the name and the price of that time.
type Order struct {
	ID         int64  `json:"id"`
	ItemID     int64  `json:"item_id"`
	Item       string `json:"item"`
	Quantity   int64  `json:"quantity"`
	TotalCents int64  `json:"total_cents"`
}

// Store keeps the orders in a SQLite file, which several instances may share.
type Store struct{ db *sql.DB }

// OpenStore opens the file at path and creates what is missing of it.
func OpenStore(ctx context.Context, path string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	// During a reload the old instance and the new one write to the same file.
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if _, err := db.ExecContext(ctx, schema); err != nil {
		db.Close()
		return nil, fmt.Errorf("create tables in %s: %w", path, err)
	}
	return &Store{db: db}, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Ping reports whether the file can be read.
func (s *Store) Ping(ctx context.Context) error { return s.db.PingContext(ctx) }

// Add saves the order and returns it with its ID.
func (s *Store) Add(ctx context.Context, o Order) (Order, error) {
	err := s.db.QueryRowContext(ctx,
		`INSERT INTO orders (item_id, item, quantity, total_cents) VALUES (?, ?, ?, ?) RETURNING id`,
		o.ItemID, o.Item, o.Quantity, o.TotalCents).Scan(&o.ID)
	if err != nil {
		return Order{}, fmt.Errorf("add order: %w", err)
	}
	return o, nil
}

// Latest returns the last 20 orders, the newest first.
func (s *Store) Latest(ctx context.Context) ([]Order, error) {
	rows, err := s.db.QueryContext(ctx,
		`SELECT id, item_id, item, quantity, total_cents FROM orders ORDER BY id DESC LIMIT 20`)
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	defer rows.Close()

	orders := []Order{} // an empty list in JSON, not null
	for rows.Next() {
		var o Order
		if err := rows.Scan(&o.ID, &o.ItemID, &o.Item, &o.Quantity, &o.TotalCents); err != nil {
			return nil, fmt.Errorf("list orders: %w", err)
		}
		orders = append(orders, o)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	return orders, nil
}
