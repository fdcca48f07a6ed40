package templates

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gofrs/flock"
)

// Where Apply keeps what it needs to take everything back, in the folder that
// it changes.
const (
	stateDir    = ".msctl"
	stageDir    = stateDir + "/stage"
	journalName = stageDir + "/journal.json"
	lockName    = stateDir + "/stage.lock"

	lockPatience = 10 * time.Second
	lockPoll     = 10 * time.Millisecond
)

// undo is how one change is taken back. What was in a file before is in the
// stage, under its number.
type undo struct {
	Path string
	Had  bool // there was a file
	Exec bool
	Made []string // folders that were made for it, the outermost first
}

// ChangedError says that a file is no longer what the plan was made for.
type ChangedError struct{ Path string }

func (e *ChangedError) Error() string { return e.Path + " was changed meanwhile" }

// Hint tells what to do.
func (e *ChangedError) Hint() string { return "nothing was written; run the command again" }

// Apply carries out a plan in the folder root, all of it or nothing: on an error
// everything is as it was, and what a killed Apply left half done is taken back
// by the next one, or by Recover. Paths through links out of root are refused.
func Apply(ctx context.Context, root string, plan []Change) error {
	r, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // nothing was written through it
	unlock, err := lock(ctx, r, root)
	if err != nil {
		return err
	}
	defer unlock()
	if err := takeBack(r); err != nil {
		return err
	}
	if err := stage(r, plan); err != nil {
		return errors.Join(err, r.RemoveAll(stageDir))
	}
	for n, c := range plan {
		if err == nil && c.Writes() {
			err = move(r, n, c)
		}
	}
	if err != nil {
		return errors.Join(err, takeBack(r))
	}
	return finish(r)
}

// Recover takes back what a killed Apply left half done in root.
func Recover(ctx context.Context, root string) error {
	if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(journalName))); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return Apply(ctx, root, nil)
}

// lock keeps others from changing root at the same time.
func lock(ctx context.Context, r *os.Root, root string) (unlock func(), err error) {
	if err := r.MkdirAll(stateDir, 0o755); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	l := flock.New(filepath.Join(root, filepath.FromSlash(lockName)))
	if _, err := l.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("wait for another msctl that changes this folder: %w", err)
	}
	return func() { _ = l.Unlock() }, nil
}

func stagedName(kind string, n int) string { return path.Join(stageDir, kind+strconv.Itoa(n)) }

// stage writes all that will be needed, and last the journal: from then on there
// is something to take back.
func stage(r *os.Root, plan []Change) error {
	if err := r.RemoveAll(stageDir); err != nil {
		return err
	}
	if err := r.MkdirAll(stageDir, 0o755); err != nil {
		return err
	}
	var journal []undo
	for n, c := range plan {
		if !c.Writes() {
			journal = append(journal, undo{})
			continue
		}
		u, err := prepare(r, n, c)
		if err != nil {
			return err
		}
		journal = append(journal, u)
	}
	data, err := json.Marshal(journal)
	if err != nil {
		return err
	}
	if err := write(r, journalName+".new", data, false); err != nil {
		return err
	}
	return r.Rename(journalName+".new", journalName)
}

// prepare stages one change, if the file is still what the plan was made for.
func prepare(r *os.Root, n int, c Change) (undo, error) {
	u := undo{Path: c.Path, Had: c.From != nil}
	info, err := r.Lstat(c.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if u.Had {
			return u, &ChangedError{c.Path}
		}
	case err != nil:
		return u, err
	case !u.Had || !info.Mode().IsRegular():
		return u, &ChangedError{c.Path}
	default:
		u.Exec = info.Mode()&0o100 != 0
		now, err := r.ReadFile(c.Path)
		if err != nil {
			return u, err
		}
		if !bytes.Equal(now, c.From) {
			return u, &ChangedError{c.Path}
		}
		if err := write(r, stagedName("old", n), now, u.Exec); err != nil {
			return u, err
		}
	}
	for at := path.Dir(c.Path); at != "."; at = path.Dir(at) {
		if _, err := r.Lstat(at); err == nil {
			break
		}
		u.Made = append([]string{at}, u.Made...)
	}
	if c.To == nil {
		return u, nil
	}
	return u, write(r, stagedName("new", n), c.To, c.Exec || u.Exec)
}

// write writes a file to the disk, not just to the system's memory: the journal
// must not be there without what it names.
func write(r *os.Root, name string, data []byte, exec bool) error {
	mode := fs.FileMode(0o644)
	if exec {
		mode = 0o755
	}
	f, err := r.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// move puts one staged file into its place.
func move(r *os.Root, n int, c Change) error {
	if c.To == nil {
		return r.Remove(c.Path)
	}
	if err := r.MkdirAll(path.Dir(c.Path), 0o755); err != nil {
		return err
	}
	return r.Rename(stagedName("new", n), c.Path)
}

// takeBack undoes what the journal names. It can be interrupted and begun again.
func takeBack(r *os.Root) error {
	data, err := r.ReadFile(journalName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var journal []undo
	if err := json.Unmarshal(data, &journal); err != nil {
		return fmt.Errorf("%s: %w", journalName, err)
	}
	for n, u := range journal {
		switch {
		case u.Path == "":
		case u.Had:
			err = restore(r, n, u)
		default:
			err = removeFile(r, u)
		}
		if err != nil {
			return fmt.Errorf("take back what was half done: %w", err)
		}
	}
	return finish(r)
}

func restore(r *os.Root, n int, u undo) error {
	old, err := r.ReadFile(stagedName("old", n))
	if err != nil {
		return err
	}
	if err := write(r, stagedName("back", n), old, u.Exec); err != nil {
		return err
	}
	return r.Rename(stagedName("back", n), u.Path)
}

// removeFile removes a file that was not there before, and the folders made for it.
func removeFile(r *os.Root, u undo) error {
	if err := r.Remove(u.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for n := len(u.Made) - 1; n >= 0; n-- {
		_ = r.Remove(u.Made[n]) // not while another's file is in it
	}
	return nil
}

// finish forgets the journal first: without it, the stage is of no use.
func finish(r *os.Root) error {
	if err := r.Remove(journalName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return r.RemoveAll(stageDir)
}
