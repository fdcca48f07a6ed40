package logs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Store is the logs of a stack. All methods may be called from any goroutine.
// It starts nothing and holds no file open but for services that have a writer,
// so there is nothing to close but the writers: each leaves all of its service's
// log on disk.
type Store struct {
	dir          string
	readOnly     bool
	segmentSize  int64
	segmentCount int
	idle         time.Duration
	onError      func(error)
	began        time.Time
	pack         *pack
	fileAfter    time.Duration
	fileSpread   time.Duration

	mu        sync.Mutex
	streams   []*stream // sorted by service; replaced, never changed
	instances map[string]*Writer

	waiting atomic.Int32 // len(waiters)
	waitMu  sync.Mutex
	waiters map[*waiter]struct{}
}

// Option changes how a store works.
type Option func(*Store)

// WithSegments sets how large a segment becomes, in bytes (below 4 GiB), and
// how many of each service are kept.
func WithSegments(size int64, count int) Option {
	return func(s *Store) { s.segmentSize, s.segmentCount = min(size, 1<<32-1-2*MaxLine), max(1, count) }
}

// OnError is told when a log cannot be written: once for each cause and
// service, and again when it fails after it had worked. It is called from any
// goroutine, and must not block.
func OnError(f func(error)) Option {
	return func(s *Store) { s.onError = f }
}

// Open opens the logs in dir for reading and writing, which one process at a
// time may do. The folder is made when it is missing.
func Open(dir string, opts ...Option) (*Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open logs: %w", err)
	}
	return open(dir, false, opts)
}

// OpenReadOnly opens what logs have on disk when they are first used: Next
// returns io.EOF at its end. It is meant for logs that no process writes any
// more; what one writes is on disk within a second, but when it also rotates
// them, reading may fail. A folder that does not exist holds no logs.
func OpenReadOnly(dir string) (*Store, error) {
	return open(dir, true, nil)
}

func open(dir string, readOnly bool, opts []Option) (*Store, error) {
	s := &Store{
		dir:          dir,
		readOnly:     readOnly,
		segmentSize:  DefaultSegmentSize,
		segmentCount: DefaultSegments,
		idle:         partialAfter,
		onError:      func(error) {},
		began:        time.Now(),
		pack:         newPack(dir),
		fileAfter:    fileAfter,
		fileSpread:   fileSpread,
		instances:    map[string]*Writer{},
		waiters:      map[*waiter]struct{}{},
	}
	for _, o := range opts {
		o(s)
	}
	packed, err := s.pack.read() // before the files: a draft that gets them meanwhile is found at least once
	if err != nil {
		return nil, fmt.Errorf("open logs: %w", err)
	}
	found, err := s.list()
	if err != nil {
		return nil, fmt.Errorf("open logs: %w", err)
	}
	for service, drafts := range packed {
		if found[service] == nil {
			found[service] = &stream{store: s, service: service}
		}
		found[service].adopt(drafts)
	}
	for _, st := range found {
		if len(st.segments) > 0 {
			s.streams = append(s.streams, st)
		}
	}
	slices.SortFunc(s.streams, func(a, b *stream) int { return strings.Compare(a.service, b.service) })
	if !readOnly && s.pack.wasteful() {
		if err := s.pack.rewrite(); err != nil {
			s.onError(err) // it stays as it is
		}
	}
	return s, nil
}

