package keys_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/msctl/msctl/registry/journal"
	"github.com/msctl/msctl/registry/keys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, path string) *keys.Store {
	t.Helper()
	j, damaged, err := journal.Open(path, func(err error) { t.Error(err) })
	if err != nil || damaged != "" {
		t.Fatal(damaged, err)
	}
	s, err := keys.New(journal.NewSequence(j, 10).Next, j)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		_ = j.Close()
	})
	return s
}

func start(t *testing.T) *keys.Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "j"))
}

// do does one operation that has to succeed.
func do(t *testing.T, s *keys.Store, op keys.Op) {
	t.Helper()
	if _, refused := s.Do(op); refused != nil {
		t.Fatalf("%+v: %v", op, refused[0].Err)
	}
}

// refuse does one that must not.
func refuse(t *testing.T, s *keys.Store, op keys.Op, why string) {
	t.Helper()
	if _, refused := s.Do(op); refused == nil || !strings.Contains(refused[0].Err.Error(), why) {
		t.Fatalf("%+v: got %v, want %q", op, refused, why)
	}
}

func set(key, value string) keys.Op {
	return keys.Op{Verb: keys.Set, Key: key, Value: []byte(value)}
}

func TestSetGetDelete(t *testing.T) {
	s := start(t)
	if e, index := s.Get("a"); e != nil || index == 0 {
		t.Errorf("got %v at %d", e, index)
	}
	do(t, s, keys.Op{Verb: keys.Set, Key: "a", Value: []byte("1"), Flags: 7})
	first, _ := s.Get("a")
	do(t, s, set("a", "2"))
	e, index := s.Get("a")
	if string(e.Value) != "2" || e.Flags != 0 || e.CreateIndex != first.CreateIndex || e.ModifyIndex <= first.ModifyIndex || index != e.ModifyIndex {
		t.Errorf("got %+v at %d, after %+v", e, index, first)
	}
	do(t, s, set("a", "2"))
	if again, at := s.Get("a"); again != e || at != index {
		t.Errorf("what was there already made an index")
	}
	do(t, s, keys.Op{Verb: keys.Delete, Key: "a"})
	if e, at := s.Get("a"); e != nil || at <= index {
		t.Errorf("got %v at %d", e, at)
	}
}

func TestCompareAndSet(t *testing.T) {
	s := start(t)
	refuse(t, s, keys.Op{Verb: keys.CAS, Key: "a", Index: 5}, "index is stale")
	do(t, s, keys.Op{Verb: keys.CAS, Key: "a", Value: []byte("1")})
	refuse(t, s, keys.Op{Verb: keys.CAS, Key: "a"}, "index is stale")
	e, _ := s.Get("a")
	do(t, s, keys.Op{Verb: keys.CAS, Key: "a", Index: e.ModifyIndex, Value: []byte("2")})
	refuse(t, s, keys.Op{Verb: keys.CAS, Key: "a", Index: e.ModifyIndex}, "index is stale")
	refuse(t, s, keys.Op{Verb: keys.DeleteCAS, Key: "a", Index: e.ModifyIndex}, "index is stale")
	e, _ = s.Get("a")
	do(t, s, keys.Op{Verb: keys.DeleteCAS, Key: "a", Index: e.ModifyIndex})
	do(t, s, keys.Op{Verb: keys.DeleteCAS, Key: "a", Index: 1}) // it is gone, as is wanted
}

func TestListsAndKeys(t *testing.T) {
	s := start(t)
	for _, key := range []string{"b/2", "a", "b/1/x", "b/1/y", "b", "c"} {
		do(t, s, set(key, key))
	}
	var under []string
	entries, _ := s.List("b")
	for _, e := range entries {
		under = append(under, e.Key)
	}
	if diff := cmp.Diff([]string{"b", "b/1/x", "b/1/y", "b/2"}, under); diff != "" {
		t.Error(diff)
	}
	for _, test := range []struct {
		prefix, separator string
		want              []string
	}{
		{"", "", []string{"a", "b", "b/1/x", "b/1/y", "b/2", "c"}},
		{"", "/", []string{"a", "b", "b/", "c"}},
		{"b/", "/", []string{"b/1/", "b/2"}},
		{"none", "/", []string{}},
	} {
		if got, _ := s.Keys(test.prefix, test.separator); !slices.Equal(got, test.want) {
			t.Errorf("%q by %q: got %q, want %q", test.prefix, test.separator, got, test.want)
		}
	}
	do(t, s, keys.Op{Verb: keys.DeleteTree, Key: "b/"})
	if got, _ := s.Keys("", ""); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("got %q", got)
	}
}

