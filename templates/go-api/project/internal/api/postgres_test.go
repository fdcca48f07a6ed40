package api

import (
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"
)

// newSchema is the URL of an empty schema, which is dropped when the test ends.
func newSchema(t *testing.T) string {
	t.Helper()
	base, err := url.Parse(os.Getenv("TEST_DATABASE_URL"))
	if err != nil {
		t.Fatal(err)
	}
	if base.String() == "" {
		return ""
	}
	db, err := sql.Open("pgx", base.String())
	if err != nil {
		t.Fatal(err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	if _, err := db.Exec("CREATE SCHEMA " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Exec("DROP SCHEMA " + name + " CASCADE")
		db.Close()
	})
	query := base.Query()
	query.Set("search_path", name)
	base.RawQuery = query.Encode()
	return base.String()
}
