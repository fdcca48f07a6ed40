package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"path"

	"example.com/acme-widgets/migrations"
)

// migrate applies what is missing, all of it or nothing. The lock is a statement for databases whose
// transactions do not exclude one another.
func migrate(ctx context.Context, db *sql.DB, kind, lock string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("migrate: %w", err)
		}
	}()
	files, err := fs.Glob(migrations.Files, kind+"/*.sql")
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit

	if lock != "" {
		if _, err := tx.ExecContext(ctx, lock); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY)"); err != nil {
		return err
	}
	for _, file := range files {
		if err := apply(ctx, tx, file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return tx.Commit()
}

func apply(ctx context.Context, tx *sql.Tx, file string) error {
	name := path.Base(file)
	var done bool
	err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM schema_migrations WHERE name = $1)", name).Scan(&done)
	if err != nil || done {
		return err
	}
	statements, err := migrations.Files.ReadFile(file)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, string(statements)); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO schema_migrations (name) VALUES ($1)", name)
	return err
}
