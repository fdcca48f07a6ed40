package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNextSeesEveryLastWord(t *testing.T) {
	const readers, puts = 50, 2000
	r := New()
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for after := uint64(0); ; {
				s, err := r.Next(t.Context(), after)
				if err != nil {
					t.Error(err)
					return
				}
				if s.Revision <= after {
					t.Errorf("revision %d after %d", s.Revision, after)
					return
				}
				after = s.Revision
				if i, ok := s.Instance("a"); ok && i.Restarts == puts {
					return
				}
			}
		})
	}
	for n := range puts {
		r.Put(Instance{ID: "a", Restarts: n + 1})
	}
	wg.Wait() // a lost wake-up would leave a reader blocked for ever
}

func TestReadersSkipToTheLatest(t *testing.T) {
	r := New()
	for n := range 10 {
		r.Put(Instance{ID: "a", Restarts: n})
	}
	s, err := r.Next(t.Context(), 0)
	if err != nil || s.Instances[0].Restarts != 9 {
		t.Errorf("Next = %+v, %v", s, err)
	}
}

func TestContextEndsNext(t *testing.T) {
	r := New()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := r.Next(ctx, r.Snapshot().Revision)
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Next = %v", err)
	}
}

func TestWhatChangesNothingMakesNoRevision(t *testing.T) {
	r := New()
	i := Instance{ID: "a", Tags: []string{"x"}, Exit: &Exit{Code: 1}}
	r.Put(i)
	before := r.Snapshot().Revision
	i.Exit = &Exit{Code: 1}
	r.Put(i)
	r.Delete("b")
	if after := r.Snapshot().Revision; after != before {
		t.Errorf("revision %d became %d", before, after)
	}
	r.Delete("a")
	if s := r.Snapshot(); s.Revision != before+1 || len(s.Instances) != 0 {
		t.Errorf("after Delete: %+v", s)
	}
}

func TestTheTableOwnsWhatWasPut(t *testing.T) {
	r := New()
	i := Instance{ID: "a", Tags: []string{"x"}, Output: []string{"y"}, Meta: map[string]string{"k": "v"}, Exit: &Exit{Code: 1}}
	r.Put(i)
	i.Tags[0], i.Output[0], i.Meta["k"], i.Exit.Code = "?", "?", "?", 9
	want := Instance{ID: "a", Tags: []string{"x"}, Output: []string{"y"}, Meta: map[string]string{"k": "v"}, Exit: &Exit{Code: 1}, Revision: 2}
	if diff := cmp.Diff(want, r.Snapshot().Instances[0]); diff != "" {
		t.Errorf("the table changed with the caller's copy:\n%s", diff)
	}
}

func TestASnapshotIsSortedAndStays(t *testing.T) {
	r := New()
	for _, i := range []Instance{{ID: "b-1", Service: "b", Replica: 1}, {ID: "a-10", Service: "a", Replica: 10}, {ID: "a-2", Service: "a", Replica: 2}, {ID: "ab-1", Service: "ab", Replica: 1}} {
		r.Put(i)
	}
	s := r.Snapshot()
	r.Delete("a-2")
	var ids []string
	for _, i := range s.Instances {
		ids = append(ids, i.ID)
	}
	if diff := cmp.Diff([]string{"a-2", "a-10", "ab-1", "b-1"}, ids); diff != "" {
		t.Error(diff)
	}
	if n := len(s.Service("a")); n != 2 {
		t.Errorf("service a has %d instances, want 2", n)
	}
	if n := len(s.Service("c")); n != 0 {
		t.Errorf("an unknown service has %d instances", n)
	}
	if _, ok := s.Instance("ab-1"); !ok {
		t.Error("ab-1 is not found")
	}
}

func TestEveryStateHasATransition(t *testing.T) {
	states := []State{Pending, Building, Starting, Ready, Unready, Draining, Backoff, Stopped, Completed, Failed}
	for _, s := range states {
		if len(transitions[s]) == 0 || !s.CanBecome(s) {
			t.Errorf("%s leads nowhere", s)
		}
		if s.Terminal() && s.Running() {
			t.Errorf("%s both runs and has ended", s)
		}
	}
	for _, illegal := range [][2]State{{Failed, Ready}, {Backoff, Ready}, {Draining, Ready}, {Stopped, Ready}, {Completed, Ready}} {
		if illegal[0].CanBecome(illegal[1]) {
			t.Errorf("%s → %s is allowed", illegal[0], illegal[1])
		}
	}
}

func BenchmarkPut(b *testing.B) {
	for _, readers := range []int{0, 10, 1000} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			r := New()
			for n := range 200 {
				r.Put(Instance{ID: fmt.Sprintf("s-%d", n), Service: "s", Replica: n})
			}
			ctx, cancel := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			for range readers {
				wg.Go(func() {
					for after := uint64(0); ; {
						s, err := r.Next(ctx, after)
						if err != nil {
							return
						}
						after = s.Revision
					}
				})
			}
			for n := 0; b.Loop(); n++ {
				r.Put(Instance{ID: "s-1", Service: "s", Replica: 1, Restarts: n + 1})
			}
			cancel()
			wg.Wait()
		})
	}
}
