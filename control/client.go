package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/msctl/msctl/logs"
	"github.com/msctl/msctl/registry"
)

// dialTimeout is what a live server never needs: its socket is local.
const dialTimeout = time.Second

// errNotRunning: nothing serves the stack's socket.
var errNotRunning = errors.New("the stack is not running")

// IsNotRunning reports whether err says that no msctl runs the stack.
func IsNotRunning(err error) bool { return errors.Is(err, errNotRunning) }

// ErrGone ends a stream or a wait when the stack does.
var ErrGone = errors.New("the stack has ended")

// Client talks to the control API of one stack. It may be used from any goroutine.
type Client struct{ http *http.Client }

// Dial connects to the stack in dir; IsNotRunning tells that there is none.
func Dial(dir string) (*Client, error) {
	path := SocketPath(dir)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		d := net.Dialer{Timeout: dialTimeout}
		return d.DialContext(ctx, "unix", path)
	}
	c, err := dial(context.Background(), "", "")
	if err != nil {
		return nil, fmt.Errorf("%w in %s", errNotRunning, dir)
	}
	first := make(chan net.Conn, 1) // the connection that proved it is the first to be used
	first <- c
	return &Client{&http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		select {
		case c := <-first:
			return c, nil
		default:
			return dial(ctx, network, addr)
		}
	}}}}, nil
}

// Status asks what runs.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.call(ctx, http.MethodGet, "/v1/status", nil, &s)
}

// Routes asks for the gateway's routes.
func (c *Client) Routes(ctx context.Context) ([]Route, error) {
	var r []Route
	return r, c.call(ctx, http.MethodGet, "/v1/routes", nil, &r)
}

// Match asks which route of the gateway takes a request: nil says none.
func (c *Client) Match(ctx context.Context, q MatchQuery) (*Match, error) {
	var m *Match
	return m, c.call(ctx, http.MethodPost, "/v1/routes/match", q, &m)
}

// Graph asks who called whom through the gateway.
func (c *Client) Graph(ctx context.Context) (Graph, error) {
	var g Graph
	return g, c.call(ctx, http.MethodGet, "/v1/graph", nil, &g)
}

// Environment asks for that of a service.
func (c *Client) Environment(ctx context.Context, service string) (Environment, error) {
	var e Environment
	return e, c.call(ctx, http.MethodGet, "/v1/env?service="+url.QueryEscape(service), nil, &e)
}

// Do has an action carried out.
func (c *Client) Do(ctx context.Context, a Action) (Result, error) {
	var r Result
	return r, c.call(ctx, http.MethodPost, "/v1/actions", a, &r)
}

// Next is registry.Registry's, from afar; ErrGone says that the stack ended.
func (c *Client) Next(ctx context.Context, after uint64) (registry.Snapshot, error) {
	for {
		var s registry.Snapshot
		if err := c.call(ctx, http.MethodGet, "/v1/snapshot?after="+strconv.FormatUint(after, 10), nil, &s); err != nil {
			return s, err
		}
		if s.Revision > after {
			return s, nil
		}
		if _, err := c.Status(ctx); err != nil { // a 204 may be a stack's last answer
			return s, err
		}
	}
}

// Logs streams what matches the query. The lines still have to pass its
// filter: only Tail has counted with it. The stream of a query that follows
// ends without an error when the stack does.
func (c *Client) Logs(ctx context.Context, q LogQuery) iter.Seq2[logs.Batch, error] {
	return stream[logs.Batch](ctx, c, "/v1/logs", q)
}

// Requests streams the requests of the gateway that match the query. The stream
// of one that follows ends without an error when the stack does.
func (c *Client) Requests(ctx context.Context, q RequestQuery) iter.Seq2[RequestBatch, error] {
	return stream[RequestBatch](ctx, c, "/v1/requests", q)
}

// stream posts a query, and yields the values of its answer as they come.
func stream[T any](ctx context.Context, c *Client, path string, query any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		res, err := c.request(ctx, http.MethodPost, path, query)
		if err != nil {
			yield(none, err)
			return
		}
		defer res.Body.Close() //nolint:errcheck // only read
		for d := json.NewDecoder(res.Body); ; {
			var v T
			if err := d.Decode(&v); err != nil {
				if ctx.Err() != nil {
					yield(none, ctx.Err())
				}
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	res, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	if res.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var data io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		data = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://msctl"+path, data)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w: %w", ErrGone, err)
	}
	if res.StatusCode < http.StatusBadRequest {
		return res, nil
	}
	defer res.Body.Close() //nolint:errcheck // only read
	e := &Error{}
	if err := json.NewDecoder(res.Body).Decode(e); err != nil || e.Message == "" {
		return nil, fmt.Errorf("control API: %s %s: %s", method, path, res.Status)
	}
	return nil, e
}
