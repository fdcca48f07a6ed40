// Package mirror joins the table of instances with a Consul: the stack's own are
// registered there, and those of others that it has are put into the table.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/msctl/msctl/registry"
)

// The waits between attempts to reach a Consul that is away: each is twice the
// one before, and a random part of it less.
const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 15 * time.Second
)

// Options are a Mirror's.
type Options struct {
	Registry *registry.Registry
	Consul   *api.Config // where it is; its Transport and HttpClient are the mirror's
	Unique   string      // what makes the IDs of this stack's instances its own, in a Consul of many
	Announce bool        // register the stack's own instances
	Told     func(error) // hears that the Consul is away, and, with nil, that it is back; may be nil
}

// Mirror is what joins them.
type Mirror struct {
	options   Options
	client    *api.Client
	transport *http.Transport

	wanted chan map[string]string // what Find wants, the latest alone

	mu   sync.Mutex
	away map[string]bool // what cannot be done for now
}

// New returns a mirror. Its error is that of a configuration that cannot be, such
// as a certificate that is not there; the Consul need not be.
func New(o Options) (*Mirror, error) {
	if o.Told == nil {
		o.Told = func(error) {}
	}
	m := &Mirror{options: o, wanted: make(chan map[string]string, 1), away: map[string]bool{}}
	m.transport = &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute}
	config := *o.Consul
	config.Transport = m.transport
	var err error
	m.client, err = api.NewClient(&config)
	return m, err
}

// Find says which services of the stack are those that the Consul has: their name
// there by their name in the stack. It takes the place of what was said before, and
// may be called at any time.
func (m *Mirror) Find(names map[string]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.wanted: // nobody has seen it
	default:
	}
	m.wanted <- maps.Clone(names)
}

// Run keeps both as the other is, until ctx ends; then nothing of the stack is left
// there. Its error is nil: a Consul that is away is waited for, and what the table
// had of it stays.
func (m *Mirror) Run(ctx context.Context) error {
	defer m.transport.CloseIdleConnections()
	var g sync.WaitGroup
	defer g.Wait()
	if m.options.Announce {
		g.Go(func() { m.announce(ctx) })
	}
	finding := map[string]search{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case names := <-m.wanted:
			for service, one := range finding {
				if names[service] != one.name {
					one.stop()
					<-one.stopped
					delete(finding, service)
				}
			}
			for service, name := range names {
				if _, ok := finding[service]; ok {
					continue
				}
				until, stop := context.WithCancel(ctx)
				stopped := make(chan struct{})
				finding[service] = search{name, stop, stopped}
				g.Go(func() {
					defer close(stopped)
					defer stop()
					m.find(until, service, name)
				})
			}
		}
	}
}

// search is a service that is looked for.
type search struct {
	name    string
	stop    context.CancelFunc
	stopped chan struct{}
}

// tell tells of the first thing that cannot be done, and when all can again.
func (m *Mirror) tell(what string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := len(m.away)
	if err == nil {
		delete(m.away, what)
	} else {
		m.away[what] = true
	}
	switch {
	case before == 0 && err != nil:
		if request := (*url.Error)(nil); errors.As(err, &request) {
			err = request.Err // which request it was does not matter
		}
		m.options.Told(fmt.Errorf("%s does not answer: %w", m.options.Consul.Address, err))
	case before > 0 && len(m.away) == 0:
		m.options.Told(nil)
	}
}

// backoff is how long to wait until the next attempt.
type backoff time.Duration

// next waits, for longer each time; false means that ctx ended it.
func (b *backoff) next(ctx context.Context) bool {
	*b = min(max(2**b, backoff(firstRetry)), backoff(lastRetry))
	return pause(ctx, time.Duration(*b)-rand.N(time.Duration(*b)/4)) //nolint:gosec // only so that not all come back at once
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// gone reports whether err says that the Consul does not know what it is about.
func gone(err error) bool {
	var status api.StatusError
	return errors.As(err, &status) && status.Code == http.StatusNotFound
}