// An index of a key, or of a prefix, moves with what changes there, and with
// nothing else.
func TestIndexes(t *testing.T) {
	s := start(t)
	at := func() map[string]uint64 {
		all := map[string]uint64{}
		for _, key := range []string{"a/1", "b/1", "none"} {
			_, all[key] = s.Get(key)
		}
		for _, prefix := range []string{"", "a/", "b/", "no"} {
			_, all[prefix+"*"] = s.List(prefix)
		}
		return all
	}
	for _, step := range []struct {
		op    keys.Op
		moves []string
	}{
		{set("a/1", "x"), []string{"*", "a/*", "a/1"}},
		{set("b/1", "x"), []string{"*", "b/*", "b/1"}},
		{set("b/1", "x"), nil},
		{keys.Op{Verb: keys.Delete, Key: "a/1"}, []string{"*", "a/*", "a/1"}},
		{keys.Op{Verb: keys.Delete, Key: "a/1"}, nil},
		{set("a/1", "x"), []string{"*", "a/*", "a/1"}},
		{keys.Op{Verb: keys.DeleteTree, Key: "b"}, []string{"*", "b/*", "b/1"}},
	} {
		before := at()
		do(t, s, step.op)
		after := at()
		var moved []string
		for _, topic := range slices.Sorted(maps.Keys(after)) {
			if after[topic] < before[topic] {
				t.Errorf("%+v: %s goes back", step.op, topic)
			}
			if after[topic] != before[topic] {
				moved = append(moved, topic)
			}
		}
		if !slices.Equal(moved, step.moves) {
			t.Errorf("%+v moves %q, want %q", step.op, moved, step.moves)
		}
	}
}

func TestIndexesOfManyDeletedKeys(t *testing.T) {
	s := start(t)
	last := map[string]uint64{}
	for n := range 5000 {
		key := fmt.Sprintf("k%d", n)
		do(t, s, set(key, "x"))
		do(t, s, keys.Op{Verb: keys.Delete, Key: key})
		_, last[key] = s.Get(key)
	}
	for key, index := range last {
		if _, now := s.Get(key); now < index {
			t.Fatalf("%s went back from %d to %d", key, index, now)
		}
	}
}

func TestLocks(t *testing.T) {
	s := start(t)
	lock := func(id string) keys.Op {
		return keys.Op{Verb: keys.Lock, Key: "leader", Value: []byte(id), Session: id}
	}
	a := s.Create(keys.Session{Node: "here", Behavior: keys.Release}).ID
	b := s.Create(keys.Session{Node: "here", Behavior: keys.Release}).ID
	refuse(t, s, lock("nobody"), `invalid session "nobody"`)
	refuse(t, s, lock(""), "missing session")
	do(t, s, lock(a))
	refuse(t, s, lock(b), "already held")
	do(t, s, lock(a)) // it has it
	do(t, s, set("leader", "anybody may"))
	if e, _ := s.Get("leader"); e.LockIndex != 1 || e.Session != a || string(e.Value) != "anybody may" {
		t.Errorf("got %+v", e)
	}
	refuse(t, s, keys.Op{Verb: keys.Unlock, Key: "leader", Session: b}, "held by another session")
	do(t, s, keys.Op{Verb: keys.Unlock, Key: "leader", Session: a})
	refuse(t, s, keys.Op{Verb: keys.Unlock, Key: "leader"}, "isn't held")
	do(t, s, lock(b))
	if e, _ := s.Get("leader"); e.LockIndex != 2 || e.Session != b {
		t.Errorf("got %+v", e)
	}
	s.Destroy(b)
	if e, _ := s.Get("leader"); e.Session != "" {
		t.Errorf("got %+v", e)
	}
	do(t, s, lock(a))
}

func TestASessionThatEnds(t *testing.T) {
	s := start(t)
	one := s.Create(keys.Session{Node: "here", Behavior: keys.Destroy, NodeChecks: []string{"disk"}, LockDelay: time.Hour})
	other := s.Create(keys.Session{Node: "there", NodeChecks: []string{"disk"}})
	do(t, s, keys.Op{Verb: keys.Lock, Key: "k", Session: one.ID})
	do(t, s, set("not its", "x"))
	s.CheckFailed("here", "memory")
	if _, ok, _ := s.Session(one.ID); !ok {
		t.Error("another check ends it")
	}
	s.CheckFailed("here", "disk")
	if all, _ := s.Sessions(); len(all) != 1 || all[0].ID != other.ID {
		t.Errorf("got %+v", all)
	}
	if got, _ := s.Keys("", ""); !slices.Equal(got, []string{"not its"}) {
		t.Errorf("got %q", got)
	}
	refuse(t, s, keys.Op{Verb: keys.Lock, Key: "k", Session: other.ID}, "lock delay")
	do(t, s, set("k", "set, it may be"))
}

