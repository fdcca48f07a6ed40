// Package config reads what the service is told by its environment.
package config

import (
	"cmp"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// Config is the environment, checked.
type Config struct {
	Address  string
	Service  string
	Version  string
	Instance string
	Level    slog.Level
	Database string // a URL, for the store

	ShutdownGrace time.Duration
	ShutdownDelay time.Duration

	// Traces says whether spans are sent; where to is up to the exporter, which reads OTEL_EXPORTER_OTLP_*.
	Traces bool
}

var levels = map[string]slog.Level{
	"debug":   slog.LevelDebug,
	"info":    slog.LevelInfo,
	"warning": slog.LevelWarn,
	"error":   slog.LevelError,
}

// Load reads the variables through getenv. Its error names the variable and what it wants.
func Load(getenv func(string) string) (Config, error) {
	var c Config
	c.Service = cmp.Or(getenv("SERVICE_NAME"), "acme-widgets")
	c.Version = cmp.Or(getenv("SERVICE_VERSION"), "0.1.0")
	c.Instance = cmp.Or(getenv("INSTANCE_ID"), c.Service)
	c.Traces = getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != ""

	port, err := strconv.ParseUint(cmp.Or(getenv("PORT"), "8000"), 10, 16)
	if err != nil {
		return c, fmt.Errorf("PORT has to be a number from 0 to 65535, not %q", getenv("PORT"))
	}
	c.Address = fmt.Sprintf("%s:%d", bracketed(cmp.Or(getenv("HOST"), "127.0.0.1")), port)

	level, ok := levels[cmp.Or(getenv("LOG_LEVEL"), "info")]
	if !ok {
		return c, fmt.Errorf("LOG_LEVEL has to be debug, info, warning or error, not %q", getenv("LOG_LEVEL"))
	}
	c.Level = level

	if c.ShutdownGrace, err = seconds("SHUTDOWN_GRACE", cmp.Or(getenv("SHUTDOWN_GRACE"), "10")); err != nil {
		return c, err
	}
	if c.ShutdownDelay, err = seconds("SHUTDOWN_DELAY", cmp.Or(getenv("SHUTDOWN_DELAY"), "0")); err != nil {
		return c, err
	}
	// msctl:if store!=none
	c.Database = cmp.Or(
		getenv("DATABASE_URL"),
		// msctl:if store=sqlite
		"sqlite:data/acme-widgets.db",
		// msctl:end
		// msctl:if store=postgres
		"postgres://localhost:5432/acme_widgets",
		// msctl:end
	)
	if err := checkDatabase(c.Database); err != nil {
		return c, err
	}
	// msctl:end
	return c, nil
}

// bracketed is a host as it stands before a port.
func bracketed(host string) string {
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		return "[" + host + "]"
	}
	return host
}

// seconds reads a number of seconds, at most a day's.
func seconds(name, value string) (time.Duration, error) {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || !(n >= 0 && n <= 86400) {
		return 0, fmt.Errorf("%s has to be a number of seconds from 0 to 86400, not %q", name, value)
	}
	return time.Duration(n * float64(time.Second)), nil
}
