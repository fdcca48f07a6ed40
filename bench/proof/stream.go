package proof

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Listen keeps so many WebSockets and as many streams of server-sent events of
// a service open until ctx ends. One that ends is opened anew.
func (s *Stack) Listen(ctx context.Context, service string, each int) {
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 0, DisableKeepAlives: true}}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	for range each {
		all.Go(func() { s.listen(ctx, service, "/ws", s.websocket) })
		all.Go(func() {
			s.listen(ctx, service, "/events", func(ctx context.Context, url string, said func(string) error) error {
				return events(ctx, client, url, said)
			})
		})
	}
	all.Wait()
}

// stream reads one to its end, and hands over what it says.
type stream func(ctx context.Context, url string, said func(string) error) error

// errSilent ends a stream that says nothing.
var errSilent = errors.New("nothing came for a while")

// silence is how long a stream that says something each 100 ms may say nothing.
const silence = 10 * time.Second

func (s *Stack) listen(ctx context.Context, service, kind string, read stream) {
	for ctx.Err() == nil {
		var (
			pid    int
			events int
			floor  = s.Floor(service)
			opened = time.Now()
		)
		hearing, stop := context.WithCancelCause(ctx)
		quiet := time.AfterFunc(silence, func() { stop(errSilent) })
		err := read(hearing, "http://"+s.door+"/"+service+kind, func(text string) error {
			quiet.Reset(silence)
			version, is, err := parse(text)
			switch {
			case err != nil:
				return err
			case pid != 0 && is != pid:
				return fmt.Errorf("it was of pid %d, and is of pid %d now", pid, is)
			case pid == 0 && version < floor:
				s.report(func(t *Tally) { t.Stale++ }, opened, "%s%s: opened to v%d, when all had v%d", service, kind, version, floor)
			}
			pid = is
			events++
			return nil
		})
		ended := time.Now()
		quiet.Stop()
		if errors.Is(context.Cause(hearing), errSilent) {
			err = errSilent
		}
		stop(nil)
		s.mu.Lock()
		s.tally.Streams++
		since, drains := s.drains[pid]
		s.mu.Unlock()
		switch {
		case ctx.Err() != nil:
		case pid == 0:
			s.report(func(t *Tally) { t.Cut++ }, opened, "%s%s did not open: %v", service, kind, err)
		case !drains:
			s.report(func(t *Tally) { t.Cut++ }, opened, "%s%s was cut after %d events, though pid %d does not drain: %v", service, kind, events, pid, err)
		case ended.Sub(since) < Drain:
			s.report(func(t *Tally) { t.Cut++ }, opened, "%s%s was cut after %d events, %s after pid %d began to drain: %v",
				service, kind, events, ended.Sub(since), pid, err)
		case kind == "/ws" && !goesAway(err):
			s.report(func(t *Tally) { t.Cut++ }, opened, "%s%s was not closed as WebSockets are, after %d events of pid %d: %v", service, kind, events, pid, err)
		}
	}
}

// goesAway reports whether a WebSocket was closed for what is being replaced.
func goesAway(err error) bool {
	code := websocket.CloseStatus(err)
	return code == websocket.StatusGoingAway || code == websocket.StatusServiceRestart
}

func (s *Stack) websocket(ctx context.Context, url string, said func(string) error) error {
	c, res, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		if res != nil && res.Body != nil {
			_ = res.Body.Close()
		}
		return err
	}
	defer c.CloseNow() //nolint:errcheck // it is over
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if err := said(string(text)); err != nil {
			return err
		}
	}
}

// events reads server-sent events.
func events(ctx context.Context, client *http.Client, url string, said func(string) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if err := said(text); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}
