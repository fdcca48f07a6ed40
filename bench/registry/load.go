package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// client is a connection that is kept.
type client struct {
	conn net.Conn
	r    *bufio.Reader
}

func dial(ctx context.Context, addr string) (*client, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{conn, bufio.NewReader(conn)}, nil
}

// ask sends a request, and reads the answer to its end; its index is 0 if it has
// none.
func (c *client) ask(method, path, body string) (index uint64, err error) {
	if err := c.send(method, path, body); err != nil {
		return 0, err
	}
	return c.answer()
}

func (c *client) send(method, path, body string) error {
	_, err := io.WriteString(c.conn, method+" "+path+" HTTP/1.1\r\nHost: registry\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
	return err
}

// answer reads an answer with as little work as can be: the load is to cost less
// than what it measures.
func (c *client) answer() (index uint64, err error) {
	status, err := c.r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	length := -1
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		name, value, ok := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
		if !ok {
			break
		}
		switch string(name) {
		case "Content-Length":
			length, err = strconv.Atoi(string(value))
		case "X-Consul-Index":
			index, err = strconv.ParseUint(string(value), 10, 64)
		}
		if err != nil {
			return 0, err
		}
	}
	if length >= 0 {
		_, err = c.r.Discard(length)
	} else {
		_, err = io.Copy(io.Discard, httputil.NewChunkedReader(c.r))
		if err == nil {
			_, err = c.r.Discard(len("\r\n"))
		}
	}
	if err == nil && !strings.HasPrefix(status, "HTTP/1.1 200 ") {
		err = fmt.Errorf("got %s", status)
	}
	return index, err
}

