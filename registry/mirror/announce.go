package mirror

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"reflect"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/msctl/msctl/registry"
)

// The times of what is registered. A stack that was killed is critical after ttl
// and gone after reap, which is the least that a Consul takes.
const (
	ttl       = 15 * time.Second
	heartbeat = ttl / 3
	reap      = time.Minute
	farewell  = 5 * time.Second // for all that is taken out at the end
)

// uniqueMeta is the key of a service's meta that has Options.Unique.
const uniqueMeta = "msctl-stack"

// announced is what the Consul has of an instance.
type announced struct {
	registration *api.AgentServiceRegistration
	status       string
	output       string
}

// announce registers the stack's own instances, keeps them alive and as healthy as
// they are, and takes them out when they end; all of them when ctx ends.
func (m *Mirror) announce(ctx context.Context) {
	there := map[string]*announced{}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		for id := range there {
			if err := m.deregister(last, id); err != nil {
				return // it is away: the TTL sees to it
			}
		}
	}()
	var retry backoff
	var after uint64
	for beat := time.Now(); ; {
		until, cancel := context.WithDeadline(ctx, beat)
		snap, err := m.options.Registry.Next(until, after)
		cancel()
		if ctx.Err() != nil {
			return
		}
		beats := err != nil // it is time to say that all live
		if beats {
			snap = m.options.Registry.Snapshot()
			beat = time.Now().Add(heartbeat)
		}
		if err := m.settle(ctx, snap, there, beats); err != nil && ctx.Err() == nil {
			m.tell("announce", err)
			clear(there) // who knows what it still has
			if !retry.next(ctx) {
				return
			}
			after, beat = 0, time.Now().Add(heartbeat)
			continue
		}
		m.tell("announce", nil)
		retry, after = 0, snap.Revision
	}
}

// settle makes the Consul have what the table has, as far as it is known to differ.
func (m *Mirror) settle(ctx context.Context, snap registry.Snapshot, there map[string]*announced, beats bool) error {
	want := map[string]*announced{}
	for _, i := range snap.Instances {
		if a, ok := m.announcement(i); ok {
			want[a.registration.ID] = a
		}
	}
	for id := range maps.Clone(there) {
		if want[id] == nil {
			if err := m.deregister(ctx, id); err != nil {
				return err
			}
			delete(there, id)
		}
	}
	for id, a := range want {
		has := there[id]
		known := has != nil && reflect.DeepEqual(has.registration, a.registration)
		if known && !beats && has.status == a.status && has.output == a.output {
			continue
		}
		var err error
		if known {
			err = m.client.Agent().UpdateTTLOpts("service:"+id, a.output, a.status, (&api.QueryOptions{}).WithContext(ctx))
		}
		if !known || gone(err) {
			err = m.register(ctx, a)
		}
		if err != nil {
			return err
		}
		there[id] = a
	}
	return nil
}

func (m *Mirror) register(ctx context.Context, a *announced) error {
	err := m.client.Agent().ServiceRegisterOpts(a.registration, api.ServiceRegisterOpts{ReplaceExistingChecks: true}.WithContext(ctx))
	if err != nil {
		return err
	}
	return m.client.Agent().UpdateTTLOpts("service:"+a.registration.ID, a.output, a.status, (&api.QueryOptions{}).WithContext(ctx))
}

func (m *Mirror) deregister(ctx context.Context, id string) error {
	err := m.client.Agent().ServiceDeregisterOpts(id, (&api.QueryOptions{}).WithContext(ctx))
	if gone(err) {
		return nil
	}
	return err
}

// announcement is what the Consul is to have of an instance of the stack's own that
// runs and has an address.
func (m *Mirror) announcement(i registry.Instance) (*announced, bool) {
	host, text, err := net.SplitHostPort(i.Address)
	port, convErr := strconv.Atoi(text)
	if errors.Join(err, convErr) != nil || !i.State.Running() || i.External {
		return nil, false
	}
	status, output := api.HealthCritical, i.Reason
	if i.State == registry.Ready {
		status = api.HealthPassing
	}
	if output == "" {
		output = fmt.Sprintf("%s is %s", i.ID, i.State)
	}
	meta := maps.Clone(i.Meta)
	if meta == nil {
		meta = map[string]string{}
	}
	meta[uniqueMeta] = m.options.Unique
	weight := max(1, i.Weight)
	return &announced{&api.AgentServiceRegistration{
		ID: i.ID + "-" + m.options.Unique, Name: i.Service, Tags: i.Tags, Meta: meta, Address: host, Port: port,
		Weights: &api.AgentWeights{Passing: weight, Warning: weight},
		Check:   &api.AgentServiceCheck{TTL: ttl.String(), DeregisterCriticalServiceAfter: reap.String(), Status: api.HealthCritical},
	}, status, output}, true
}
