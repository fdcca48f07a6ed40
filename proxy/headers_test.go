package proxy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// protocols are clients of both engines.
func protocols(t *testing.T) map[string]*http.Client {
	t.Helper()
	out := map[string]*http.Client{}
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		p := new(http.Protocols)
		p.SetHTTP1(!h2)
		p.SetUnencryptedHTTP2(h2)
		transport := &http.Transport{Protocols: p, DisableCompression: true, MaxIdleConnsPerHost: 200}
		t.Cleanup(transport.CloseIdleConnections)
		out[name] = &http.Client{Transport: transport}
	}
	return out
}

// heard is the request that a service got.
type heard struct {
	Host   string
	Header http.Header
}

func repeats(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(heard{r.Host, r.Header})
}

// asService has a client ask the front door, and returns what the service got.
func (w *world) asService(c *http.Client, path string, header http.Header) heard {
	w.t.Helper()
	r := w.request("GET", "", path, nil)
	r.Header = header.Clone()
	res, err := c.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	var got heard
	if res.StatusCode != http.StatusOK || json.Unmarshal(b, &got) != nil {
		w.t.Fatalf("%s: %s %s", path, res.Status, b)
	}
	return got
}

// What a route sets takes the place of what the gateway says itself, whatever
// speaks on either side.
func TestRulesCountForTheGatewaysOwnHeaders(t *testing.T) {
	rules := stack.HeaderRules{
		Set: map[string]string{
			"host": "other.test", "x-forwarded-proto": "https", "X-Forwarded-For": "192.0.2.1", "X-Request-ID": "mine", "Traceparent": "none",
		},
		Remove: []string{"Forwarded", "X-Forwarded-Host"},
	}
	st := declare(t, service("api"), service("two", speaks(stack.H2C)))
	for _, to := range []string{"api", "two"} {
		st.Gateway.Routes = append(st.Gateway.Routes, stack.Route{Path: "/" + to, Strip: "/" + to, To: to, Policies: stack.Policies{RequestHeaders: rules}})
	}
	w := begin(t, st, Options{})
	addr := upstream(t, repeats)
	w.put("api-1", addr, registry.Ready)
	w.put("two-1", addr, registry.Ready)
	for protocol, client := range protocols(t) {
		for _, to := range []string{"api", "two"} {
			got := w.asService(client, "/"+to, http.Header{"User-Agent": {"test"}, "X-Request-Id": {"theirs"}})
			want := heard{"other.test", http.Header{
				"User-Agent": {"test"}, "X-Forwarded-For": {"192.0.2.1"}, "X-Forwarded-Proto": {"https"}, "X-Request-Id": {"mine"},
				"Traceparent": {"none"}, "X-Forwarded-Prefix": {"/" + to},
			}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s to %s: %s", protocol, to, diff)
			}
		}
	}
}

// What clients say of themselves counts when they are trusted.
func TestWhoIsBelieved(t *testing.T) {
	sent := http.Header{
		"X-Forwarded-For": {"192.0.2.1", "198.51.100.2, 127.0.0.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"shop.test"}, "X-Request-Id": {"theirs"},
	}
	for _, c := range []struct {
		name     string
		trust    []string
		believed bool
		client   string // that the record has
		last     []string
	}{
		{"nobody", nil, false, "127.0.0.1", []string{"127.0.0.1"}},
		{"the nearest", []string{"127.0.0.1/32"}, true, "127.0.0.9", []string{"192.0.2.1", "198.51.100.2, 127.0.0.9", "127.0.0.1"}},
		// A proxy that adds a field of its own must not have the client's believed.
		{"two of them", []string{"127.0.0.0/8"}, true, "198.51.100.2", []string{"192.0.2.1", "198.51.100.2, 127.0.0.9", "127.0.0.1"}},
	} {
		st := declare(t, service("api", routed(stack.Route{Path: "/"})))
		st.Gateway.Trust = c.trust
		w := begin(t, st, Options{})
		w.put("api-1", upstream(t, repeats), registry.Ready)
		for protocol, client := range protocols(t) {
			got := w.asService(client, "/", sent).Header
			want := http.Header{"X-Forwarded-For": c.last, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {w.Addr()}, "X-Request-Id": {got.Get("Traceparent")[3:35]}}
			if c.believed {
				for _, name := range []string{"X-Forwarded-Proto", "X-Forwarded-Host", "X-Request-Id"} {
					want[name] = sent[name]
				}
			}
			for name := range got {
				if want[name] == nil {
					delete(got, name)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s is trusted, %s: %s", c.name, protocol, diff)
			}
			eventually(t, "its record", func() bool {
				recent := w.Recorder().Recent()
				return len(recent) > 0 && recent[len(recent)-1].Client == c.client
			})
		}
	}
}

// An Upgrade field that Connection does not name was meant for somebody before
// (RFC 9110 §7.8).
func TestUpgradeIsNamedByConnection(t *testing.T) {
	w := begin(t, declare(t, service("api", routed(stack.Route{Path: "/"}))), Options{})
	w.put("api-1", upstream(t, repeats), registry.Ready)
	for connection, want := range map[string]string{"": "", "Connection: keep-alive\r\n": "", "Connection: foo, Upgrade\r\n": "foo"} {
		c, err := net.Dial("tcp", w.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\n%sUpgrade: foo\r\n\r\n", connection)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		var got heard
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if u := got.Header.Get("Upgrade"); u != want {
			t.Errorf("%q: Upgrade = %q, want %q", connection, u, want)
		}
	}
}

func TestTheGatewaysAnswersHaveADate(t *testing.T) {
	w := begin(t, declare(t), Options{})
	for protocol, client := range protocols(t) {
		res, err := client.Do(w.request("GET", "", "/none", nil))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if at, err := http.ParseTime(res.Header.Get("Date")); err != nil || time.Since(at) > time.Minute {
			t.Errorf("%s: Date = %q", protocol, res.Header.Get("Date"))
		}
	}
}
