package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// LimitError says that the system watches no more folders. Those that it does
// not watch are polled.
type LimitError struct {
	Setting string // the name of the sysctl, or what else bounds it
	Value   string // what it is, "" if that is not known
	Err     error
}

func (e *LimitError) Error() string {
	at := e.Setting
	if e.Value != "" {
		at += " = " + e.Value
	}
	return fmt.Sprintf("watch files: limit reached (%s): %v", at, e.Err)
}

func (e *LimitError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *LimitError) Hint() string {
	const now = "the folders that got no watch are looked at every 0.2 to 2 s"
	if !strings.HasPrefix(e.Setting, "fs.inotify.") {
		return now + "; raise the limit of open files (ulimit -n), or ignore folders that need not be watched"
	}
	return fmt.Sprintf("%s; raise it with: sudo sysctl %s=%d", now, e.Setting, larger(e.Value))
}

// larger is a limit that is enough for most.
func larger(value string) int {
	var n int
	_, _ = fmt.Sscan(value, &n) // 0 when it is not known
	return max(2*n, map[bool]int{true: 524288, false: 1024}[n > 4096 || n == 0])
}

// MissingError says that a path of a scope is not there. It is watched as soon
// as it is.
type MissingError struct{ Scope, Path string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("watch %s: %s is not there; waiting for it", e.Scope, e.Path)
}

const (
	maxWatches   = "fs.inotify.max_user_watches"
	maxInstances = "fs.inotify.max_user_instances"
)

// limitError returns what limit an error of the source is about, nil if none.
func limitError(err error, opening bool) *LimitError {
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
		return nil
	}
	e := &LimitError{Setting: "open files", Err: err}
	if runtime.GOOS == "linux" {
		e.Setting = maxWatches
		if opening {
			e.Setting = maxInstances
		}
		value, _ := os.ReadFile(filepath.Join("/proc/sys", strings.ReplaceAll(e.Setting, ".", "/")))
		e.Value = strings.TrimSpace(string(value))
	}
	return e
}

// refused tells that the source does not watch a folder.
func (t *tree) refused(err error, folder string) {
	if limit := limitError(err, false); limit != nil {
		t.noticeOnce(limit.Setting, limit)
		return
	}
	t.notice("watch "+folder, err)
}

// notice tells of an error with a folder: the first of its kind, since there may be many.
func (t *tree) notice(what string, err error) {
	kind := err
	for e := err; e != nil; e = errors.Unwrap(e) {
		kind = e
	}
	t.noticeOnce(kind.Error(), fmt.Errorf("%s: %w", what, err))
}

// unopened tells that there is no source at all.
func (t *tree) unopened(err error) {
	if limit := limitError(err, true); limit != nil {
		err = limit
	}
	t.noticeOnce("", err)
}

// noticeMissing tells of the paths that are not there, once what changes has
// settled: many tools take a folder away to put another one in its place.
func (t *tree) noticeMissing() {
	for _, s := range t.scopes {
		if s.batch != nil {
			continue
		}
		for p, a := range s.named {
			if a.stands == nothing {
				t.noticeOnce(s.Name+"\x00"+p, &MissingError{s.Name, p})
			}
		}
	}
}

// maxNotices is how many notices there are at most.
const maxNotices = 1000

func (t *tree) noticeOnce(key string, err error) {
	if t.told[key] || len(t.told) >= maxNotices {
		return
	}
	t.told[key] = true
	if t.o.Notice != nil {
		t.o.Notice(err)
	}
}
