package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

const (
	// packName is no name of a log: parseName does not take it for one.
	packName = "drafts.pack"

	// packSlack is how much of the pack may be needless while it is written.
	packSlack = 1 << 20
)

var errEntry = errors.New("the name does not fit into an entry")

// pack is the file that all drafts share: a row of entries, each appended with
// one write. It is open while there are writers. What of it is needed is at
// most the drafts that are in memory; it is rewritten when that is less than
// half of it, at once when the store opens, and past packSlack while it is
// written.
type pack struct {
	path  string
	slack int64

	mu      sync.Mutex // held over the write, which takes microseconds
	writers int
	file    *os.File
	info    fs.FileInfo // of file
	life    int         // how often somebody has deleted the file
	size    int64       // where the next entry goes
	needed  int64       // bytes in extents
	extents map[string][]extent
	buf     []byte
}

// extent is where an entry is that is needed.
type extent struct {
	seq     int
	at, end int64
}

func newPack(dir string) *pack {
	return &pack{path: filepath.Join(dir, packName), slack: packSlack, extents: map[string][]extent{}}
}

// read returns the drafts that are in the pack, up to the first entry that is
// torn or damaged, by service and number.
func (p *pack) read() (map[string]map[int]*draft, error) {
	b, err := os.ReadFile(p.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	found := map[string]map[int]*draft{}
	for {
		e, n := decodeEntry(b[p.size:])
		if n == 0 {
			return found, nil
		}
		at := p.size
		p.size += int64(n)
		drafts := found[e.service]
		if e.ends() {
			p.release(e.service, e.seq)
			for seq := range drafts {
				if seq <= e.seq {
					delete(drafts, seq)
				}
			}
			continue
		}
		d := drafts[e.seq]
		switch {
		case e.from == lengths{}:
			d = &draft{} // one that is there already was of a file that is gone
		case d == nil || e.from != d.lengths():
			continue
		}
		d.data, d.index = append(d.data, e.data...), append(d.index, e.index...)
		d.packed = d.lengths()
		if drafts == nil {
			drafts = map[int]*draft{}
			found[e.service] = drafts
		}
		drafts[e.seq] = d
		p.need(e, at)
	}
}

// need accounts for an entry that was written or read.
func (p *pack) need(e entry, at int64) {
	x := extent{e.seq, at, p.size}
	if e.from == (lengths{}) {
		p.drop(e.service, func(seq int) bool { return seq == e.seq })
	}
	p.extents[e.service] = append(p.extents[e.service], x)
	p.needed += x.end - x.at
}

// release gives up the drafts of a service up to seq, and reports whether
// there was any.
func (p *pack) release(service string, seq int) bool {
	return p.drop(service, func(have int) bool { return have <= seq })
}

func (p *pack) drop(service string, which func(seq int) bool) bool {
	before := p.needed
	left := slices.DeleteFunc(p.extents[service], func(x extent) bool {
		if which(x.seq) {
			p.needed -= x.end - x.at
			return true
		}
		return false
	})
	if p.extents[service] = left; len(left) == 0 {
		delete(p.extents, service)
	}
	return p.needed < before
}

// enter and leave count the writers.
func (p *pack) enter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writers++
}

func (p *pack) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.writers--; p.writers == 0 {
		p.close()
	}
}

func (p *pack) close() {
	if p.file != nil {
		_ = p.file.Close()
		p.file = nil
	}
}

// add appends what is new of a draft.
func (p *pack) add(service string, seq int, d *draft) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.open(); err != nil {
		return err
	}
	if d.life != p.life {
		d.life, d.packed = p.life, lengths{}
	}
	if d.packed == d.lengths() {
		return nil
	}
	e := entry{service, seq, d.packed, d.data[d.packed.data:], d.index[d.packed.index:]}
	at := p.size
	if err := p.write(e); err != nil {
		return err
	}
	p.need(e, at)
	d.packed = d.lengths()
	return nil
}

// end says that the drafts of a service up to seq are not needed any more:
// they have files, or were given up.
func (p *pack) end(service string, seq int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.release(service, seq) {
		return nil
	}
	if err := p.open(); err != nil {
		return err
	}
	if err := p.write(entry{service: service, seq: seq}); err != nil {
		return err
	}
	if p.size-p.needed > p.slack && p.wasteful() {
		return p.rewrite()
	}
	return nil
}

func (p *pack) write(e entry) error {
	if !e.fits() {
		return errEntry
	}
	p.buf = appendEntry(p.buf[:0], e)
	if _, err := p.file.WriteAt(p.buf, p.size); err != nil {
		_ = p.file.Truncate(p.size) // else it is torn, and the next one overwrites it
		return err
	}
	p.size += int64(len(p.buf))
	return nil
}

// open makes sure that the file is open and the one that has the name. When
// somebody has deleted it, another life begins: each draft that is written to
// is added from its beginning.
func (p *pack) open() error {
	if p.file != nil {
		info, err := os.Stat(p.path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && os.SameFile(info, p.info) {
			return err
		}
		p.close()
		p.begin()
	}
	f, err := openFile(p.path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		if info.Size() < p.size {
			p.begin()
		}
		err = f.Truncate(p.size) // a torn entry
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	p.file, p.info = f, info
	return nil
}

func (p *pack) begin() {
	p.life++
	p.size, p.needed = 0, 0
	clear(p.extents)
}

func (p *pack) wasteful() bool { return 2*p.needed < p.size }

// rewrite leaves only what is needed: a new file that takes the place of the
// old one, or, since creating one costs more, an empty one.
func (p *pack) rewrite() error {
	if p.needed == 0 {
		if err := os.Truncate(p.path, 0); err != nil {
			return fmt.Errorf("empty the pack: %w", err)
		}
		p.size = 0
		return nil
	}
	b, err := os.ReadFile(p.path)
	if err == nil && int64(len(b)) < p.size {
		err = fs.ErrNotExist // somebody deleted it
	}
	if err != nil {
		return fmt.Errorf("rewrite the pack: %w", err)
	}
	var fresh []byte
	moved := map[string][]extent{}
	for service, extents := range p.extents {
		for _, x := range extents {
			at := int64(len(fresh))
			fresh = append(fresh, b[x.at:x.end]...)
			moved[service] = append(moved[service], extent{x.seq, at, int64(len(fresh))})
		}
	}
	p.close() // not every system replaces open ones
	if err := replaceFile(p.path, fresh); err != nil {
		return fmt.Errorf("rewrite the pack: %w", err)
	}
	p.size, p.extents = int64(len(fresh)), moved
	return nil
}
