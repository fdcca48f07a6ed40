package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

func since(reason string, ago time.Duration) func(*registry.Instance) {
	return func(i *registry.Instance) { i.Stale = &registry.Stale{Reason: reason, Since: time.Now().Add(-ago)} }
}

// asker is a client of HTTP/1.1, or of HTTP/2 alone.
func asker(h2 bool) *http.Client {
	p := new(http.Protocols)
	p.SetHTTP1(!h2)
	p.SetUnencryptedHTTP2(h2)
	return &http.Client{Transport: &http.Transport{Protocols: p, DisableCompression: true}}
}

func TestAStaleInstanceSaysSo(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		for _, speaks := range []stack.Protocol{stack.HTTP, stack.H2C} {
			t.Run(fmt.Sprintf("HTTP/2 %t to %s", h2, speaks), func(t *testing.T) {
				client := asker(h2)
				defer client.CloseIdleConnections()
				st := declare(t, service("web", needs("api")), service("api", func(s *stack.Service) {
					s.Protocol = speaks
					s.Retries = &stack.Retries{Attempts: 3, On: []string{"gateway-error"}}
				}))
				w := begin(t, st, Options{})
				addr := upstream(t, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/own" {
						w.Header().Set("Msctl-Stale", "says who?")
					}
					_, _ = io.WriteString(w, "old")
				})
				ask := func(path string, want ...string) {
					t.Helper()
					r := w.request("GET", "api.localhost", path, nil)
					res, err := client.Do(r)
					if err != nil {
						t.Fatal(err)
					}
					b, _ := io.ReadAll(res.Body)
					_ = res.Body.Close()
					if got := strings.Join(res.Header.Values("Msctl-Stale"), "|"); got != strings.Join(want, "|") {
						t.Errorf("%s: %q, want %q (%s)", path, got, want, b)
					}
				}
				w.put("api-1", addr, registry.Ready)
				ask("/")
				w.put("api-1", addr, registry.Ready, since("build failed", 12*time.Second+500*time.Millisecond))
				ask("/", "build failed 12s ago")
				ask("/own", "build failed 12s ago")
				w.put("api-1", addr, registry.Ready, since("the new instance\r\nexited with code 1", 90*time.Minute))
				ask("/", "the new instance exited with code 1 1h ago")

				edge, _ := w.Edge("web", "api")
				r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+edge+"/", nil)
				res, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if got, ok := res.Header["Msctl-Stale"]; ok {
					t.Errorf("a service is told: %q", got)
				}

				// What another answers in the end says nothing of the first.
				failing := upstream(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
				w.put("api-1", failing, registry.Ready, since("build failed", 0))
				w.put("api-2", addr, registry.Ready)
				for range 4 {
					ask("/")
				}
				// Nor does what the gateway itself says.
				w.put("api-2", addr, registry.Draining)
				w.put("api-1", nobody(t), registry.Ready, since("build failed", 0))
				ask("/")
				w.put("api-1", addr, registry.Ready)
				ask("/")
			})
		}
	}
}

func TestAStaleInstanceSaysSoOfASocket(t *testing.T) {
	w := serving(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Msctl-Stale", "says who?")
		if c, err := websocket.Accept(w, r, nil); err == nil {
			_ = c.CloseNow()
		}
	})
	addr := w.table.Load().pools["api"].addresses()[0]
	w.put("api-1", addr, registry.Ready, since("build failed", 61*time.Second))
	c, res, err := websocket.Dial(t.Context(), "ws://"+w.Addr()+"/", &websocket.DialOptions{Host: "api.localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if got := res.Header.Values("Msctl-Stale"); len(got) != 1 || got[0] != "build failed 1m ago" {
		t.Errorf("%q", got)
	}
}

func TestStaleTexts(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		reason string
		ago    time.Duration
		want   string
	}{
		{"build failed", -time.Second, "build failed 0s ago"}, // the clock was set
		{"build failed", 59*time.Second + 999*time.Millisecond, "build failed 59s ago"},
		{"build failed", time.Minute, "build failed 1m ago"},
		{"build failed", 59*time.Minute + 59*time.Second, "build failed 59m ago"},
		{"build failed", time.Hour, "build failed 1h ago"},
		{"build failed", 49 * time.Hour, "build failed 49h ago"},
		{"a\x00b\tc\x7fd\u0085e \xff", 0, "a b c d e 0s ago"},
		{"", 0, "0s ago"},
		{strings.Repeat("x", 300), 0, strings.Repeat("x", 193) + " 0s ago"},
		{strings.Repeat("é", 300), 0, strings.Repeat("é", 96) + " 0s ago"},
	} {
		got := newStale(&registry.Stale{Reason: c.reason, Since: now.Add(-c.ago)}).text(now)
		if got != c.want || len(got) > maxStale || !utf8.ValidString(got) {
			t.Errorf("%.20q, %s: %q, want %q", c.reason, c.ago, got, c.want)
		}
	}
}