// list finds the services and segments that have files. What is in them is
// read when a service is first used.
func (s *Store) list() (map[string]*stream, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	found := map[string]*stream{}
	active := map[string]bool{}
	indexes := map[string][]int{}
	for _, e := range entries {
		service, kind, seq, ok := parseName(e.Name())
		if !ok || e.IsDir() {
			continue
		}
		switch kind {
		case "idx":
			indexes[service] = append(indexes[service], seq)
			continue
		case "log":
			if found[service] == nil {
				found[service] = &stream{store: s, service: service}
			}
		}
		if seq == 0 {
			active[service] = true
			continue
		}
		found[service].segments = append(found[service].segments, segment{seq: seq, path: s.retiredPath(service, seq)})
	}
	for service, st := range found {
		slices.SortFunc(st.segments, func(a, b segment) int { return cmp.Compare(a.seq, b.seq) })
		if active[service] {
			// The active segment comes after the last; when there is no index
			// of that number, the older ones may be lost.
			seq := st.lastSegment().seq + 1
			if !slices.Contains(indexes[service], seq) {
				seq = slices.Max(append(indexes[service], seq))
			}
			st.segments = append(st.segments, segment{seq: seq, path: s.activePath(service)})
		}
		for i := range st.segments {
			st.segments[i].indexPath = s.indexPath(service, st.segments[i].seq)
		}
	}
	return found, nil
}

// load reads what the segments hold, once. One that cannot be read is kept as
// an empty one; the first call reports it, those of a read-only store all do.
func (st *stream) load() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.loaded {
		return st.loading
	}
	st.loaded, st.named = true, map[nameKey]string{}
	var prev mark
	var failed error
	for i := range st.segments {
		g := &st.segments[i]
		if g.path == "" {
			prev = g.end()
			continue
		}
		if err := g.load(prev, !st.store.readOnly); err != nil {
			*g = segment{seq: g.seq, path: g.path, indexPath: g.indexPath, base: prev}
			if errors.Is(err, fs.ErrNotExist) {
				continue // it was deleted since the store was opened
			}
			failed = fmt.Errorf("read the log of %s: %w", st.service, err)
		}
		prev = g.end()
	}
	if st.store.readOnly {
		st.loading = failed
	}
	return failed
}

// Services returns the names of the services that have a log, sorted.
func (s *Store) Services() []string {
	var names []string
	for _, st := range s.all() {
		names = append(names, st.service)
	}
	return names
}

func (s *Store) all() []*stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams
}

// stream returns the log of a service, making one when there is none.
func (s *Store) stream(service string) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := slices.BinarySearchFunc(s.streams, service, func(st *stream, name string) int {
		return strings.Compare(st.service, name)
	})
	if ok {
		return s.streams[i]
	}
	st := &stream{store: s, service: service}
	s.streams = slices.Insert(slices.Clone(s.streams), i, st)
	return st
}

// now is the time on a clock that is never set back while the store lives.
func (s *Store) now() time.Time { return s.began.Add(time.Since(s.began)) }

// onClock is a time in nanoseconds as now would have had it: one taken in this
// process counts by the monotonic clock, as now does.
func (s *Store) onClock(t time.Time) int64 { return s.began.Add(t.Sub(s.began)).UnixNano() }

func (s *Store) activePath(service string) string {
	return filepath.Join(s.dir, fileName(service)+".log")
}

func (s *Store) retiredPath(service string, seq int) string {
	return s.activePath(service) + "." + strconv.Itoa(seq)
}

func (s *Store) indexPath(service string, seq int) string {
	return filepath.Join(s.dir, fileName(service)+".idx."+strconv.Itoa(seq))
}

// fileName is a service's name as part of a file's: names that a stack file
// allows stay as they are.
func fileName(service string) string {
	return strings.ReplaceAll(url.PathEscape(service), ":", "%3A")
}

// parseName takes a file's name apart: "catalog.log", "catalog.log.7", "catalog.idx.8".
func parseName(file string) (service, kind string, seq int, ok bool) {
	base, isActive := strings.CutSuffix(file, ".log")
	kind = "log"
	if !isActive {
		i := strings.LastIndexByte(file, '.')
		if i < 4 {
			return "", "", 0, false
		}
		n, err := strconv.Atoi(file[i+1:])
		if err != nil || n <= 0 || strconv.Itoa(n) != file[i+1:] {
			return "", "", 0, false
		}
		seq, kind, base = n, file[i-3:i], file[:i-4]
		if file[i-4] != '.' || kind != "log" && kind != "idx" {
			return "", "", 0, false
		}
	}
	service, err := url.PathUnescape(base)
	return service, kind, seq, err == nil && service != "" && fileName(service) == base
}
