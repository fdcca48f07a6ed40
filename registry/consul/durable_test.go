package consul_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/registry/consul"
	"github.com/msctl/msctl/registry/journal"
)

// kept is a server whose journal is at a path.
type kept struct {
	*api.Client
	url  string
	end  func() // in order
	bad  func() []error
	path string
}

// keep runs a server on a journal. What it leaves when it is killed is what is in
// the journal while it runs.
func keep(t *testing.T, path, node string) *kept {
	t.Helper()
	j, damaged, err := journal.Open(path, func(err error) { t.Error(err) })
	if err != nil || damaged != "" {
		t.Fatal(damaged, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	var bad []error
	s := consul.New(consul.Options{Registry: registry.New(), Node: node, Journal: j, OnError: func(err error) { bad = append(bad, err) }})
	go func() { ended <- s.Run(ctx, l) }()
	transport := &http.Transport{}
	over := false
	k := &kept{url: "http://" + l.Addr().String(), path: path, bad: func() []error { return bad }}
	k.end = func() {
		if over {
			return
		}
		over = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = j.Close()
		transport.CloseIdleConnections()
	}
	t.Cleanup(k.end)
	k.Client, err = api.NewClient(&api.Config{Address: l.Addr().String(), HttpClient: &http.Client{Transport: transport}})
	must(t, err)
	return k
}

// killed is a server on what another one would leave now, if it was killed.
func killed(t *testing.T, k *kept) *kept {
	t.Helper()
	content, err := os.ReadFile(k.path)
	must(t, err)
	path := filepath.Join(t.TempDir(), "journal")
	must(t, os.WriteFile(path, content, 0o600))
	return keep(t, path, "here")
}

func TestAKillLosesNothing(t *testing.T) {
	k := keep(t, filepath.Join(t.TempDir(), "journal"), "here")
	a := k.Agent()
	must(t, a.ServiceRegister(&api.AgentServiceRegistration{
		ID: "web-1", Name: "web", Port: 80, Address: "127.0.0.1", Tags: []string{"v1"}, Meta: map[string]string{"team": "a"},
		Checks: api.AgentServiceChecks{{CheckID: "alive", TTL: "1h", Status: api.HealthPassing}, {CheckID: "port", TCP: k.url[len("http://"):], Interval: "1h", Status: api.HealthPassing}},
	}))
	must(t, a.UpdateTTL("alive", "so so", api.HealthWarning))
	must(t, a.ServiceRegister(&api.AgentServiceRegistration{ID: "gone", Name: "gone", Check: &api.AgentServiceCheck{TTL: "1h"}}))
	must(t, a.ServiceDeregister("gone"))
	must(t, a.EnableNodeMaintenance("upgrade"))
	_, err := k.Catalog().Register(&api.CatalogRegistration{Node: "far", Address: "10.0.0.1", Service: &api.AgentService{Service: "db", Port: 5432}}, nil)
	must(t, err)
	session, _, err := k.Session().Create(&api.SessionEntry{Name: "mine", TTL: "1h"}, nil)
	must(t, err)
	if ok, _, err := k.KV().Acquire(&api.KVPair{Key: "leader", Value: []byte("me"), Session: session}, nil); !ok || err != nil {
		t.Fatal(ok, err)
	}
	before := until(t, k.Client, "web", false, count(1))[0]
	_, meta, err := k.Catalog().Services(nil)
	must(t, err)

	again := killed(t, k)
	after := until(t, again.Client, "web", false, count(1))[0]
	if after.Node.Node != "here" || after.Service.Port != 80 || after.Service.Tags[0] != "v1" || after.Service.Meta["team"] != "a" ||
		len(after.Checks) != len(before.Checks) || after.Checks.AggregatedStatus() != api.HealthMaint {
		t.Errorf("got %+v\nafter %+v", after, before)
	}
	must(t, again.Agent().DisableNodeMaintenance())
	for _, check := range until(t, again.Client, "web", false, count(1))[0].Checks {
		if want := map[string]string{"alive": "warning so so", "port": "passing "}[check.CheckID]; !strings.HasPrefix(check.Status+" "+check.Output, want) {
			t.Errorf("got %+v", check)
		}
	}
	must(t, again.Agent().PassTTL("alive", "")) // it can go on as it did
	names, now, err := again.Catalog().Services(nil)
	must(t, err)
	if len(names) != 3 || now.LastIndex <= meta.LastIndex {
		t.Errorf("got %v at %d, after %d", names, now.LastIndex, meta.LastIndex)
	}
	p, _, err := again.KV().Get("leader", nil)
	must(t, err)
	if string(p.Value) != "me" || p.Session != session {
		t.Errorf("got %+v", p)
	}
	if e, _, err := again.Session().Renew(session, nil); err != nil || e == nil {
		t.Errorf("got %+v, %v", e, err)
	}
	if again.bad() != nil {
		t.Error(again.bad())
	}
}

func TestATTLGoesOnWhileNobodyRuns(t *testing.T) {
	k := keep(t, filepath.Join(t.TempDir(), "journal"), "here")
	must(t, k.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "short", Check: &api.AgentServiceCheck{TTL: "1ms", Status: api.HealthPassing}}))
	must(t, k.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "long", Check: &api.AgentServiceCheck{TTL: "1h", Status: api.HealthPassing}}))
	content, err := os.ReadFile(k.path)
	must(t, err)
	k.end()
	// As it was before the short one lapsed, had it been killed then.
	path := filepath.Join(t.TempDir(), "journal")
	must(t, os.WriteFile(path, content, 0o600))
	again := keep(t, path, "here")
	until(t, again.Client, "short", false, func(all []*api.ServiceEntry) bool {
		return len(all) == 1 && all[0].Checks.AggregatedStatus() == api.HealthCritical
	})
	until(t, again.Client, "long", true, count(1))
}

func TestAnEndInOrderKeepsTheKeys(t *testing.T) {
	k := keep(t, filepath.Join(t.TempDir(), "journal"), "here")
	must(t, k.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "web", Check: &api.AgentServiceCheck{TTL: "1h"}}))
	session, _, err := k.Session().Create(&api.SessionEntry{}, nil)
	must(t, err)
	_, _, err = k.KV().Acquire(&api.KVPair{Key: "k", Value: []byte("v"), Session: session}, nil)
	must(t, err)
	k.end()
	again := keep(t, k.path, "here")
	if names, _, err := again.Catalog().Services(nil); err != nil || len(names) != 1 {
		t.Errorf("got %v, %v", names, err)
	}
	if p, _, err := again.KV().Get("k", nil); err != nil || string(p.Value) != "v" || p.Session != "" {
		t.Errorf("got %+v, %v", p, err)
	}
}

// What of the journal is whole, but says nothing that there can be, is told and
// left out.
func TestWhatCannotBeReadIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, _, err := journal.Open(path, nil)
	must(t, err)
	j.Write(journal.Change{Key: "service/\x00web", Value: 7}, journal.Change{Key: "check/\x00k", Value: map[string]string{"CheckID": "k", "ServiceID": "web"}})
	j.Write(journal.Change{Key: "key/a", Value: "x"}, journal.Change{Key: "run/k", Value: []int{}})
	must(t, j.Close())
	k := keep(t, path, "here")
	if names, _, err := k.Catalog().Services(nil); err != nil || len(names) != 1 {
		t.Errorf("got %v, %v", names, err)
	}
	text := ""
	for _, err := range k.bad() {
		text += err.Error() + "\n"
	}
	for _, want := range []string{"key/a", "web", "not registered", "cannot unmarshal array"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
}
