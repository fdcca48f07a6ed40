package observe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/registry"
)

// there returns what is there to read, at once.
func there(t *testing.T, r *Recorder, after uint64) ([]Record, uint64, uint64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	records, next, dropped, err := r.Next(ctx, after)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return records, next, dropped
}

func TestARecordIsWhatWasAdded(t *testing.T) {
	r := New()
	buffer := []byte("POST|shop.localhost|/orders|page=2")
	view := func(from, to int) string { return unsafe.String(&buffer[from], to-from) }
	head := wire.Head{Method: view(0, 4), Host: view(5, 19), Path: view(20, 27), Query: view(28, 34), Proto: "HTTP/1.1", Client: netip.MustParseAddr("127.0.0.1")}
	e := requested(r.Series("POST /orders", "", "orders"), head, func(e *Entry) {
		e.Trace = [16]byte{15: 0xab}
		e.Wait, e.FirstByte, e.Attempts, e.Received, e.Sent = time.Microsecond, time.Millisecond, 2, 3, 4
		e.Err = errors.New("reset")
	})
	clear(buffer) // it is used again
	r.Add(e)
	began := e.Began
	*e = Entry{}
	got, next, dropped := there(t, r, 0)
	want := []Record{{
		ID: 1, Time: began, Route: "POST /orders", Service: "orders", Instance: "orders-1", Method: "POST", Host: "shop.localhost",
		Path: "/orders?page=2", Proto: "HTTP/1.1", Client: "127.0.0.1", Status: 200, Attempts: 2, BytesIn: 3, BytesOut: 4,
		Wait: registry.Duration(time.Microsecond), FirstByte: registry.Duration(time.Millisecond), Total: registry.Duration(time.Millisecond),
		TraceID: "000000000000000000000000000000ab", Error: "reset",
	}}
	if diff := cmp.Diff(want, got); diff != "" || next != 1 || dropped != 0 {
		t.Errorf("next %d, dropped %d, records (-want +got):\n%s", next, dropped, diff)
	}
}

func TestLongTextsAreCut(t *testing.T) {
	r := New()
	s := r.Series("/", "web", "orders")
	long := strings.Repeat("x", 300)
	r.Add(requested(s, wire.Head{Path: "/", Query: long, Host: long, Method: long}))
	r.Add(requested(s, wire.Head{Path: "/" + long, Query: "q"}))
	got, _, _ := there(t, r, 0)
	if got[0].Path != "/?"+long[:254] || got[1].Path != "/"+long[:255] || len(got[0].Host) != 80 || len(got[0].Method) != 16 {
		t.Errorf("got %+v", got)
	}
}

func TestOnlyTheLastAreKept(t *testing.T) {
	r := New()
	s := r.Series("/", "", "web")
	for i := range Records + 10 {
		r.Add(request(s, func(e *Entry) { e.Received = int64(i) }))
	}
	for _, c := range []struct{ after, dropped, first uint64 }{{0, 0, 11}, {4, 6, 11}, {10, 0, 11}, {100, 0, 101}} {
		got, next, dropped := there(t, r, c.after)
		if next != Records+10 || dropped != c.dropped || got[0].ID != c.first || got[0].BytesIn != int64(c.first)-1 {
			t.Errorf("after %d: from %d to %d, dropped %d; want from %d, dropped %d", c.after, got[0].ID, next, dropped, c.first, c.dropped)
		}
	}
	if got, next, _ := there(t, r, Records+10); len(got) != 0 || next != Records+10 {
		t.Errorf("at the end: %v, %d", got, next)
	}
}

func TestNextWaitsForARecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New()
		s := r.Series("/", "", "web")
		got := make(chan []Record)
		for range 2 {
			go func() {
				records, _, _, err := r.Next(context.Background(), 0)
				if err != nil {
					t.Error(err)
				}
				got <- records
			}()
		}
		synctest.Wait()
		select {
		case <-got:
			t.Fatal("Next returned without a record")
		default:
		}
		r.Add(request(s))
		for range 2 {
			if records := <-got; len(records) != 1 || records[0].ID != 1 {
				t.Errorf("got %v", records)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, next, _, err := r.Next(ctx, 1); !errors.Is(err, context.Canceled) || next != 1 {
			t.Errorf("with its context done: %d, %v", next, err)
		}
	})
}

// A reader that has a slot takes it from nobody: the writer goes on to the next.
func TestAWriterPassesASlotThatIsRead(t *testing.T) {
	r := New()
	s := r.Series("/", "", "web")
	for range Records {
		r.Add(request(s))
	}
	r.slots[1].state.Store(busy) // as while 1 is read
	r.Add(request(s))
	r.slots[1].state.Store(1)
	got, next, dropped := there(t, r, Records)
	if len(got) != 1 || got[0].ID != Records+2 || next != Records+2 || dropped != 1 {
		t.Errorf("got %v, next %d, dropped %d", got, next, dropped)
	}
}

// Every record is read once, in order, or is counted as dropped, and none is
// that of two requests.
func TestManyWritersAndReaders(t *testing.T) {
	const writers, each = 8, 2000
	r := New()
	series := r.Series("/", "", "web")
	ctx, cancel := context.WithCancel(t.Context())
	var readers, writing sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			after := uint64(0)
			for {
				records, next, dropped, err := r.Next(ctx, after)
				if err != nil {
					break
				}
				if n := uint64(len(records)) + dropped; after > 0 && n != next-after {
					t.Errorf("%d read or dropped, of those from %d to %d", n, after, next)
				}
				for _, record := range records {
					if record.ID <= after || record.ID > next || record.Path != fmt.Sprintf("/%d", record.BytesIn) || record.Instance != record.Path {
						t.Errorf("after %d: %+v", after, record)
					}
					after = record.ID
				}
				after = next
			}
			if last := r.last.Load(); after != last || last < writers*each {
				t.Errorf("read up to %d, of %d", after, last)
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				n := w*each + i
				path := fmt.Sprintf("/%d", n)
				r.Add(requested(series, wire.Head{Path: path}, func(e *Entry) { e.Received, e.Instance = int64(n), path }))
				if i%100 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	writing.Wait()
	cancel()
	readers.Wait()
	if h := series.histogram(); h.count() != writers*each || series.inFlight.Load() != 0 {
		t.Errorf("%d counted, %d in flight", h.count(), series.inFlight.Load())
	}
}

func TestAddAllocatesNothing(t *testing.T) {
	r := New()
	s := r.Series("/", "", "web")
	e, h := request(s), &wire.Head{Method: "GET", Path: "/orders"}
	if n := testing.AllocsPerRun(1000, func() { e.Begin(s, h); r.Add(e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if size := unsafe.Sizeof(slot{}) * Records; size > 3<<19 {
		t.Errorf("the records take %d bytes", size)
	}
}

func BenchmarkAdd(b *testing.B) {
	r := New()
	s := r.Series("/", "", "web")
	e := request(s)
	b.ReportAllocs()
	for b.Loop() {
		r.Add(e)
	}
}

func BenchmarkBegin(b *testing.B) {
	s := New().Series("/", "", "web")
	e, h := &Entry{}, &wire.Head{Method: "GET", Host: "shop.localhost:8080", Path: "/orders/7", Query: "page=2"}
	for b.Loop() {
		e.Begin(s, h)
	}
}

func BenchmarkAddParallel(b *testing.B) {
	r := New()
	s := r.Series("/", "", "web")
	b.RunParallel(func(p *testing.PB) {
		e := request(s)
		for p.Next() {
			r.Add(e)
		}
	})
}
