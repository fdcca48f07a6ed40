package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver
)

func openSQLite(ctx context.Context, database string) (*Store, error) {
	path := strings.TrimPrefix(database, "sqlite:")
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	// Immediate: a transaction that reads first and then writes would fail when another writes in between.
	options := url.Values{
		"_pragma":      {"busy_timeout(5000)", "journal_mode(WAL)"},
		"_txlock":      {"immediate"},
		"_time_format": {"sqlite"},
	}
	file := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", file.String())
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := migrate(ctx, db, "sqlite", ""); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Store{db}, nil
}
