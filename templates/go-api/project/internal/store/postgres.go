package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
)

// migrationLock is held while the schema changes, so that replicas which start together take turns. The number is arbitrary.
const migrationLock = "SELECT pg_advisory_xact_lock(7216034598)"

func openPostgres(ctx context.Context, database string) (*Store, error) {
	db, err := sql.Open("pgx", database)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.SetMaxOpenConns(10)
	db.SetMaxIdleConns(10)
	if err := migrate(ctx, db, "postgres", migrationLock); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Store{db}, nil
}
