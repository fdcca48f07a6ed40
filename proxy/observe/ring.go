package observe

import (
	"context"
	"sync/atomic"
)

// Records is how many requests are kept: some seconds of a load test, hours of
// work at a desk, below 1.5 MiB.
const Records = 2048

// slot is where a record is. Whoever sets state to busy has it, until they set
// it to a number again.
type slot struct {
	state  atomic.Uint64 // the number of the record in it; 0 none; busy
	passed atomic.Uint64 // the last number that got no record here
	entry  Entry
}

// busy is above all numbers.
const busy = 1 << 63

// Add records a request that has begun and is over, and counts it in its
// series. It neither blocks nor allocates, nor keeps e. Where its slot is just being read, or
// written for one that is Records younger or older, it takes the next: it never
// waits for another goroutine.
func (r *Recorder) Add(e *Entry) {
	e.series.end(e)
	for {
		id := r.last.Add(1)
		s := &r.slots[id%Records]
		if was := s.state.Load(); was < id && s.state.CompareAndSwap(was, busy) {
			s.entry = *e
			s.state.Store(id)
			break
		}
		s.passed.Store(id)
	}
	if newer := r.newer.Load(); newer != nil && r.newer.CompareAndSwap(newer, nil) {
		close(*newer)
	}
}

// Recent returns the records that there are, in the order of their numbers.
func (r *Recorder) Recent() []Record {
	records, _, _ := r.read(0)
	return records
}

// Next blocks until there are records after that number, and returns them in
// the order of their numbers, the number to go on from, and how many after that
// number were gone before they could be read; of those that were gone before a
// reader began, at 0, it says nothing. When ctx is done, Next still returns what
// there is, and the error of ctx when there is nothing.
func (r *Recorder) Next(ctx context.Context, after uint64) (records []Record, next, dropped uint64, err error) {
	var newer <-chan struct{}
	for {
		ended := ctx.Err() // before the look: what came before its end is still read
		if records, next, dropped = r.read(after); next > after {
			return records, next, dropped, nil
		}
		if ended != nil {
			return nil, after, 0, ended
		}
		if newer != nil {
			select {
			case <-newer:
			case <-ctx.Done():
			}
		}
		newer = r.wait() // what comes between the look before and this one is seen by the next
	}
}

// wait returns what is closed with the next record.
func (r *Recorder) wait() <-chan struct{} {
	for {
		if newer := r.newer.Load(); newer != nil {
			return *newer
		}
		newer := make(chan struct{})
		if r.newer.CompareAndSwap(nil, &newer) {
			return newer
		}
	}
}

// read returns the records after that number, up to the first that is not
// complete yet.
func (r *Recorder) read(after uint64) (records []Record, next, dropped uint64) {
	r.reading.Lock()
	defer r.reading.Unlock()
	last := r.last.Load()
	next = after
	if last > Records && next < last-Records {
		next = last - Records
		if after > 0 {
			dropped = next - after
		}
	}
	var e Entry
	for ; next < last; next++ {
		id := next + 1
		s := &r.slots[id%Records]
		state := s.state.Load()
		switch {
		case state == id && s.state.CompareAndSwap(id, busy):
			e = s.entry
			s.state.Store(id)
			records = append(records, e.record(id))
		case state == id, state > id && state != busy, s.passed.Load() >= id:
			dropped++
		default:
			return records, next, dropped
		}
	}
	return records, next, dropped
}
