package logs

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

const (
	// A new segment is a draft in memory until it has draftSize bytes or, some
	// of them sooner and some later, is fileAfter to fileAfter+fileSpread old:
	// creating files is what costs most when many services start, and those
	// that end just after it need none.
	draftSize  = 64 << 10
	fileAfter  = 5 * time.Second
	fileSpread = 5 * time.Second

	// packAfter is how long a draft's lines are only in memory.
	packAfter = 250 * time.Millisecond

	// draftCount is how many drafts of a service stand in for a disk that fails.
	draftCount = 4
)

// draft is a segment that has no files yet: what will be in them.
type draft struct {
	data, index []byte
	packed      lengths   // what of it the pack has,
	life        int       // in this life
	waits       bool      // the alarm is set for what it does not have
	old         time.Time // when it is to have files; zero before it was written to
}

func (d *draft) lengths() lengths { return lengths{len(d.data), len(d.index)} }

// drafts reports whether a chunk of n bytes goes to a draft while the disk is
// in order.
func (st *stream) drafts(n int) bool {
	switch d := st.draft; {
	case st.files != nil || !st.failed.IsZero():
		return false
	case d == nil:
		return !st.continues() && n <= draftSize
	case len(d.data) == 0:
		return n <= draftSize
	default:
		return d.fits(n) && int64(len(d.data)+n) <= st.store.segmentSize
	}
}

func (d *draft) fits(n int) bool { return len(d.data)+len(d.index)+n <= draftSize }

// begin makes an empty draft the newest segment.
func (st *stream) begin() {
	last := st.lastSegment()
	st.draft = &draft{index: appendHeader(nil, last.end())}
	st.names = map[string]uint32{}
	st.mu.Lock()
	st.segments = append(st.segments, segment{seq: last.seq + 1, base: last.end(), last: last.last, blocks: 1})
	forgotten := st.forget()
	st.mu.Unlock()
	_ = st.store.pack.end(st.service, forgotten) // when it fails, too much is found when the store opens next
}

// appendDraft writes a chunk to memory, and sees to it that it comes to the disk.
func (st *stream) appendDraft(instance string, flags uint8, b []byte, lines uint32) {
	if st.draft == nil || len(st.draft.data) > 0 && !st.draft.fits(len(b)) {
		st.begin()
	}
	d := st.draft
	if d.old.IsZero() {
		d.old = st.store.now().Add(st.store.fileAfter + rand.N(st.store.fileSpread))
	}
	if !d.waits {
		d.waits = true
		st.due.in(packAfter, st.keepDraft)
	}
	r, blocks := st.record(st.lastSegment(), instance, flags, b, lines)
	d.data, d.index = append(d.data, b...), append(d.index, blocks...)
	st.mu.Lock()
	defer st.mu.Unlock()
	g := &st.segments[len(st.segments)-1]
	g.add(r, len(blocks)/blockSize)
	g.data, g.index = bytes.NewReader(d.data), bytes.NewReader(d.index)
}

// keepDraft puts the draft on disk when its alarm rings.
func (st *stream) keepDraft() {
	st.writing.Lock()
	if st.writers == 0 {
		st.writing.Unlock()
		return
	}
	err := st.keep(true)
	switch d := st.draft; {
	case err != nil:
		st.due.in(diskRetry, st.keepDraft)
	case d != nil && !d.old.IsZero():
		st.due.in(d.old.Sub(st.store.now()), st.keepDraft)
	}
	news := st.news(err)
	st.writing.Unlock()
	st.report(err, news)
}

// keep puts what the draft has on disk: into the pack, or when it is old and
// files is true, into files of its own. Where one fails the other is tried;
// the error is that of the files.
func (st *stream) keep(files bool) error {
	d := st.draft
	if d == nil || len(d.data) == 0 {
		return nil
	}
	if files = files && !d.old.IsZero() && !st.store.now().Before(d.old); !files && st.pack() == nil {
		return nil
	}
	err := st.try(st.save)
	if err != nil && files {
		_ = st.pack()
	}
	return err
}

func (st *stream) pack() error {
	err := st.store.pack.add(st.service, st.lastSegment().seq, st.draft)
	st.draft.waits = err != nil
	return err
}

// forget drops the oldest segments in memory but the newest few, and returns
// the number of the last of them. st.mu is held.
func (st *stream) forget() (last int) {
	n := 0
	for i := len(st.segments) - 1; i >= 0; i-- {
		if st.segments[i].path != "" {
			continue
		}
		if n++; n > draftCount {
			last = max(last, st.segments[i].seq)
			st.remove(i, i+1)
		}
	}
	return last
}

// save gives the draft its files. When it fails, the draft stays.
func (st *stream) save() error {
	active := st.store.activePath(st.service)
	if err := st.retire(active); err != nil {
		return err
	}
	indexPath := st.store.indexPath(st.service, st.lastSegment().seq)
	files, err := st.draft.create(active, indexPath)
	if err != nil {
		return err
	}
	st.files, st.draft = files, nil
	st.mu.Lock()
	g := &st.segments[len(st.segments)-1]
	g.path, g.indexPath = active, indexPath
	g.data, g.index = files.data, files.index
	seq, old := g.seq, st.expired()
	st.mu.Unlock()
	_ = st.store.pack.end(st.service, seq) // when it fails, the files tell
	for _, g := range old {
		_ = os.Remove(g.path) // what cannot be deleted now is found when the store opens next
		_ = os.Remove(g.indexPath)
	}
	return nil
}

// create writes the files of a draft, both or none. The index comes first:
// when the data has all that the pack has, a kill has left both.
func (d *draft) create(path, indexPath string) (*activeFiles, error) {
	index, err := createFile(indexPath, d.index)
	if err != nil {
		return nil, err
	}
	data, err := createFile(path, d.data)
	if err != nil {
		_ = index.Close()
		_ = os.Remove(indexPath)
		return nil, err
	}
	return &activeFiles{data, index}, nil
}

// adopt makes the drafts that the pack has segments again, those that are newer
// than what has files. The newest of them can be written to.
func (st *stream) adopt(drafts map[int]*draft) {
	for _, seq := range slices.Sorted(maps.Keys(drafts)) {
		d, last := drafts[seq], st.lastSegment()
		switch {
		case seq == last.seq && last.path == st.store.activePath(st.service) && lacks(last.path, d.data):
			st.segments = st.segments[:len(st.segments)-1] // a kill has interrupted create
		case seq <= last.seq:
			st.store.pack.release(st.service, seq)
			continue
		}
		g := segment{seq: seq}
		packed := d.index
		d.index, _ = rebuild(bytes.NewReader(d.data), int64(len(d.data)), 0, packed, last.end()) // it reads from memory
		if !bytes.Equal(d.index, packed) {
			d.packed = lengths{}
		}
		g.describe(d.index)
		g.data, g.index = bytes.NewReader(d.data), bytes.NewReader(d.index)
		st.segments = append(st.segments, g)
		st.draft, st.names = d, map[string]uint32{}
	}
}

// lacks reports whether a file does not have all of data.
func lacks(path string, data []byte) bool {
	info, err := os.Stat(path)
	return err != nil || info.Size() < int64(len(data))
}
