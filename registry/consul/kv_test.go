package consul_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// call makes a plain request, and returns what it came to.
func call(t *testing.T, method, url, body string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	must(t, err)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(t, err)
	http.DefaultClient.CloseIdleConnections()
	return res.StatusCode, res.Header, string(text)
}

// compact is JSON without what makes it pretty.
func compact(text string) string {
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	b, _ := json.Marshal(value) // it was JSON
	return string(b)
}

func TestKeysByTheClient(t *testing.T) {
	everywhere(t, func(here place) {
		t, c := here.T, here.client
		kv := c.KV()
		for _, key := range []string{"app/a", "app/b/1", "app/b/2", "other"} {
			_, err := kv.Put(&api.KVPair{Key: key, Value: []byte(key), Flags: 42}, nil)
			must(t, err)
		}
		p, meta, err := kv.Get("app/a", nil)
		must(t, err)
		if string(p.Value) != "app/a" || p.Flags != 42 || meta.LastIndex != p.ModifyIndex {
			t.Errorf("got %+v, %+v", p, meta)
		}
		if none, meta, err := kv.Get("none", nil); none != nil || err != nil || meta.LastIndex == 0 {
			t.Errorf("got %+v, %+v, %v", none, meta, err)
		}
		all, _, err := kv.List("app/", nil)
		must(t, err)
		if len(all) != 3 || all[2].Key != "app/b/2" {
			t.Errorf("got %+v", all)
		}
		names, _, err := kv.Keys("app/", "/", nil)
		must(t, err)
		if !slices.Equal(names, []string{"app/a", "app/b/"}) {
			t.Errorf("got %q", names)
		}
		stale := *p
		p.Value = []byte("2")
		if ok, _, err := kv.CAS(p, nil); !ok || err != nil {
			t.Errorf("got %v, %v", ok, err)
		}
		if ok, _, err := kv.CAS(&stale, nil); ok || err != nil {
			t.Errorf("got %v, %v", ok, err)
		}
		if ok, _, err := kv.DeleteCAS(&stale, nil); ok || err != nil {
			t.Errorf("got %v, %v", ok, err)
		}
		_, err = kv.DeleteTree("app/b", nil)
		must(t, err)
		_, err = kv.Delete("app/a", nil)
		must(t, err)
		if names, _, err := kv.Keys("", "", nil); err != nil || !slices.Equal(names, []string{"other"}) {
			t.Errorf("got %q, %v", names, err)
		}
	})
}

func TestAKeyIsWaitedFor(t *testing.T) {
	everywhere(t, func(here place) {
		t, c := here.T, here.client
		kv := c.KV()
		put := func(key string) {
			t.Helper()
			_, err := kv.Put(&api.KVPair{Key: key, Value: []byte("x")}, nil)
			must(t, err)
		}
		put("app/a")
		_, one, err := kv.Get("app/a", nil)
		must(t, err)
		_, under, err := kv.List("app/", nil)
		must(t, err)
		put("unrelated")
		type woken struct {
			what  string
			index uint64
		}
		all := make(chan woken, 2)
		wait := func(what string, get func(*api.QueryOptions) (*api.QueryMeta, error), index uint64) {
			meta, err := get((&api.QueryOptions{WaitIndex: index, WaitTime: time.Minute}).WithContext(t.Context()))
			if err != nil {
				t.Error(err)
				meta = &api.QueryMeta{}
			}
			all <- woken{what, meta.LastIndex}
		}
		go wait("key", func(q *api.QueryOptions) (*api.QueryMeta, error) { _, m, err := kv.Get("app/a", q); return m, err }, one.LastIndex)
		go wait("under", func(q *api.QueryOptions) (*api.QueryMeta, error) { _, m, err := kv.List("app/", q); return m, err }, under.LastIndex)
		put("app/b")
		if w := <-all; w.what != "under" || w.index <= under.LastIndex {
			t.Errorf("got %+v", w)
		}
		_, err = kv.Delete("app/a", nil)
		must(t, err)
		if w := <-all; w.what != "key" || w.index <= one.LastIndex {
			t.Errorf("got %+v", w)
		}
	})
}

func TestLocksByTheClient(t *testing.T) {
	everywhere(t, func(here place) {
		t, c := here.T, here.client
		first, err := c.LockOpts(&api.LockOptions{Key: "leader", Value: []byte("first"), SessionOpts: &api.SessionEntry{Name: "first", TTL: "10s", LockDelay: time.Nanosecond}})
		must(t, err)
		lost, err := first.Lock(nil)
		must(t, err)
		second, err := c.LockOpts(&api.LockOptions{Key: "leader", Value: []byte("second"), LockTryOnce: true, LockWaitTime: 50 * time.Millisecond})
		must(t, err)
		if held, err := second.Lock(nil); held != nil || err != nil {
			t.Errorf("it was locked twice: %v", err)
		}
		p, _, err := c.KV().Get("leader", nil)
		must(t, err)
		sessions, _, err := c.Session().List(nil)
		must(t, err)
		at := slices.IndexFunc(sessions, func(e *api.SessionEntry) bool { return e.ID == p.Session })
		if at < 0 || sessions[at].Name != "first" || sessions[at].Node != "here" || sessions[at].TTL != "10s" || !slices.Equal(sessions[at].NodeChecks, []string{"serfHealth"}) {
			t.Errorf("%+v is held by %+v", p, sessions)
		}
		_, err = c.Session().Destroy(p.Session, nil)
		must(t, err)
		<-lost
		third, err := c.LockKey("leader")
		must(t, err)
		_, err = third.Lock(nil)
		must(t, err)
		must(t, third.Unlock())
		must(t, third.Destroy())
		_ = first.Unlock()
	})
}

