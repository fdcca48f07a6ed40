// Package migrations has the SQL that makes the schema: files are applied once each, in the order of their names.
package migrations

import "embed"

// Files holds a folder for the kind of database.
//
//go:embed *
var Files embed.FS
