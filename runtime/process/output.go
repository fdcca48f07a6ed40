package process

import (
	"io"
	"os"
	"time"
)

// outputPatience is how long the rest of the output is waited for once every
// process we know of is gone: something that escaped may hold the pipe open.
const outputPatience = time.Second

// output carries what a process writes to a writer. Standard output and error
// share one pipe: that is the only way to keep their order.
type output struct {
	r, w   *os.File
	copied chan struct{}
}

func newOutput(to io.Writer) (*output, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	o := &output{r: r, w: w, copied: make(chan struct{})}
	go func() {
		defer close(o.copied)
		if _, err := io.Copy(to, &pipe{f: r}); err != nil {
			_, _ = io.Copy(io.Discard, r) // a writer that fails must not stop the process
		}
	}()
	return o, nil
}

// started gives up our copy of the writing end, so that the last process that
// has it ends the output.
func (o *output) started() { _ = o.w.Close() }

// finish waits for the rest of the output.
func (o *output) finish() {
	_ = o.r.SetReadDeadline(time.Now().Add(outputPatience)) // pipes support deadlines where the poller does; elsewhere EOF must come
	<-o.copied
	_ = o.r.Close()
}

// pipe is the reading end, which grows to its largest size once it runs full:
// one system call then carries more. Not before, since all pipes of a user
// share one limit. It is no *os.File, so that io.Copy uses the ReaderFrom of
// the log's writer.
type pipe struct {
	f     *os.File
	grown bool
}

func (p *pipe) Read(b []byte) (int, error) {
	n, err := p.f.Read(b)
	if n >= fullPipe && !p.grown {
		p.grown = true
		growPipe(p.f)
	}
	return n, err
}

// fullPipe is the size of a pipe on Linux: a read of it found the pipe full.
const fullPipe = 64 << 10
