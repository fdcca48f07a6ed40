package logs

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// TestMain's process is many services in the store in this folder instead of
// running tests, until it is killed.
const draftsDir = "MSCTL_LOGS_TEST_DRAFTS"

const killedServices = 8

// numbered is line n of a service: long, so that drafts get files and the pack
// is rewritten often.
func numbered(n int) string { return fmt.Sprintf("%d %s\n", n, strings.Repeat("x", n*7919%3000)) }

// count checks that a service's log is the lines from 0 on, each once, and
// returns how many there are, and what of the next one is there: a kill may
// interrupt the writing to a file.
func count(s *Store, service string) (n int, torn string, err error) {
	c := Cursor{Services: []string{service}}
	for {
		b, err := s.read(c, 1<<20)
		if err != nil || b.empty() {
			return n, torn, err
		}
		for line := range strings.Lines(torn + text(b.Chunks)) {
			switch want := numbered(n); {
			case line == want:
				torn = ""
				n++
			case strings.HasPrefix(want, line):
				torn = line
			default:
				return n, torn, fmt.Errorf("%.20q instead of %.20q", line, want)
			}
		}
		if len(b.Dropped) > 0 {
			return n, torn, fmt.Errorf("dropped %v", b.Dropped)
		}
		c = b.Cursor
	}
}

// writeDraftsUntilKilled goes on with the services' lines, a few by each
// writer, and says how many there are when it is closed.
func writeDraftsUntilKilled(dir string) error {
	s, err := Open(dir, WithSegments(killedSegment, 100_000), func(s *Store) { s.pack.slack = 100_000 })
	if err != nil {
		return err
	}
	var g errgroup.Group
	for i := range killedServices {
		service := fmt.Sprintf("service%d", i)
		n, torn, err := count(s, service)
		if err != nil {
			return err
		}
		g.Go(func() error {
			for {
				w := s.Writer(service, service+"-1")
				for range 1 + n%(i+2) {
					if _, err := w.Write([]byte(numbered(n)[len(torn):])); err != nil {
						return err
					}
					torn = ""
					n++
				}
				if err := w.Close(); err != nil {
					return err
				}
				if _, err := fmt.Fprintln(os.Stdout, service, n); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

func TestWhatAKilledProcessClosedIsThereOnce(t *testing.T) {
	dir := t.TempDir()
	closed := map[string]int{}
	for round := range 10 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), draftsDir+"="+dir)
		child.Stderr = os.Stderr
		said, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		out := bufio.NewScanner(said)
		for i := 0; out.Scan(); i++ {
			var service string
			var n int
			if _, err := fmt.Sscan(out.Text(), &service, &n); err != nil {
				t.Fatal(err)
			}
			closed[service] = n
			if i == 100+round*77 {
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		var exit *exec.ExitError
		if err := child.Wait(); !errors.As(err, &exit) {
			t.Fatal(err)
		}
		for service, least := range closed {
			n, torn, err := count(openReadOnly(t, dir), service)
			if err != nil || n < least {
				t.Fatalf("round %d: %s has %d lines of %d, %v", round, service, n, least, err)
			}
			s, err := Open(dir, WithSegments(killedSegment, 100_000))
			if err != nil {
				t.Fatal(err)
			}
			if n2, torn2, err := count(s, service); err != nil || n2 != n || torn2 != torn {
				t.Fatalf("round %d: %s has %d lines and %q when opened, %d and %q read only, %v", round, service, n2, torn2, n, torn, err)
			}
		}
	}
}
