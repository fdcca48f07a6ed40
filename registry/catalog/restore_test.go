package catalog

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/msctl/msctl/registry/journal"
)

func TestACatalogIsThereAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	begin := func(self string) *Catalog {
		t.Helper()
		j, damaged, err := journal.Open(path, func(err error) { t.Error(err) })
		if err != nil || damaged != "" {
			t.Fatal(damaged, err)
		}
		t.Cleanup(func() { _ = j.Close() })
		c := start(t, Options{Next: journal.NewSequence(j, 0).Next, Journal: j, Self: self})
		if err := c.Register(Registration{Node: Node{Node: self, Address: "127.0.0.1"}, Transient: true}); err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := begin("self")
	for _, r := range []Registration{
		{Node: Node{Node: "self"}, Service: &Service{ID: "own", Service: "own"}, Checks: []Check{{CheckID: "own", ServiceID: "own", Status: Passing}}, Transient: true},
		{Node: Node{Node: "self"}, Service: &Service{ID: "web", Service: "web", Port: 80}, Checks: []Check{{CheckID: "k", ServiceID: "web", Status: Passing}, {CheckID: "k2", ServiceID: "web"}}},
		{Node: Node{Node: "other", Address: "10.0.0.1"}, Service: &Service{ID: "db", Service: "db"}, Checks: []Check{{CheckID: "node", Status: Passing}}},
		{Node: Node{Node: "gone", Address: "10.0.0.2"}, Service: &Service{ID: "db", Service: "db"}},
		{Node: Node{Node: "other"}, Service: &Service{ID: "gone", Service: "db"}},
	} {
		if err := c.Register(r); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.DeregisterService("other", "gone")
	if err := errors.Join(err, c.SetStatus("self", "k", Critical, "no"), c.SetStatus("self", "own", Critical, "no"), c.DeregisterCheck("self", "k2"), c.DeregisterNode("gone")); err != nil {
		t.Fatal(err)
	}
	_, index := c.Services()

	c = begin("renamed") // nothing was closed, as after a kill
	_, now := c.Services()
	if now <= index {
		t.Errorf("the index went from %d to %d", index, now)
	}
	names, _ := c.Services()
	if len(names) != 2 {
		t.Errorf("got %v", names)
	}
	web, _ := c.Service("web")
	if len(web) != 1 || web[0].Service.Port != 80 || web[0].Node.Node != "renamed" || web[0].Node.Address != "127.0.0.1" ||
		len(web[0].Checks) != 1 || web[0].Checks[0].Status != Critical || web[0].Checks[0].Output != "no" {
		t.Errorf("got %+v", web)
	}
	db, _ := c.Service("db")
	if len(db) != 1 || db[0].Node.Address != "10.0.0.1" || len(db[0].Checks) != 1 {
		t.Errorf("got %+v", db)
	}
	if _, err := c.DeregisterService("renamed", "web"); err != nil {
		t.Fatal(err)
	}
	c = begin("self")
	if names, _ := c.Services(); len(names) != 1 {
		t.Errorf("got %v", names)
	}
}