func TestATTLThatLapses(t *testing.T) {
	s := start(t)
	one := s.Create(keys.Session{TTL: "50ms", Behavior: keys.Release})
	do(t, s, keys.Op{Verb: keys.Lock, Key: "k", Session: one.ID})
	_, index := s.Get("k")
	begin := time.Now()
	for range 5 { // as long as it is renewed, it lasts
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Millisecond)
		_ = s.AwaitKey(ctx, "k", index)
		cancel()
		if _, ok := s.Renew(one.ID); !ok {
			t.Skipf("it was not renewed for %v: this machine is too busy", time.Since(begin))
		}
	}
	if err := s.AwaitKey(t.Context(), "k", index); err != nil {
		t.Fatal(err)
	}
	if e, _ := s.Get("k"); e.Session != "" {
		t.Errorf("got %+v", e)
	}
	if _, ok := s.Renew(one.ID); ok {
		t.Error("it is still there")
	}
}

func TestATransactionIsWholeOrNotAtAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	s := open(t, path)
	do(t, s, set("a", "1"))
	do(t, s, set("b", "1"))
	_, index := s.List("")
	_, refused := s.Do(set("a", "2"), keys.Op{Verb: keys.Delete, Key: "b"}, set("c", "2"), keys.Op{Verb: keys.CAS, Key: "a", Index: 1}, keys.Op{Verb: "jump"})
	if len(refused) != 2 || refused[0].Op != 3 || refused[1].Err.Error() != `unknown KV verb "jump"` {
		t.Errorf("refused %+v", refused)
	}
	if got, now := s.List(""); len(got) != 2 || string(got[0].Value) != "1" || now != index {
		t.Errorf("it was not taken back")
	}
	got, refused := s.Do(set("a", "2"), keys.Op{Verb: keys.Get, Key: "a"}, keys.Op{Verb: keys.Delete, Key: "b"}, keys.Op{Verb: keys.CheckNotExists, Key: "b"},
		keys.Op{Verb: keys.GetOrEmpty, Key: "b"}, keys.Op{Verb: keys.GetTree, Key: ""}, set("d", "1"), keys.Op{Verb: keys.Delete, Key: "d"})
	if refused != nil || len(got) != 5 || got[0].Value != nil || string(got[1].Value) != "2" || got[2].Key != "b" || got[2].ModifyIndex != 0 || got[3].Key != "a" {
		t.Errorf("got %+v, refused %+v", got, refused)
	}
	if left, _ := open(t, path).Keys("", ""); !slices.Equal(left, []string{"a"}) {
		t.Errorf("%q is in the journal", left)
	}
}

func TestAStoreIsThereAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	s := open(t, path)
	one := s.Create(keys.Session{Name: "mine", Node: "here", TTL: "1h", Behavior: keys.Release})
	gone := s.Create(keys.Session{Node: "here"})
	for _, key := range []string{"c", "a", "b"} {
		do(t, s, set(key, key))
	}
	do(t, s, keys.Op{Verb: keys.Lock, Key: "k", Value: []byte("v"), Flags: 3, Session: one.ID})
	do(t, s, keys.Op{Verb: keys.Delete, Key: "b"})
	s.Destroy(gone.ID)
	want, index := s.List("")

	again := open(t, path) // the first one is not closed, as after a kill
	got, now := again.List("")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if now <= index {
		t.Errorf("the index went from %d to %d", index, now)
	}
	if all, _ := again.Sessions(); len(all) != 1 || !cmp.Equal(all[0], one) {
		t.Errorf("got %+v", all)
	}
	again.Destroy(one.ID)
	if e, _ := again.Get("k"); e.Session != "" {
		t.Errorf("got %+v", e)
	}
}

// TestNoWakeUpIsLost: who waits for a key, or for a prefix, and reads when it
// changes has in the end seen the last of it.
func TestNoWakeUpIsLost(t *testing.T) {
	s := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var g sync.WaitGroup
	for n := range 40 {
		g.Go(func() {
			key := fmt.Sprintf("k/%d", n%4)
			for index := uint64(0); ; {
				var err error
				if n%2 == 0 {
					err = s.AwaitKey(ctx, key, index)
				} else {
					err = s.AwaitUnder(ctx, key[:n%3], index)
				}
				if err != nil {
					t.Error(err)
					return
				}
				if e, at := s.Get(key); e != nil && string(e.Value) == "last" {
					return
				} else if n%2 == 0 {
					index = at
					continue
				}
				_, index = s.List(key[:n%3])
				if e, _ := s.Get(key); e != nil && string(e.Value) == "last" {
					return
				}
			}
		})
	}
	for n := range 4 {
		g.Go(func() {
			key := fmt.Sprintf("k/%d", n)
			for range 500 {
				if rand.N(3) == 0 {
					s.Do(keys.Op{Verb: keys.Delete, Key: key})
				} else {
					s.Do(set(key, fmt.Sprint(rand.N(10))))
				}
			}
			s.Do(set(key, "last"))
		})
	}
	g.Wait()
}
