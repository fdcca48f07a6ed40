package logs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Instances of several services write lines of any length in pieces of any
// size, with new writers now and then, while segments rotate and one reader
// follows, whose cursor goes through JSON: it gets all bytes of each instance
// in their order, lines uncut.
func TestAReaderLosesNothing(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { loseNothing(t, seed) })
	}
}

func loseNothing(t *testing.T, seed uint64) {
	t.Helper()
	s := openStore(t, WithSegments(int64(5000+seed*40_000), 1000))
	s.idle = time.Hour // a writer may have to wait for its turn in the middle of a line
	want, left := map[string][]byte{}, 0
	var writers sync.WaitGroup
	for i := range 9 {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		service, instance := fmt.Sprintf("service%d", i%3), fmt.Sprintf("instance%d", i)
		output := randomLines(r, 500)
		want[instance] = output
		left += len(output)
		writers.Go(func() {
			for len(output) > 0 {
				end := min(len(output), 1+r.IntN(60_000))
				end += bytes.IndexByte(output[end-1:], '\n')
				w := s.Writer(service, instance)
				if _, err := io.Copy(w, &pieces{b: output[:end], sizes: []byte{byte(r.Uint32()), byte(r.Uint32()), 0}}); err != nil {
					t.Error(err)
				}
				if err := w.Close(); err != nil {
					t.Error(err)
				}
				output = output[end:]
			}
		})
	}
	r := rand.New(rand.NewPCG(seed, 99))
	got := map[string][]byte{}
	for c := (Cursor{}); left > 0; {
		b, err := s.Next(t.Context(), c, 1+r.IntN(100_000))
		if err != nil || len(b.Dropped) > 0 {
			t.Fatalf("%v, dropped %v", err, b.Dropped)
		}
		var last time.Time
		for _, chunk := range b.Chunks {
			if chunk.Partial || chunk.Continued || chunk.Time.Before(last) {
				t.Fatalf("partial %v, continued %v, at %s after %s", chunk.Partial, chunk.Continued, chunk.Time, last)
			}
			last = chunk.Time
			got[chunk.Instance] = append(got[chunk.Instance], chunk.Data...)
			left -= len(chunk.Data)
		}
		there, err := json.Marshal(b.Cursor)
		if err != nil {
			t.Fatal(err)
		}
		b.Release()
		c = Cursor{}
		if err := json.Unmarshal(there, &c); err != nil {
			t.Fatal(err)
		}
	}
	writers.Wait()
	for instance, output := range want {
		if !bytes.Equal(got[instance], output) {
			t.Errorf("%s wrote %d bytes, read are %d others", instance, len(output), len(got[instance]))
		}
	}
	readOnly, err := OpenReadOnly(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	chunks, dropped, _ := readAll(t, readOnly, Cursor{}, 1<<20)
	again := map[string][]byte{}
	for _, c := range chunks {
		again[c.Instance] = append(again[c.Instance], c.Data...)
	}
	for instance, output := range want {
		if !bytes.Equal(again[instance], output) || dropped != nil {
			t.Errorf("on disk of %s are %d bytes of %d", instance, len(again[instance]), len(output))
		}
	}
}

// randomLines returns n lines of any bytes, most of them short.
func randomLines(r *rand.Rand, n int) []byte {
	var b []byte
	for range n {
		length := r.IntN(100)
		if r.IntN(50) == 0 {
			length = r.IntN(50_000)
		}
		for range length {
			if c := byte(r.Uint32()); c != '\n' {
				b = append(b, c)
			}
		}
		b = append(b, '\n')
	}
	return b
}

// TestMain's process writes to the store in this folder instead of running
// tests, until it is killed.
const storeDir = "MSCTL_LOGS_TEST_STORE"

const killedSegment = 100_000

func writeUntilKilled(dir string) error {
	s, err := Open(dir, WithSegments(killedSegment, 100_000))
	if err != nil {
		return err
	}
	w := s.Writer("catalog", "catalog-1")
	for i := 0; ; i++ {
		if _, err := fmt.Fprintf(w, "line %d\n", i); err != nil {
			return err
		}
	}
}

func TestWhatAKilledProcessWroteIsThereUpToItsEnd(t *testing.T) {
	for round := range 5 {
		dir := t.TempDir()
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), storeDir+"="+dir)
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		waitForSegments(t, dir, 2+round)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := child.Wait(); !errors.As(err, &exit) {
			t.Fatal(err)
		}
		before := -1
		for _, open := range []func() (*Store, error){
			func() (*Store, error) { return OpenReadOnly(dir) },
			func() (*Store, error) { return Open(dir, WithSegments(killedSegment, 100_000)) },
		} {
			s, err := open()
			if err != nil {
				t.Fatal(err)
			}
			chunks, dropped, _ := readAll(t, s, Cursor{}, 1<<20)
			n := 0
			for line := range strings.Lines(text(chunks)) {
				if want := fmt.Sprintf("line %d\n", n); line != want {
					t.Fatalf("%q, want %q", line, want)
				}
				n++
			}
			if n*len("line 0\n") < killedSegment/2 || dropped != nil || before >= 0 && n != before {
				t.Errorf("%d lines, before %d; dropped %v", n, before, dropped)
			}
			before = n
			if !s.readOnly {
				write(t, s, "after\n")
				if got := s.Tail("catalog-1", 9); len(got) != 1 || got[0] != "after" {
					t.Errorf("tail %q", got)
				}
			}
		}
	}
}

// waitForSegments returns when a log has n retired segments.
func waitForSegments(t *testing.T, dir string, n int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if found, err := filepath.Glob(filepath.Join(dir, "catalog.log.*")); err != nil {
			t.Fatal(err)
		} else if len(found) >= n {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
	}
}
