//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		if err := start(os.Args); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// newLab is a lab that has its origin, and no proxies.
func newLab(t *testing.T) (context.Context, *lab) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	ctx, end := context.WithCancel(t.Context())
	l := &lab{}
	t.Cleanup(func() { end(); l.close() })
	if err := l.open(ctx, options{}); err != nil {
		t.Fatal(err)
	}
	return ctx, l
}

const brief = 100 * time.Millisecond

func TestLoad(t *testing.T) {
	ctx, l := newLab(t)
	for name, s := range map[string]spec{
		"small":      {Path: "/small", Conns: 8},
		"large":      {Path: "/1m", Conns: 2},
		"large post": {Path: "/small", Body: 1 << 20, Conns: 2},
		"paced":      {Path: "/16k", Conns: 4, Rate: 200},
	} {
		t.Run(name, func(t *testing.T) {
			s.Warm, s.For = brief/10, brief
			r, err := l.measure(ctx, cell{spec: s}, &proxy{port: l.ports[0], cpu: l.load})
			if err != nil {
				t.Fatal(err)
			}
			if r.Done == 0 || r.CPU <= 0 || r.RSS <= 0 || r.P50 <= 0 || r.P50 > r.P99 {
				t.Errorf("got %+v", r)
			}
			if s.Rate > 0 && r.Done > int((s.Warm+s.For).Seconds()*float64(s.Rate))+1 {
				t.Errorf("%d requests were answered, more than were due", r.Done)
			}
		})
	}
}

func TestLoadHTTP2(t *testing.T) {
	ctx, l := newLab(t)
	l.hasH2 = false
	for _, length := range []int{bodies["/small"], 3} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			var protocols http.Protocols
			protocols.SetUnencryptedHTTP2(true)
			srv := &http.Server{Protocols: &protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(make([]byte, length))
			})}
			port := serve(t, func(s net.Listener) { _ = srv.Serve(s) })
			t.Cleanup(func() { _ = srv.Close() })
			r, err := l.measure(ctx, cell{spec: spec{Path: "/small", H2: true, Conns: 2, Streams: 4, For: brief}}, &proxy{port: port, h2Port: port, cpu: -1})
			switch {
			case length == 3:
				if err == nil || !strings.Contains(err.Error(), "want 200 and 200 bytes") {
					t.Errorf("got error %v", err)
				}
			case err != nil:
				t.Error(err)
			case r.Done == 0 || r.CPU <= 0:
				t.Errorf("got %+v", r)
			}
		})
	}
}

// serve runs a server on a port of loopback, until the test ends.
func serve(t *testing.T, run func(net.Listener)) (port int) {
	t.Helper()
	s, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); run(s) }()
	t.Cleanup(func() { s.Close(); <-done })
	return s.Addr().(*net.TCPAddr).Port
}