// each runs f in several clients at the same time.
func (c *contender) each(ctx context.Context, clients int, f func(n int, one *client) error) error {
	var g sync.WaitGroup
	errs := make(chan error, clients)
	for n := range clients {
		g.Go(func() {
			one, err := dial(ctx, c.addr)
			if err == nil {
				defer one.conn.Close() //nolint:errcheck // all is read
				err = f(n, one)
			}
			if err != nil {
				errs <- err
			}
		})
	}
	g.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func definition(service, id string, port int) string {
	return fmt.Sprintf(`{"ID":%q,"Name":%q,"Address":"127.0.0.1","Port":%d,"Tags":["bench","v1"],"Meta":{"team":"a"},"Check":{"TTL":"1h","Status":"passing"}}`, id, service, port)
}

// registration is the same for the catalog, which runs no checks.
func registration(service, id string, port int, status string) string {
	return fmt.Sprintf(`{"Node":"bench","Address":"127.0.0.1","Service":{"ID":%q,"Service":%q,"Address":"127.0.0.1","Port":%d,"Tags":["bench","v1"],"Meta":{"team":"a"}},`+
		`"Check":{"CheckID":%q,"Name":"check","ServiceID":%q,"Status":%q}}`, id, service, port, "check:"+id, id, status)
}

const register, deregister, catalog = "/v1/agent/service/register", "/v1/agent/service/deregister/", "/v1/catalog/register"

// fill puts the instances in, and those services that are waited for. An agent of
// Consul is not made for thousands of instances on one node: they go to its catalog
// alone, which costs it less than what msctl does, a TTL for each.
func (c *contender) fill(ctx context.Context, o options) (err error) {
	if c.before, err = resident(c.pid); err != nil {
		return err
	}
	err = c.each(ctx, o.clients, func(n int, one *client) error {
		for ; n < o.instances; n += o.clients {
			path, body := register, definition(fmt.Sprintf("service-%d", n%o.services), fmt.Sprintf("instance-%d", n), 1+n%60000)
			if c.name == "consul" {
				path, body = catalog, registration(fmt.Sprintf("service-%d", n%o.services), fmt.Sprintf("instance-%d", n), 1+n%60000, "passing")
			}
			if _, err := one.ask(http.MethodPut, path, body); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	select { // until the collector has been round
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.after, err = resident(c.pid); err != nil {
		return err
	}
	return c.each(ctx, o.clients, func(n int, one *client) error {
		for ; n <= o.watchers; n += o.clients {
			id := fmt.Sprintf("watched-%d", n)
			if _, err := one.ask(http.MethodPut, catalog, registration(id, id, 1, "passing")); err != nil {
				return err
			}
		}
		return nil
	})
}

// round measures all once.
func (c *contender) round(ctx context.Context, o options) error {
	changes, err := c.rate(ctx, o, func(n int, one *client, i int) error {
		id := fmt.Sprintf("changing-%d", n)
		if _, err := one.ask(http.MethodPut, register, definition(fmt.Sprintf("service-%d", i%o.services), id, 1)); err != nil {
			return err
		}
		_, err := one.ask(http.MethodPut, deregister+id, "")
		return err
	})
	if err != nil {
		return err
	}
	c.changes = append(c.changes, changes)
	reads, err := c.rate(ctx, o, func(n int, one *client, i int) error {
		_, err := one.ask(http.MethodGet, fmt.Sprintf("/v1/health/service/service-%d?passing", (n*7919+i)%o.services), "")
		return err
	})
	if err != nil {
		return err
	}
	c.reads = append(c.reads, reads)
	each, same := make([]string, o.watchers), make([]string, o.watchers)
	for n := range each {
		each[n], same[n] = fmt.Sprintf("watched-%d", n), fmt.Sprintf("watched-%d", o.watchers)
	}
	one, err := c.woken(ctx, each, 200)
	if err != nil {
		return err
	}
	c.one = append(c.one, one...)
	all, err := c.woken(ctx, same, 5)
	c.all = append(c.all, all...)
	return err
}

// rate is how often a second the clients do something.
func (c *contender) rate(ctx context.Context, o options, f func(n int, one *client, i int) error) (float64, error) {
	var count atomic.Int64
	begin := time.Now()
	err := c.each(ctx, o.clients, func(n int, one *client) error {
		for i := 0; time.Since(begin) < o.each && ctx.Err() == nil; i++ {
			if err := f(n, one, i); err != nil {
				return err
			}
			count.Add(1)
		}
		return ctx.Err()
	})
	return float64(count.Load()) / time.Since(begin).Seconds(), err
}

// watchers wait for services, each for its own, or all for the same.
type watchers struct {
	service []string
	clients []*client
	index   []uint64
	begin   time.Time
	changed atomic.Int64 // when the last change was asked for, since begin
	answers chan answered
}

// answered is how long an answer took from the change on.
type answered struct {
	after time.Duration
	err   error
}

func (c *contender) watch(ctx context.Context, service []string) (*watchers, error) {
	w := &watchers{service: service, begin: time.Now(), answers: make(chan answered, len(service)), index: make([]uint64, len(service))}
	for n, name := range service {
		one, err := dial(ctx, c.addr)
		if err != nil {
			return w, err
		}
		w.clients = append(w.clients, one)
		if w.index[n], err = one.ask(http.MethodGet, "/v1/health/service/"+name, ""); err != nil {
			return w, err
		}
	}
	for n := range service {
		if err := w.wait(n); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *watchers) close() {
	for _, one := range w.clients {
		_ = one.conn.Close() // nothing more is read
	}
}

// wait has a client ask for what is newer than what it has.
func (w *watchers) wait(n int) error {
	path := fmt.Sprintf("/v1/health/service/%s?index=%d&wait=60s", w.service[n], w.index[n])
	if err := w.clients[n].send(http.MethodGet, path, ""); err != nil {
		return err
	}
	go func() { // it ends with its connection
		var err error
		w.index[n], err = w.clients[n].answer()
		w.answers <- answered{time.Since(w.begin) - time.Duration(w.changed.Load()), err}
	}()
	return nil
}

// woken changes the services one after the other, so many times, and returns how long
// it took from each change's request to the answers that it brought. All are as they
// were in the end.
func (c *contender) woken(ctx context.Context, service []string, changes int) ([]time.Duration, error) {
	w, err := c.watch(ctx, service)
	defer w.close()
	if err != nil {
		return nil, err
	}
	changer, err := dial(ctx, c.addr)
	if err != nil {
		return nil, err
	}
	defer changer.conn.Close() //nolint:errcheck // all is read
	var out []time.Duration
	critical := map[string]bool{}
	for i := range changes {
		select { // those that wait are to have arrived
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		name := service[i%len(service)]
		critical[name] = !critical[name]
		status := map[bool]string{false: "passing", true: "critical"}[critical[name]]
		w.changed.Store(int64(time.Since(w.begin)))
		if _, err := changer.ask(http.MethodPut, catalog, registration(name, name, 1, status)); err != nil {
			return nil, err
		}
		for n := range service {
			if service[n] != name {
				continue
			}
			a := <-w.answers
			if a.err != nil {
				return nil, a.err
			}
			out = append(out, a.after)
		}
		for n := range service {
			if service[n] != name {
				continue
			}
			if err := w.wait(n); err != nil {
				return nil, err
			}
		}
	}
	for name := range critical {
		if _, err := changer.ask(http.MethodPut, catalog, registration(name, name, 1, "passing")); err != nil {
			return nil, err
		}
	}
	return out, nil
}
