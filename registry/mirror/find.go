package mirror

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"
	"golang.org/x/time/rate"

	"github.com/msctl/msctl/registry"
)

// longPoll is how long a question waits for a change.
const longPoll = time.Minute

// Questions about a service come at most this often, but for the first few.
const (
	pace  = 50 * time.Millisecond
	burst = 2
)

// find keeps the table's rows of a service as the Consul has its healthy instances
// of that name, and takes them out when ctx ends.
func (m *Mirror) find(ctx context.Context, service, name string) {
	f := found{service: service, rows: map[string]registry.Instance{}}
	defer func() { f.edit(m.options.Registry, nil) }()
	limit := rate.NewLimiter(rate.Every(pace), burst)
	var retry backoff
	for index := uint64(0); limit.Wait(ctx) == nil; {
		q := (&api.QueryOptions{WaitIndex: index, WaitTime: longPoll}).WithContext(ctx)
		entries, meta, err := m.client.Health().Service(name, "", true, q)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			m.tell("find "+name, err)
			index = 0 // what comes next is read anew
			if !retry.next(ctx) {
				return
			}
			continue
		}
		m.tell("find "+name, nil)
		retry = 0
		if meta.LastIndex < index { // it was restored, or is another one
			index = 0
		} else {
			index = max(1, meta.LastIndex)
		}
		f.edit(m.options.Registry, m.others(entries))
	}
}

// others are the entries that are not of this stack.
func (m *Mirror) others(entries []*api.ServiceEntry) []*api.ServiceEntry {
	var out []*api.ServiceEntry
	for _, e := range entries {
		if m.options.Unique == "" || e.Service.Meta[uniqueMeta] != m.options.Unique {
			out = append(out, e)
		}
	}
	return out
}

// found are the rows of a service that others run.
type found struct {
	service string
	rows    map[string]registry.Instance // by node and ID
}

// edit makes the table's rows those of entries.
func (f *found) edit(table *registry.Registry, entries []*api.ServiceEntry) {
	gone, put := f.update(entries)
	table.Edit(gone, put...)
}

// update returns what is to go and to be put so that the rows are those of entries.
// One that stays keeps its number; a new one has the least that is free.
func (f *found) update(entries []*api.ServiceEntry) (gone []string, put []registry.Instance) {
	next := make(map[string]registry.Instance, len(entries))
	taken := map[int]bool{}
	for _, e := range entries {
		key := e.Node.Node + "/" + e.Service.ID
		if row, ok := f.rows[key]; ok {
			next[key] = row
			taken[row.Replica] = true
		}
	}
	for key, row := range f.rows {
		if _, stays := next[key]; !stays && !taken[row.Replica] {
			gone = append(gone, row.ID)
		}
	}
	n := 1
	for _, e := range entries {
		key := e.Node.Node + "/" + e.Service.ID
		row, ok := next[key]
		if !ok {
			for taken[n] {
				n++
			}
			taken[n] = true
			row = registry.Instance{ID: fmt.Sprintf("%s-%d", f.service, n), Service: f.service, Replica: n, Kind: "service", State: registry.Ready, External: true, Found: true, Since: time.Now()}
		}
		host := e.Service.Address
		if host == "" {
			host = e.Node.Address
		}
		row.Address = net.JoinHostPort(host, strconv.Itoa(e.Service.Port))
		row.Weight, row.Tags, row.Meta = e.Service.Weights.Passing, e.Service.Tags, e.Service.Meta
		row.Reason = fmt.Sprintf("%s on %s, in Consul", e.Service.ID, e.Node.Node)
		next[key] = row
		put = append(put, row)
	}
	f.rows = next
	return gone, put
}