func TestSessions(t *testing.T) {
	everywhere(t, func(here place) {
		t, c, url := here.T, here.client, here.url
		must(t, c.Agent().CheckRegister(&api.AgentCheckRegistration{ID: "disk", Name: "disk", AgentServiceCheck: api.AgentServiceCheck{TTL: "1h", Status: api.HealthPassing}}))
		wait(t, func() bool {
			checks, _, err := c.Health().Node("here", nil)
			return err == nil && len(checks) == 2
		})
		id, _, err := c.Session().Create(&api.SessionEntry{Name: "s", NodeChecks: []string{"serfHealth", "disk"}, Behavior: api.SessionBehaviorDelete}, nil)
		must(t, err)
		if ok, _, err := c.KV().Acquire(&api.KVPair{Key: "k", Session: id}, nil); !ok || err != nil {
			t.Errorf("got %v, %v", ok, err)
		}
		if e, _, err := c.Session().Renew(id, nil); err != nil || e.ID != id {
			t.Errorf("got %+v, %v", e, err)
		}
		if on, _, err := c.Session().Node("here", nil); err != nil || len(on) != 1 || on[0].LockDelay != 15*time.Second {
			t.Errorf("got %+v, %v", on, err)
		}
		if on, _, err := c.Session().Node("nowhere", nil); err != nil || len(on) != 0 {
			t.Errorf("got %+v, %v", on, err)
		}
		must(t, c.Agent().FailTTL("disk", "full"))
		wait(t, func() bool {
			e, _, err := c.Session().Info(id, nil)
			return err == nil && e == nil
		})
		if p, _, err := c.KV().Get("k", nil); p != nil || err != nil {
			t.Errorf("got %+v, %v", p, err)
		}
		for body, want := range map[string]string{
			`{"TTL":"x"}`:             `Session TTL 'x' invalid: time: invalid duration "x"`,
			`{"TTL":"48h"}`:           "must be between [",
			`{"Behavior":"x"}`:        "Invalid Behavior setting 'x'",
			`{"Checks":["none"]}`:     "Missing check 'none' registration",
			`{"Node":"nowhere"}`:      "Missing node registration",
			`{"NodeChecks":["disk"]}`: "Check 'disk' is in critical state",
		} {
			if status, _, text := call(t, "PUT", url+"/v1/session/create", body); status < 400 || !strings.Contains(text, want) {
				t.Errorf("%s: got %d %s", body, status, text)
			}
		}
		if status, _, text := call(t, "PUT", url+"/v1/session/renew/none", ""); status != 404 || text != "Session id 'none' not found" {
			t.Errorf("got %d %s", status, text)
		}
	})
}

// wait looks again and again: for what no blocking query tells of.
func wait(t *testing.T, ok func() bool) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	limit := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-again.C:
		case <-limit:
			t.Fatal("it does not come to pass")
		}
	}
}

func TestTransactionsByTheClient(t *testing.T) {
	everywhere(t, func(here place) {
		t, c, url := here.T, here.client, here.url
		ok, res, _, err := c.KV().Txn(api.KVTxnOps{
			{Verb: api.KVSet, Key: "a", Value: []byte("1")}, {Verb: api.KVGet, Key: "a"}, {Verb: api.KVCheckNotExists, Key: "b"},
		}, nil)
		if !ok || err != nil || len(res.Results) != 2 || string(res.Results[1].Value) != "1" {
			t.Errorf("got %v, %+v, %v", ok, res, err)
		}
		ok, res, _, err = c.KV().Txn(api.KVTxnOps{
			{Verb: api.KVSet, Key: "a", Value: []byte("2")},
			{Verb: api.KVCAS, Key: "a", Index: 1},
			{Verb: api.KVGet, Key: "none"},
			{Verb: api.KVCheckIndex, Key: "b"},
			{Verb: api.KVDeleteCAS, Key: "a", Index: 1},
			{Verb: api.KVLock, Key: "a", Session: "x"},
			{Verb: api.KVUnlock, Key: "a", Session: "x"},
			{Verb: api.KVCheckSession, Key: "a", Session: "x"},
			{Verb: api.KVCheckNotExists, Key: "a"},
		}, nil)
		must(t, err)
		want := []string{
			`1 failed to set key "a", index is stale`, `2 key "none" doesn't exist`, `3 failed to check index, key "b" doesn't exist`,
			`4 failed to delete key "a", index is stale`, `5 invalid session "x"`, `6 failed to unlock key "a", lock isn't held, or is held by another session`,
			`7 failed session check for key "a", current session "" != "x"`, `8 key "a" exists`,
		}
		var got []string
		for _, e := range res.Errors {
			got = append(got, string(rune('0'+e.OpIndex))+" "+e.What)
		}
		if ok || !slices.Equal(got, want) {
			t.Errorf("got %v\n%q\nwant\n%q", ok, got, want)
		}
		if p, _, err := c.KV().Get("a", nil); err != nil || string(p.Value) != "1" {
			t.Errorf("got %+v, %v", p, err)
		}
		for body, want := range map[string]string{
			`{}`:                                 "cannot unmarshal object",
			`[{"KV":{"Verb":"jump","Key":"x"}}]`: `"What":"unknown KV verb \"jump\""`,
			"[" + strings.Repeat(`{"KV":{"Verb":"get","Key":"a"}},`, 128) + `{"KV":{"Verb":"get","Key":"a"}}]`: "Transaction contains too many operations (129 > 128)",
		} {
			if status, _, text := call(t, "PUT", url+"/v1/txn", body); status < 400 || !strings.Contains(compact(text), want) {
				t.Errorf("%.100s: got %d %s", body, status, text)
			}
		}
	})
}