func TestWrongAnswers(t *testing.T) {
	ctx, l := newLab(t)
	body := strings.Repeat("x", bodies["/small"])
	for name, c := range map[string]struct{ answer, want string }{
		"status":     {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 200\r\n\r\n" + body, "502 Bad Gateway"},
		"length":     {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + body[:100], "want 200 and 200 bytes"},
		"no length":  {"HTTP/1.1 200 OK\r\n\r\n" + body, "want 200 and 200 bytes"},
		"more bytes": {"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + body + "x", "longer than it said"},
		"closed":     {"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + body[:9], "closed a connection"},
	} {
		t.Run(name, func(t *testing.T) {
			port := serve(t, func(s net.Listener) {
				for {
					conn, err := s.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Read(make([]byte, 4096))
					_, _ = conn.Write([]byte(c.answer))
					_ = conn.Close()
				}
			})
			_, err := l.measure(ctx, cell{spec: spec{Path: "/small", Conns: 1, For: time.Minute}}, &proxy{port: port, cpu: -1})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want an error with %q, got %v", c.want, err)
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	ctx, l := newLab(t)
	port := serve(t, func(s net.Listener) {
		for {
			conn, err := s.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
		}
	})
	_, err := l.measure(ctx, cell{spec: spec{Path: "/small", Conns: 2, For: patience + brief}}, &proxy{port: port, cpu: -1})
	if err == nil || !strings.Contains(err.Error(), "2 connections had no answer") {
		t.Errorf("got error %v", err)
	}
}

// TestMeasure measures msctl for real.
func TestMeasure(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	file := filepath.Join(t.TempDir(), "out.json")
	var out bytes.Buffer
	if err := measure(t.Context(), []string{"-rounds", "1", "-cells", "get200,h2", "-only", "msctl", "-json", file}, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "| GET 200 B, 64 connections |") || strings.Contains(out.String(), "failed") {
		t.Errorf("got:\n%s", &out)
	}
	var r report
	if b, err := os.ReadFile(file); err != nil {
		t.Error(err)
	} else if err := json.Unmarshal(b, &r); err != nil || len(r.Samples["h2"]["msctl"]) != 1 {
		t.Errorf("%v in %s", err, b)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestOptions(t *testing.T) {
	o, err := parse([]string{"-cells", "h2,get200", "-only", "msctl", "-rounds", "0"})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{o.cells[0].name, o.cells[1].name, o.kinds[0].name}
	if want := []string{"get200", "h2", "msctl"}; !slices.Equal(names, want) || o.rounds != 1 {
		t.Errorf("want %v in one round, got %v in %d", want, names, o.rounds)
	}
	if _, err := parse([]string{"-only", "apache"}); err == nil || !strings.Contains(err.Error(), "apache") {
		t.Errorf("got error %v", err)
	}
}

func TestReport(t *testing.T) {
	all, err := parse([]string{"-cells", "get200,get1m,get200x1000,rate2000,h2"})
	if err != nil {
		t.Fatal(err)
	}
	s := samples{}
	for _, us := range []float64{30, 10, 20} { // the median is 20
		s.add("get200", "nginx", result{CPU: us})
		s.add("get200", "haproxy", result{CPU: us + 20})
		s.add("get200", "msctl", result{CPU: us - 5, Others: us / 100})
	}
	s.add("get1m", "msctl", result{CPU: 500})
	for proxy, us := range map[string]float64{direct: 100, "nginx": 150, "haproxy": 130, "msctl": 160} {
		s.add("rate2000", proxy, result{CPU: us, P50: us, P99: 2 * us})
		s.add("get200x1000", proxy, result{CPU: us, RSS: us / 5})
		s.add("h2", proxy, result{CPU: us / 2})
	}
	delete(s["h2"], "nginx")
	r := report{Machine: "this one", Rounds: 3, Cells: all.cells, Samples: s, Proxies: []version{
		{"nginx", "nginx", "1", false},
		{"haproxy", "HAProxy", "2", false},
		{"caddy", "Caddy", "", true},
		{"msctl", "msctl", "3", false},
	}}
	const want = `| µs of processor time for a request | nginx 1 | HAProxy 2 | msctl 3 | bound | |
|---|---:|---:|---:|---|---|
| GET 200 B, 64 connections | 20.0 | 40.0 | 15.0 (0.75) | ≤ 0.90 | OK |
| GET 200 B, 1000 connections | 150 | 130 | 160 (1.23) | ≤ 1.00 | missed |
| Resident memory at 1000 connections, MiB | 30.0 | 26.0 | 32.0 (1.23) | ≤ 30 MiB | missed |
| GET 1 MiB, 8 connections | failed | failed | 500 | ≤ 0.65 | – |
| GET 200 B, 2000 a second | 150 | 130 | 160 (1.23) | ≤ 0.90 | missed |
| GET 200 B, 2000 a second, p50 added, µs | 50.0 | 30.0 | 60.0 | | |
| GET 200 B, 2000 a second, p99 added, µs | 100 | 60.0 | 120 | ≤ nginx | missed |
| GET 200 B, HTTP/2, 8 connections of 32 streams | failed | 65.0 | 80.0 (1.23) | < 70 µs, < Caddy | missed |

this one; medians of 3 rounds. In brackets: the ratio to the better of nginx and HAProxy.
Not installed: Caddy.
`
	got, noise, _ := strings.Cut(r.markdown(), "Others")
	if got != want {
		t.Errorf("want:\n%s\ngot:\n%s", want, got)
	}
	if !strings.Contains(noise, "(median; 30 % at most)") || !strings.Contains(noise, "(median; 133 % at most)") {
		t.Errorf("got %q", noise)
	}
}

func TestUpdate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "README.md")
	for text, want := range map[string]string{
		"a\n" + beginMark + "old\n" + endMark + "b\n": "a\n" + beginMark + "new\n" + endMark + "b\n",
		beginMark + "never ended":                     "",
		"nothing":                                     "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := update(file, "new\n")
		got, _ := os.ReadFile(file)
		if want == "" && (err == nil || string(got) != text) {
			t.Errorf("%q became %q, with error %v", text, got, err)
		} else if want != "" && string(got) != want {
			t.Errorf("want %q, got %q, %v", want, got, err)
		}
	}
}
