// Package journal keeps a small map on disk, so that it is there after its
// process was killed: each change is one write to the end of a file, which is
// written anew when most of it is out of date. Nothing is synced: what a change
// survives is the end of the process, not of the machine.
package journal

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"sync"
)

// minGarbage is how much of a file is out of date before it is written anew, in
// bytes; it is half of it, at least.
const minGarbage = 1 << 20

// Journal is an open one. It is safe for concurrent use.
type Journal struct {
	path    string
	onError func(error)

	mu     sync.Mutex
	file   *os.File // nil when it is closed
	size   int64
	live   map[string]span // by key
	used   int64           // bytes of live
	failed bool            // the last write did
	later  int64           // the size below which it is not written anew: that failed before
}

// span is where the line of a key is in the file.
type span struct{ at, size int64 }

// line is a key and what it has; without a value, it is gone.
type line struct {
	Key   string          `json:"k"`
	Value json.RawMessage `json:"v,omitempty"`
}

// Change sets a key, or deletes it.
type Change struct {
	Key   string
	Value any // marshalled as JSON; nil deletes
}

// Open opens the file at path, or makes it. A file that is damaged is set aside,
// under the name that is returned (else ""), and what is whole of it goes on.
// onError hears of changes that could not be written: of the first of them, until
// one could.
func Open(path string, onError func(error)) (j *Journal, damaged string, err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, "", err
	}
	j = &Journal{path: path, onError: onError, file: file, live: map[string]span{}}
	whole, err := j.scan()
	if err != nil {
		_ = file.Close() // it was only read
		return nil, "", err
	}
	if whole {
		return j, "", nil
	}
	damaged = path + ".damaged"
	if err := os.Rename(path, damaged); err != nil {
		_ = file.Close() // as above
		return nil, "", err
	}
	if err := j.rewrite(); err != nil {
		_ = file.Close() // as above
		return nil, "", err
	}
	return j, damaged, nil
}

// scan reads the file: it finds the live lines, and whether all of it is whole.
// After a record that is not, it looks for the next one.
func (j *Journal) scan() (whole bool, err error) {
	all, err := io.ReadAll(j.file)
	if err != nil {
		return false, err
	}
	whole = true
	for at := 0; at < len(all); {
		end := bytes.IndexByte(all[at:], '\n') + 1
		if end == 0 {
			whole = false
			break
		}
		from := at + end
		var sum uint32
		var length int
		_, err := fmt.Sscanf(string(all[at:from]), "%08x %d\n", &sum, &length)
		at = from
		if err != nil || length < 0 || length > len(all)-from {
			whole = false
			continue
		}
		body := all[from : from+length]
		if crc32.ChecksumIEEE(body) != sum || !j.note(body, int64(from)) {
			whole = false
			continue
		}
		at += length
	}
	j.size = int64(len(all))
	return whole, nil
}

// note takes over the lines of a record's body, which is at an offset.
func (j *Journal) note(body []byte, at int64) bool {
	lines := make([]line, 0, 1)
	spans := make([]span, 0, 1)
	for len(body) > 0 {
		end := bytes.IndexByte(body, '\n')
		var l line
		if end < 0 || json.Unmarshal(body[:end], &l) != nil {
			return false
		}
		lines, spans = append(lines, l), append(spans, span{at, int64(end) + 1})
		at += int64(end) + 1
		body = body[end+1:]
	}
	for n, l := range lines {
		j.place(l.Key, spans[n], l.Value != nil)
	}
	return true
}

func (j *Journal) place(key string, s span, there bool) {
	j.used -= j.live[key].size
	delete(j.live, key)
	if there {
		j.live[key] = s
		j.used += s.size
	}
}

// Each calls f with each key and its value, in the order of their last changes,
// until f returns an error.
func (j *Journal) Each(f func(key string, value json.RawMessage) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.each(func(_, _ []byte, l line) error { return f(l.Key, l.Value) })
}

func (j *Journal) each(f func(head, text []byte, l line) error) error {
	keys := make([]string, 0, len(j.live))
	for key := range j.live {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Compare(j.live[a].at, j.live[b].at) })
	for _, key := range keys {
		s := j.live[key]
		text := make([]byte, s.size)
		if _, err := j.file.ReadAt(text, s.at); err != nil {
			return err
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return err
		}
		if err := f(head(text), text, l); err != nil {
			return err
		}
	}
	return nil
}

func head(body []byte) []byte {
	return fmt.Appendf(nil, "%08x %d\n", crc32.ChecksumIEEE(body), len(body))
}

// Write makes changes: all of them, or, where it is killed, none.
func (j *Journal) Write(changes ...Change) {
	body, ends := make([]byte, 0, 256), make([]int, 0, len(changes))
	for _, c := range changes {
		l := line{Key: c.Key}
		var err error
		if c.Value != nil {
			l.Value, err = json.Marshal(c.Value)
		}
		if err == nil {
			var text []byte
			text, err = json.Marshal(l)
			body = append(append(body, text...), '\n')
		}
		if err != nil { // a value that JSON cannot have
			j.mu.Lock()
			j.ended(fmt.Errorf("%s: %w", c.Key, err))
			j.mu.Unlock()
			return
		}
		ends = append(ends, len(body))
	}
	head := head(body)

	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return
	}
	if _, err := j.file.WriteAt(append(head, body...), j.size); err != nil {
		j.ended(err) // the next write is over it
		return
	}
	at, from := j.size+int64(len(head)), 0
	for n, c := range changes {
		j.place(c.Key, span{at + int64(from), int64(ends[n] - from)}, c.Value != nil)
		from = ends[n]
	}
	j.size += int64(len(head) + len(body))
	j.ended(nil)
	if garbage := j.size - j.used; garbage > max(minGarbage, 2*j.used) && j.size >= j.later {
		if err := j.rewrite(); err != nil { // it goes on as it is, and grows
			j.later = j.size + minGarbage
			if j.onError != nil {
				j.onError(fmt.Errorf("%s is not made smaller: %w", j.path, err))
			}
		}
	}
}

// ended tells how a write did. The caller holds mu.
func (j *Journal) ended(err error) {
	if err != nil && !j.failed && j.onError != nil {
		j.onError(fmt.Errorf("%s: what changes now is lost if this ends: %w", j.path, err))
	}
	j.failed = err != nil
}

// rewrite writes what is live to a new file, which takes the place of the other.
// The caller holds mu.
func (j *Journal) rewrite() (err error) {
	next, err := os.OpenFile(j.path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = next.Close()           // the error is told
			_ = os.Remove(next.Name()) // as above
		}
	}()
	w := bufio.NewWriterSize(next, 1<<16)
	live := make(map[string]span, len(j.live))
	var size int64
	err = j.each(func(head, text []byte, l line) error {
		_, _ = w.Write(head) // its error stays, and is the next one's
		_, err := w.Write(text)
		live[l.Key] = span{size + int64(len(head)), int64(len(text))}
		size += int64(len(head) + len(text))
		return err
	})
	if err := errors.Join(err, w.Flush(), next.Sync()); err != nil {
		return err
	}
	if err := os.Rename(next.Name(), j.path); err != nil {
		return err
	}
	_ = j.file.Close() // it has no name any more
	j.file, j.live, j.size = next, live, size
	return nil
}

// Close closes the file. What is written later is lost.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	file := j.file
	j.file = nil
	return file.Close()
}
