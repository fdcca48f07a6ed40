package runtime

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/msctl/msctl/stack"
)

// dial connects to addr, and words the usual refusal for people.
func dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, nobody(addr)
	}
	return c, err
}

// looker is a prober whose question a round can ask, together with others.
type looker interface {
	look(t probed) (look, bool)
}

// look is a question to a service on loopback: whether it accepts a
// connection and, when there is a request, answers it with a status that is
// accepted.
type look struct {
	addr    netip.AddrPort
	what    string // "GET /readyz"
	request []byte
	accepts func(status int) bool
}

// errLate is the answer of a look that got none in time.
var errLate = errors.New("no answer yet")

// tcpProbe is a connection that is accepted.
type tcpProbe struct{ port int }

func (p tcpProbe) probe(ctx context.Context, t probed) error {
	addr := t.addr
	if p.port != 0 {
		addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port))
	}
	if listens, known := knock(addr); listens && known {
		return nil
	} else if known {
		return nobody(addr)
	}
	c, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	return c.Close()
}

func nobody(addr string) error { return fmt.Errorf("nothing listens on %s", addr) }

func (p tcpProbe) look(t probed) (look, bool) {
	addr, err := netip.ParseAddrPort(t.addr)
	if p.port != 0 {
		addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(p.port)) //nolint:gosec // the loader has checked it
	}
	return look{addr: addr}, err == nil && addr.Addr().IsLoopback()
}

// httpProbe is a GET that is answered with the wanted status. Each probe is a
// connection of its own, closed after it: that the service still accepts is
// part of the question.
type httpProbe struct {
	path   string
	host   string // of a full URL; "" is the instance
	status int
}

func newHTTPProbe(h stack.Healthcheck) httpProbe {
	p := httpProbe{path: h.HTTP, status: h.HTTPStatus}
	if u, err := url.Parse(h.HTTP); err == nil && u.Host != "" {
		p.host, p.path = u.Host, u.RequestURI()
		if u.Port() == "" {
			p.host = net.JoinHostPort(u.Hostname(), "80")
		}
	}
	if !strings.HasPrefix(p.path, "/") {
		p.path = "/" + p.path
	}
	return p
}

func (p httpProbe) probe(ctx context.Context, t probed) error {
	addr := t.addr
	if p.host != "" {
		addr = p.host
	}
	if listens, known := knock(addr); known && !listens {
		return nobody(addr)
	}
	c, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // the answer is in
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if _, err := c.Write(p.request(addr)); err != nil {
		return fmt.Errorf("GET %s: %w", p.path, err)
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(c, 1024), nil)
	if err != nil {
		return fmt.Errorf("GET %s: %w", p.path, err)
	}
	_ = res.Body.Close()
	if !p.accepts(res.StatusCode) {
		return fmt.Errorf("GET %s answered %s", p.path, res.Status)
	}
	return nil
}

func (p httpProbe) request(addr string) []byte {
	return []byte("GET " + p.path + " HTTP/1.1\r\nHost: " + addr + "\r\nUser-Agent: msctl-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n")
}

func (p httpProbe) accepts(status int) bool {
	if p.status != 0 {
		return status == p.status
	}
	return status >= 200 && status <= 399
}

func (p httpProbe) look(t probed) (look, bool) {
	addr, err := netip.ParseAddrPort(t.addr)
	return look{addr, "GET " + p.path, p.request(t.addr), p.accepts}, err == nil && p.host == "" && addr.Addr().IsLoopback()
}

// execProbe is a command that exits 0 in the instance's environment.
type execProbe struct{ command stack.Command }

func (p execProbe) probe(ctx context.Context, t probed) error {
	out := &lastLine{}
	err := t.runner.Exec(ctx, t.spec, p.command, out)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if line := out.String(); err != nil && line != "" {
		return fmt.Errorf("%w: %s", err, line)
	}
	return err
}

// lastLine keeps the last line that is written to it, cut at 200 bytes.
type lastLine struct{ line []byte }

func (l *lastLine) Write(p []byte) (int, error) {
	lines := bytes.Split(bytes.TrimRight(p, "\r\n"), []byte("\n"))
	last := lines[len(lines)-1]
	l.line = append(l.line[:0], last[:min(len(last), 200)]...)
	return len(p), nil
}

func (l *lastLine) String() string { return string(bytes.TrimSpace(l.line)) }

// logProbe is a line of output that matches.
type logProbe struct {
	pattern *regexp.Regexp

	mu   sync.Mutex
	seen bool
	rest []byte // an unfinished line
}

// maxLogLine bounds what logProbe keeps of a line that does not end.
const maxLogLine = 64 << 10

func newLogProbe(pattern string) *logProbe {
	re, err := regexp.Compile(pattern)
	if err != nil {
		re = regexp.MustCompile(regexp.QuoteMeta(pattern)) // the loader has refused it already
	}
	return &logProbe{pattern: re}
}

// tee forgets the last run, and returns a writer that looks at all that goes to w.
func (p *logProbe) tee(w io.Writer) io.Writer {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen, p.rest = false, nil
	return io.MultiWriter(p, w)
}

func (p *logProbe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen {
		return len(b), nil
	}
	rest := b
	for len(rest) > 0 && !p.seen {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if len(p.rest) > 0 {
			line = append(p.rest, line...)
		}
		p.seen = p.pattern.Match(line)
		p.rest = p.rest[:0]
		if !whole && len(line) < maxLogLine {
			p.rest = append([]byte(nil), line...)
		}
		rest = after
	}
	return len(b), nil
}

func (p *logProbe) probe(context.Context, probed) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.seen {
		return fmt.Errorf("no line of output matches %q yet", p.pattern)
	}
	return nil
}
