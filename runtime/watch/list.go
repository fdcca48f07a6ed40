package watch

import (
	"io/fs"
	"time"
)

// entry is what a folder holds.
type entry struct {
	name string
	kind fs.FileMode // the type alone
	id   fileID      // of a folder
	at   time.Time   // of a file: when it was changed in any way, if that was asked for
	mod  time.Time   // and when it was written
}

// wanted says which files are to be listed; folders and links always are, and
// what says what is ignored.
type wanted struct {
	all   bool
	after time.Time // those that were changed after this, unless it is zero
}

func (w wanted) files() bool { return w.all || !w.after.IsZero() }
