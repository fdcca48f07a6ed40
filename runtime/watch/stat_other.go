//go:build !linux && !darwin

package watch

import (
	"io/fs"
	"time"
)

// fileID tells files apart that exist at the same time; the zero value is
// unknown, as all are here.
type fileID struct{ dev, ino uint64 }

func identify(fs.FileInfo) fileID { return fileID{} }

// changeTime is when the file was written last: here nothing tells of renames.
func changeTime(st fs.FileInfo) time.Time { return st.ModTime() }

// touched is never known here, nor are changes of the mode alone told.
func touched(fs.FileInfo) bool { return false }
