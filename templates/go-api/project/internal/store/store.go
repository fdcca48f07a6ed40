// Package store keeps the resources.
package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Store is a database whose schema is up to date.
type Store struct {
	db *sql.DB
}

// Open connects to the database of a URL and applies what is missing of its migrations.
func Open(ctx context.Context, url string) (*Store, error) {
	scheme, _, _ := strings.Cut(url, ":")
	switch scheme {
	// msctl:if store=sqlite
	case "sqlite":
		return openSQLite(ctx, url)
	// msctl:end
	// msctl:if store=postgres
	case "postgres", "postgresql":
		return openPostgres(ctx, url)
	// msctl:end
	default:
		return nil, fmt.Errorf("a database of kind %q is none that this service knows", scheme)
	}
}

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.db.PingContext(ctx) }

// Close ends all connections.
func (s *Store) Close() error { return s.db.Close() }