// TestKeysByHTTP has what clients see beside the values.
func TestKeysByHTTP(t *testing.T) {
	everywhere(t, func(here place) {
		t, url := here.T, here.url
		big := strings.Repeat("x", 512<<10+1)
		for _, step := range []struct {
			method, path, body string
			status             int
			want               string // in the compact answer
		}{
			{"GET", "none", "", 404, ""},
			{"GET", "none?recurse", "", 404, ""},
			{"GET", "none?keys", "", 404, ""},
			{"PUT", "empty", "", 200, "true"},
			{"GET", "empty", "", 200, `"Flags":0,"Key":"empty","LockIndex":0,"ModifyIndex":`},
			{"GET", "empty", "", 200, `"Value":null`},
			{"PUT", "a/b%2Fc?flags=7", "value", 200, "true"},
			{"GET", "a/b/c?raw", "", 200, "value"},
			{"GET", "?keys", "", 200, `["a/b/c","empty"]`},
			{"GET", "?keys&separator=/", "", 200, `["a/","empty"]`},
			{"PUT", "a?cas=1&acquire=x", "", 400, "Conflicting flags: acquire=x&cas=1"},
			{"DELETE", "a?cas=1&recurse", "", 400, "Conflicting flags: cas=1&recurse="},
			{"PUT", "a?acquire=x", "", 500, `invalid session "x"`},
			{"PUT", "a?release=x", "", 200, "false"},
			{"PUT", "", "x", 400, "Missing key name"},
			{"GET", "", "", 400, "Missing key name"},
			{"DELETE", "", "", 400, "Missing key name"},
			{"DELETE", "none", "", 200, "true"},
			{"DELETE", "none?cas=3", "", 200, "true"},
			{"PUT", "big", big[1:], 200, "true"},
			{"PUT", "big", big, 413, "Request body(524289 bytes) too large, max size: 524288 bytes."},
			{"POST", "a", "", 405, "method POST not allowed"},
			{"DELETE", "?recurse", "", 200, "true"},
			{"GET", "?recurse", "", 404, ""},
		} {
			status, h, text := call(t, step.method, url+"/v1/kv/"+step.path, step.body)
			if status != step.status || !strings.Contains(compact(text), step.want) || step.want == "" && text != "" {
				t.Errorf("%s %s: got %d %s", step.method, step.path, status, text)
			}
			if step.method == "GET" && status != 400 && (h.Get("X-Consul-Index") == "" || h.Get("X-Consul-Index") == "0" || h.Get("X-Consul-KnownLeader") != "true") {
				t.Errorf("%s: got %v", step.path, h)
			}
			if strings.HasSuffix(step.path, "raw") && (h.Get("Content-Type") != "text/plain" || h.Get("Content-Security-Policy") != "sandbox") {
				t.Errorf("%s: got %v", step.path, h)
			}
		}
	})
}

// TestKeysBeyondConsul is where msctl does better: it says whose fault it is, 400
// and not 500, and a key is as it is sent.
func TestKeysBeyondConsul(t *testing.T) {
	_, _, url := start(t)
	if status, _, text := call(t, "PUT", url+"/v1/kv/a//b/..", "x"); status != 200 || text != "true\n" {
		t.Errorf("got %d %s", status, text)
	}
	if status, _, text := call(t, "GET", url+"/v1/kv/?keys", ""); status != 200 || compact(text) != `["a//b/.."]` {
		t.Errorf("got %d %s", status, text)
	}
	for _, path := range []string{"a?flags=x", "a?cas=-1"} {
		if status, _, text := call(t, "PUT", url+"/v1/kv/"+path, ""); status != 400 || !strings.Contains(text, "invalid syntax") {
			t.Errorf("%s: got %d %s", path, status, text)
		}
	}
	if status, _, text := call(t, "PUT", url+"/v1/txn", `[{"Node":{}}]`); status != 501 || !strings.Contains(text, "of nothing else") {
		t.Errorf("got %d %s", status, text)
	}
}
