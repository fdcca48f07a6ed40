package policy

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func decoder(t *testing.T, coding string, r io.Reader) io.Reader {
	t.Helper()
	if coding == "gzip" {
		d, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// What was flushed can be read before anything else is written.
func TestEncoderFlushes(t *testing.T) {
	for _, coding := range []string{"gzip", "zstd"} {
		r, w := io.Pipe()
		var writing sync.WaitGroup
		heard := make(chan struct{})
		writing.Go(func() {
			e := NewEncoder(coding, w)
			for _, part := range []string{"first", "second"} {
				if _, err := io.WriteString(e, part); err != nil {
					t.Error(err)
				}
				if err := e.Flush(); err != nil {
					t.Error(err)
				}
				<-heard
			}
			w.CloseWithError(e.Close())
		})
		d := decoder(t, coding, r)
		for _, part := range []string{"first", "second"} {
			got := make([]byte, len(part))
			if _, err := io.ReadFull(d, got); err != nil || string(got) != part {
				t.Errorf("%s: got %q, %v", coding, got, err)
			}
			heard <- struct{}{}
		}
		if rest, err := io.ReadAll(d); err != nil || len(rest) > 0 {
			t.Errorf("%s: after the end: %q, %v", coding, rest, err)
		}
		writing.Wait()
	}
}

func TestEncodersAreUsedAgain(t *testing.T) {
	text := strings.Repeat("a text that gets smaller; ", 100_000)
	for _, coding := range []string{"gzip", "zstd"} {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 5 {
					var b bytes.Buffer
					e := NewEncoder(coding, &b)
					if _, err := io.WriteString(e, text); err != nil {
						t.Error(err)
					}
					if err := e.Close(); err != nil {
						t.Error(err)
					}
					if b.Len() > len(text)/10 {
						t.Errorf("%s: %d bytes became %d", coding, len(text), b.Len())
					}
					if got, err := io.ReadAll(decoder(t, coding, &b)); err != nil || string(got) != text {
						t.Errorf("%s: %d bytes came back, %v", coding, len(got), err)
					}
				}
			})
		}
		all.Wait()
	}
}

// Who breaks off must not look as if it had ended.
func TestReleaseDoesNotEndTheBody(t *testing.T) {
	for _, coding := range []string{"gzip", "zstd"} {
		var b bytes.Buffer
		e := NewEncoder(coding, &b)
		if _, err := io.WriteString(e, "a part"); err != nil {
			t.Fatal(err)
		}
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		before := b.Len()
		e.Release()
		e.Release()
		if b.Len() != before {
			t.Errorf("%s: %d bytes more", coding, b.Len()-before)
		}
		if got, err := io.ReadAll(decoder(t, coding, &b)); string(got) != "a part" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: got %q, %v", coding, got, err)
		}
		if _, err := e.Write([]byte("late")); err == nil {
			t.Errorf("%s: wrote after Release", coding)
		}
		if e.Flush() == nil {
			t.Errorf("%s: flushed after Release", coding)
		}
		if err := e.Close(); err != nil {
			t.Errorf("%s: Close after Release: %v", coding, err)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestEncoderAfterAFailedOne(t *testing.T) {
	for _, coding := range []string{"gzip", "zstd"} {
		e := NewEncoder(coding, broken{})
		_, _ = io.WriteString(e, "lost")
		if err := e.Close(); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: got %v", coding, err)
		}
		var b bytes.Buffer
		e = NewEncoder(coding, &b)
		_, _ = io.WriteString(e, "kept")
		if err := e.Close(); err != nil {
			t.Errorf("%s: got %v", coding, err)
		}
		if got, err := io.ReadAll(decoder(t, coding, &b)); err != nil || string(got) != "kept" {
			t.Errorf("%s: got %q, %v", coding, got, err)
		}
	}
}

func TestUnknownCoding(t *testing.T) {
	for _, coding := range []string{"", "br", "identity"} {
		if e := NewEncoder(coding, io.Discard); e != nil {
			t.Errorf("%q: got %T", coding, e)
		}
	}
}
