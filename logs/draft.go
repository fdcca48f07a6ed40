package logs

import (
	"bytes"
	"os"
	"time"
)

const (
	// A new segment is a draft in memory until it has draftSize bytes or is
	// draftAfter old: creating files is what costs most when many services
	// start, and a service that says nothing has none.
	draftSize  = 64 << 10
	draftAfter = 250 * time.Millisecond

	// draftCount is how many drafts of a service stand in for a disk that fails.
	draftCount = 4
)

// draft is a segment that has no files yet: what will be in them.
type draft struct{ data, index []byte }

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
	defer st.mu.Unlock()
	st.segments = append(st.segments, segment{seq: last.seq + 1, base: last.end(), last: last.last, blocks: 1})
	st.forget()
}

// appendDraft writes a chunk to memory and returns whether it is the first of
// a draft.
func (st *stream) appendDraft(instance string, flags uint8, b []byte, lines uint32) bool {
	if st.draft == nil || len(st.draft.data) > 0 && !st.draft.fits(len(b)) {
		st.begin()
	}
	d := st.draft
	first := len(d.data) == 0
	r, blocks := st.record(st.lastSegment(), instance, flags, b, lines)
	d.data, d.index = append(d.data, b...), append(d.index, blocks...)
	st.mu.Lock()
	defer st.mu.Unlock()
	g := &st.segments[len(st.segments)-1]
	g.add(r, len(blocks)/blockSize)
	g.data, g.index = bytes.NewReader(d.data), bytes.NewReader(d.index)
	return first
}

// forget drops the oldest segments in memory but the newest few. st.mu is held.
func (st *stream) forget() {
	n := 0
	for i := len(st.segments) - 1; i >= 0; i-- {
		if st.segments[i].path != "" {
			continue
		}
		if n++; n > draftCount {
			st.remove(i, i+1)
		}
	}
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
	old := st.expired()
	st.mu.Unlock()
	for _, g := range old {
		_ = os.Remove(g.path) // what cannot be deleted now is found when the store opens next
		_ = os.Remove(g.indexPath)
	}
	return nil
}

// create writes the files of a draft, both or none.
func (d *draft) create(path, indexPath string) (*activeFiles, error) {
	data, err := createFile(path, d.data)
	if err != nil {
		return nil, err
	}
	index, err := createFile(indexPath, d.index)
	if err != nil {
		_ = data.Close()
		_ = os.Remove(path)
		return nil, err
	}
	return &activeFiles{data, index}, nil
}
