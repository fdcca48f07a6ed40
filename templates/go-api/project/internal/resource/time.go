package resource

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// Time is a moment in UTC, to the microsecond: what every store keeps.
type Time struct{ time.Time }

// At is a moment as it is kept.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Microsecond)} }

// Scan reads a column.
func (t *Time) Scan(from any) error {
	value, ok := from.(time.Time)
	if !ok {
		return fmt.Errorf("scan a time: it is a %T", from)
	}
	*t = At(value)
	return nil
}

// Value is written to a column.
func (t Time) Value() (driver.Value, error) { return t.Time, nil }
