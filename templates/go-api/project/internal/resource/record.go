package resource

import "errors"

// ErrNotFound says that there is nothing with this id.
var ErrNotFound = errors.New("not found")

// Base is what every resource has.
type Base struct {
	ID        int64 `json:"id"`
	CreatedAt Time  `json:"created_at"`
	UpdatedAt Time  `json:"updated_at"`
}

// Common gives access to it.
func (b *Base) Common() *Base { return b }

// Record is the pointer of a resource's type.
type Record[T any] interface {
	*T
	Common() *Base
	Fields() []Field
}
