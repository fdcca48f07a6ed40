package watch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// lister lists folders, in no order. It does what os.ReadDir does with half of
// the system calls, and keeps no names of files that are not wanted: when
// many folders are watched, listing is most of the work.
type lister struct{ buf [32 << 10]byte }

func (l *lister) list(path string, want wanted) (entries []entry, err error) {
	fd, err := uninterrupted(func() (int, error) {
		return unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			err = unix.ENOENT // something else stands there now
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd) //nolint:errcheck // only read
	for {
		n, err := uninterrupted(func() (int, error) { return unix.Getdents(fd, l.buf[:]) })
		if err != nil {
			return nil, &fs.PathError{Op: "list", Path: path, Err: err}
		}
		if n == 0 {
			return entries, nil
		}
		for rest := l.buf[:n]; len(rest) > 0; { // struct linux_dirent64, getdents(2)
			size := binary.NativeEndian.Uint16(rest[16:])
			name, _, _ := bytes.Cut(rest[19:size], []byte{0})
			kind := rest[18]
			rest = rest[size:]
			if e, ok := listed(fd, name, kind, want); ok {
				entries = append(entries, e)
			}
		}
	}
}

// listed returns an entry if it is wanted.
func listed(fd int, name []byte, kind byte, want wanted) (e entry, ok bool) {
	if string(name) == "." || string(name) == ".." {
		return e, false
	}
	special := string(name) == gitignoreName || string(name) == ".git"
	if kind == unix.DT_REG && !special && !want.files() {
		return e, false
	}
	e.name = string(name)
	if kind == unix.DT_UNKNOWN || kind == unix.DT_DIR || kind == unix.DT_REG && !want.after.IsZero() {
		var st unix.Stat_t
		if _, err := uninterrupted(func() (int, error) { return 0, unix.Fstatat(fd, e.name, &st, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
			return e, false // it has gone
		}
		kind, e.at = byte(st.Mode&unix.S_IFMT>>12), time.Unix(st.Ctim.Unix()) // DT_* are those bits
		e.mod = time.Unix(st.Mtim.Unix())
		e.id = fileID{st.Dev, st.Ino}
	}
	switch kind {
	case unix.DT_DIR:
		e.kind = fs.ModeDir
	case unix.DT_LNK:
		e.kind = fs.ModeSymlink
	case unix.DT_REG:
		return e, special || want.all || !want.after.IsZero() && e.at.After(want.after)
	default:
		return e, special // sockets, pipes and devices
	}
	return e, true
}

// uninterrupted makes a call again that a signal has interrupted.
func uninterrupted(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
