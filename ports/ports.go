// Package ports hands out loopback ports so that any number of stacks, or
// checkouts of one, run side by side with no flag.
//
// A port is wanted under a key that says what it is for. The key's hash picks
// the first candidate, so a service keeps its port from run to run as long as
// nobody else took it. Ports handed to a child process before it listens are
// leased: the leases of all stacks of a user lie in one folder, guarded by one
// lock, and end with the process that took them.
package ports

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// First and Last bound the ports that are handed out: below the ephemeral
// ranges of Linux (32768) and of RFC 6335 (49152), so that outgoing
// connections do not take them, and above the ports that services like to fix.
const (
	First = 24000
	Last  = 31999
)

// Leases is what one stack holds. It is safe for concurrent use by processes,
// not by goroutines: the supervisor is its only user.
type Leases struct {
	owner string
	dir   string
	alive *flock.Flock
	held  map[string]int
}

// record is the file of one stack's leases.
type record struct {
	Owner string         `json:"owner"`
	PID   int            `json:"pid"`
	Ports map[string]int `json:"ports"`
}

// Open makes ready to lease ports for owner, a stack's folder. An owner has
// one Leases at a time; another one is an error. Close ends it.
func Open(owner string) (*Leases, error) {
	dir, err := leaseDir()
	if err != nil {
		return nil, fmt.Errorf("lease ports: %w", err)
	}
	l := &Leases{owner: owner, dir: dir, held: map[string]int{}}
	l.alive = flock.New(l.path(".alive"))
	ok, err := l.alive.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lease ports: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("lease ports: %s holds its leases in another process", owner)
	}
	if err := remove(l.path(".json")); err != nil { // of one that was killed
		return nil, fmt.Errorf("lease ports: %w", errors.Join(err, l.alive.Unlock()))
	}
	return l, nil
}

// Close gives all ports back.
func (l *Leases) Close() error {
	return errors.Join(remove(l.path(".json")), remove(l.path(".alive")), l.alive.Unlock())
}

// Take returns a port for each key, the one it has or a new one. None of them
// is in use, leased by another live stack, or avoided.
func (l *Leases) Take(keys []string, avoid func(port int) bool) (map[string]int, error) {
	out := make(map[string]int, len(keys))
	var missing []string
	for _, k := range keys {
		if p, ok := l.held[k]; ok {
			out[k] = p
		} else {
			missing = append(missing, k)
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	err := locked(l.dir, func(taken map[int]bool) error {
		for _, k := range missing {
			p, err := pick(l.owner+"\x00"+k, func(p int) bool {
				return taken[p] || avoid != nil && avoid(p) || !free(p)
			})
			if err != nil {
				return err
			}
			taken[p] = true
			l.held[k], out[k] = p, p
		}
		return l.save()
	})
	if err != nil {
		return nil, fmt.Errorf("lease ports: %w", err)
	}
	return out, nil
}

// Release gives the ports of keys back.
func (l *Leases) Release(keys ...string) error {
	for _, k := range keys {
		delete(l.held, k)
	}
	return locked(l.dir, func(map[int]bool) error { return l.save() })
}

func (l *Leases) save() error {
	data, err := json.Marshal(record{Owner: l.owner, PID: os.Getpid(), Ports: l.held})
	if err != nil {
		return err
	}
	return os.WriteFile(l.path(".json"), data, 0o600)
}

func (l *Leases) path(ext string) string {
	return filepath.Join(l.dir, strconv.FormatUint(hash(l.owner), 16)+ext)
}

// Listen listens on loopback, on key's candidate port or the next one that is
// neither in use nor leased. The listener itself is the lease.
func Listen(key string) (net.Listener, error) {
	dir, err := leaseDir()
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", key, err)
	}
	var ln net.Listener
	err = locked(dir, func(taken map[int]bool) error {
		_, err := pick(key, func(p int) bool {
			if taken[p] {
				return true
			}
			var err error
			ln, err = net.Listen("tcp", loopback(p)) //nolint:noctx // a loopback listen does not block
			return err != nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", key, err)
	}
	return ln, nil
}

// InUse reports whether err says that somebody listens there already.
func InUse(err error) bool { return errors.Is(err, errInUse) }

// Free reports whether nothing listens on the loopback port.
func Free(port int) bool { return free(port) }

// pick walks the range from key's candidate on to the first port that is not refused.
func pick(key string, refused func(port int) bool) (int, error) {
	const n = Last - First + 1
	start := int(hash(key) % n)
	for i := range n {
		if p := First + (start+i)%n; !refused(p) {
			return p, nil
		}
	}
	return 0, fmt.Errorf("no free port between %d and %d", First, Last)
}

// locked runs f with the ports that live stacks have leased, under the lock of all.
func locked(dir string, f func(taken map[int]bool) error) error {
	lock := flock.New(filepath.Join(dir, "lock"))
	if err := lock.Lock(); err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // nothing was written through it
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return err
	}
	taken := map[int]bool{}
	for _, file := range files {
		if !ownerLives(file) {
			continue
		}
		var r record
		data, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(data, &r) != nil {
			continue // a torn lease protects nothing; the bind test still does
		}
		for _, p := range r.Ports {
			taken[p] = true
		}
	}
	return f(taken)
}

// ownerLives reports whether the process that made the lease file still runs,
// and removes what a dead one left.
func ownerLives(file string) bool {
	alive := flock.New(strings.TrimSuffix(file, ".json") + ".alive")
	ok, err := alive.TryLock()
	if err != nil || !ok {
		return true
	}
	_ = os.Remove(file)
	_ = os.Remove(alive.Path())
	_ = alive.Unlock()
	return false
}

// leaseDir is private to the user: $XDG_RUNTIME_DIR/msctl, or a folder of
// the temporary one.
func leaseDir() (string, error) {
	base := os.Getenv("XDG_RUNTIME_DIR")
	if base != "" {
		base = filepath.Join(base, "msctl")
	} else {
		base = filepath.Join(os.TempDir(), "msctl-"+strconv.Itoa(os.Getuid()))
	}
	dir := filepath.Join(base, "ports")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return dir, nil
}

// free binds both loopbacks, since a service may listen on either.
func free(port int) bool { return !bound("127.0.0.1", port) && !bound("::1", port) }

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}
