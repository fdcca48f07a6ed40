package watch

import (
	"io/fs"
	"syscall"
	"time"
)

// fileID tells files apart that exist at the same time; the zero value is
// unknown.
type fileID struct{ dev, ino uint64 }

func identify(st fs.FileInfo) fileID {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return fileID{uint64(s.Dev), s.Ino}
	}
	return fileID{}
}

// changeTime is when the file was written, created, linked or renamed last.
func changeTime(st fs.FileInfo) time.Time {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return time.Unix(s.Ctimespec.Unix())
	}
	return st.ModTime()
}

// touched reports whether what changed last was the content, or the time of
// it, and not only the mode or the owner.
func touched(st fs.FileInfo) bool { return changeTime(st).Equal(st.ModTime()) }
