package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Bounds of asking a service for its document.
const (
	fetchTimeout = 2 * time.Second
	fetchers     = 8 // at once
	maxDocument  = 4 << 20
	fresh        = time.Second // a document is not asked for again for as long
)

// document is a service's openapi.json, or the reason for having none.
type document struct {
	body   []byte
	reason string
}

// fetcher gets the documents of services, and keeps the last of each.
type fetcher struct {
	http1, h2c *http.Client

	mu   sync.Mutex
	kept map[Service]kept
}

type kept struct {
	document
	etag string
	at   time.Time
}

func newFetcher() *fetcher {
	return &fetcher{http1: client(false), h2c: client(true), kept: map[Service]kept{}}
}

// client keeps no connections: a document is asked for now and then. It goes
// where it is told and nowhere else.
func client(h2c bool) *http.Client {
	var p http.Protocols
	p.SetHTTP1(!h2c)
	p.SetUnencryptedHTTP2(h2c)
	return &http.Client{
		Transport:     &http.Transport{Protocols: &p, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeaderBytes},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fetch returns the document of each service, in their order.
func (f *fetcher) fetch(ctx context.Context, services []Service) []document {
	out := make([]document, len(services))
	var g errgroup.Group
	g.SetLimit(fetchers)
	for n, s := range services {
		g.Go(func() error {
			out[n] = f.get(ctx, s)
			return nil
		})
	}
	_ = g.Wait()
	f.forget(services)
	return out
}

func (f *fetcher) get(ctx context.Context, s Service) document {
	switch {
	case s.Protocol == "tcp":
		return document{reason: "it speaks TCP"}
	case s.Address == "":
		return document{reason: "no instance is ready"}
	}
	f.mu.Lock()
	have := f.kept[s]
	f.mu.Unlock()
	if !have.at.IsZero() && time.Since(have.at) < fresh {
		return have.document
	}
	got, err := f.ask(ctx, s, have)
	if err != nil {
		got = kept{document: document{reason: err.Error()}}
	}
	if ctx.Err() == nil { // that a client left says nothing of the service
		got.at = time.Now()
		f.mu.Lock()
		f.kept[s] = got
		f.mu.Unlock()
	}
	return got.document
}

// ask gets the document, or have again when the service says that it is still
// the one.
func (f *fetcher) ask(ctx context.Context, s Service, have kept) (kept, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Address+"/openapi.json", http.NoBody)
	if err != nil {
		return kept{}, err
	}
	req.Header.Set("Accept", "application/json")
	if have.etag != "" {
		req.Header.Set("If-None-Match", have.etag)
	}
	c := f.http1
	if s.Protocol == "h2c" {
		c = f.h2c
	}
	res, err := c.Do(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return kept{}, fmt.Errorf("/openapi.json took longer than %s", fetchTimeout)
	}
	if err != nil {
		return kept{}, err
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode == http.StatusNotModified && have.etag != "":
		return have, nil
	case res.StatusCode == http.StatusNotFound:
		return kept{}, errors.New("it has no /openapi.json")
	case res.StatusCode != http.StatusOK:
		return kept{}, fmt.Errorf("/openapi.json was answered with %s", res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	if err != nil {
		return kept{}, fmt.Errorf("read /openapi.json: %w", err)
	}
	if len(body) > maxDocument {
		return kept{}, fmt.Errorf("/openapi.json is larger than %d MiB", maxDocument>>20)
	}
	return kept{document: document{body: body}, etag: res.Header.Get("ETag")}, nil
}

// forget drops the documents of instances that are no more.
func (f *fetcher) forget(services []Service) {
	is := map[Service]bool{}
	for _, s := range services {
		is[s] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.kept {
		if !is[s] {
			delete(f.kept, s)
		}
	}
}
