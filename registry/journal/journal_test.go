package journal_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/msctl/msctl/registry/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, path string) (*journal.Journal, string) {
	t.Helper()
	j, damaged, err := journal.Open(path, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j, damaged
}

// all is what a journal has, in the order of the changes.
func all(t *testing.T, j *journal.Journal) []string {
	t.Helper()
	have := []string{}
	err := j.Each(func(key string, value json.RawMessage) error {
		have = append(have, key+"="+string(value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return have
}

func put(key string, value any) journal.Change { return journal.Change{Key: key, Value: value} }

func want(t *testing.T, j *journal.Journal, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, all(t, j)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWhatIsWrittenIsThereAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, _ := open(t, path)
	j.Write(put("a", 1))
	j.Write(put("b", "x\ny"), put("c", nil), put("a", 2))
	j.Write(put("d", true))
	j.Write(put("b", nil))
	want(t, j, "a=2", "d=true")
	again, damaged := open(t, path) // the first one is not closed, as after a kill
	if damaged != "" {
		t.Errorf("it is damaged: %s", damaged)
	}
	want(t, again, "a=2", "d=true")
	again.Write(put("e", 3))
	third, _ := open(t, path)
	want(t, third, "a=2", "d=true", "e=3")
}

func TestADamagedFileIsSetAside(t *testing.T) {
	for name, damage := range map[string]struct {
		to   func(string) string
		left []string
	}{
		"torn":             {func(s string) string { return s[:len(s)-3] }, []string{"a=1", "b=2"}},
		"torn in its head": {func(s string) string { return s[:strings.LastIndex(s[:len(s)-20], "\n")+5] }, []string{"a=1", "b=2"}},
		"a flipped byte":   {func(s string) string { return strings.Replace(s, `"b"`, `"B"`, 1) }, []string{"a=1", "c=3"}},
		"a wrong length":   {func(s string) string { return strings.Replace(s, " ", " 9", 1) }, []string{"b=2", "c=3"}},
		"rubbish before":   {func(s string) string { return "\x00\x00\n" + s }, []string{"a=1", "b=2", "c=3"}},
		"all rubbish":      {func(string) string { return "rubbish" }, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "j")
			j, _ := open(t, path)
			for n, key := range []string{"a", "b", "c"} {
				j.Write(put(key, n+1))
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			bad := damage.to(string(before))
			if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
				t.Fatal(err)
			}
			again, aside := open(t, path)
			want(t, again, damage.left...)
			kept, err := os.ReadFile(aside)
			if err != nil || string(kept) != bad {
				t.Errorf("aside is %q, %v", kept, err)
			}
			again.Write(put("d", 4))
			third, aside := open(t, path)
			if want(t, third, append(damage.left, "d=4")...); aside != "" {
				t.Errorf("it is damaged still")
			}
		})
	}
}

// A change of several keys is there as a whole, or not at all, wherever its
// write was torn.
func TestATornChangeIsNotThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, _ := open(t, path)
	j.Write(put("a", 1), put("b", 1))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	j.Write(put("a", 2), put("b", 2), put("c", 2))
	both, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := len(whole); n <= len(both); n++ {
		if err := os.WriteFile(path, both[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		again, _ := open(t, path)
		if n == len(both) {
			want(t, again, "a=2", "b=2", "c=2")
		} else {
			want(t, again, "a=1", "b=1")
		}
	}
}

func TestTheFileStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, _ := open(t, path)
	value := strings.Repeat("x", 1000)
	j.Write(put("first", value))
	for n := range 10_000 {
		j.Write(put(fmt.Sprintf("key%d", n%10), value))
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 2<<20 {
		t.Errorf("it has %d bytes for 11 values of 1,000", info.Size())
	}
	again, damaged := open(t, path)
	if got := all(t, again); len(got) != 11 || damaged != "" || !strings.HasPrefix(got[0], "first=") {
		t.Errorf("got %d keys, the first is %.10s, damaged: %q", len(got), got[0], damaged)
	}
}

func TestNumbersNeverComeTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, _ := open(t, path)
	s := journal.NewSequence(j, 1000)
	if n := s.Next(); n != 1001 {
		t.Errorf("the first is %d", n)
	}
	var last uint64
	for range 200_000 {
		last = s.Next()
	}
	again, _ := open(t, path) // as after a kill, and with a clock that went back
	if n := journal.NewSequence(again, 5).Next(); n <= last || n > last+100_000 {
		t.Errorf("after %d comes %d", last, n)
	}
}

func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed")
	j, _, err := journal.Open(path, nil)
	if err != nil {
		f.Fatal(err)
	}
	j.Write(put("a", 1), put("b", []string{"x"}))
	j.Write(put("a", nil))
	_ = j.Close()
	seed, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:len(seed)-2])
	f.Add([]byte("00000000 0\n00000000 -1\n"))
	path = filepath.Join(f.TempDir(), "j")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		j, _ := open(t, path)
		before := all(t, j)
		j.Write(put("key of the test", 1))
		again, damaged := open(t, path)
		if damaged != "" {
			t.Fatalf("what was mended is damaged")
		}
		got := all(t, again)
		if diff := cmp.Diff(append(before, "key of the test=1"), got); diff != "" {
			t.Fatal(diff)
		}
		_, _ = j.Close(), again.Close()
	})
}
