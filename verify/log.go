package verify

import (
	"bytes"
	"context"
	"sync"
)

const (
	// maxLog bounds what is kept of a log, in bytes; the oldest lines go first.
	maxLog = 4 << 20
	// maxLine is where a line that does not end is cut.
	maxLine = 64 << 10
)

// Log keeps what a process writes, in lines. The zero Log is empty; its methods
// may be called from any goroutine.
type Log struct {
	mu    sync.Mutex
	lines []string
	size  int
	rest  []byte        // of a line that has not ended
	more  chan struct{} // closed with the next line; nil while nobody waits
}

// Write takes output as it comes. It does not fail.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole && len(line) < maxLine {
			return len(p), nil
		}
		l.add(string(bytes.TrimSuffix(line, []byte("\r"))))
		l.rest = rest
	}
}

func (l *Log) add(line string) {
	l.lines = append(l.lines, line)
	for l.size += len(line) + 1; l.size > maxLog; l.lines = l.lines[1:] {
		l.size -= len(l.lines[0]) + 1
	}
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
}

// Lines returns what there is, and a channel that is closed when there is more.
func (l *Log) Lines() ([]string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more == nil {
		l.more = make(chan struct{})
	}
	return l.lines[:len(l.lines):len(l.lines)], l.more
}

// await waits for a line that matches.
func (l *Log) await(ctx context.Context, match func(string) bool) (string, bool) {
	for {
		lines, more := l.Lines()
		for _, line := range lines {
			if match(line) {
				return line, true
			}
		}
		select {
		case <-more:
		case <-ctx.Done():
			return "", false
		}
	}
}
