package config

import (
	"fmt"
	"strings"
)

// checkDatabase does not repeat the URL: there may be a password in it.
func checkDatabase(url string) error {
	// msctl:if store=sqlite
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok && strings.Trim(path, "/") != "" {
		return nil
	}
	// msctl:end
	// msctl:if store=postgres
	if strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://") {
		return nil
	}
	// msctl:end
	return fmt.Errorf("DATABASE_URL has to be %s", strings.Join([]string{
		// msctl:if store=sqlite
		"sqlite: and a path",
		// msctl:end
		// msctl:if store=postgres
		"postgres://user@host/name",
		// msctl:end
	}, " or "))
}
