package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

func TestATakenAddressIsNamed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	w := begin(t, declare(t, service("api")), Options{})
	before := w.Addr()
	st := declare(t)
	st.Gateway.Listen = ln.Addr().String()
	err = w.Configure(t.Context(), st)
	if want := "listen " + st.Gateway.Listen + ": address already in use"; err == nil || err.Error() != want || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Configure = %v, want %s", err, want)
	}
	w.put("api-1", says(t, "still"), registry.Ready)
	if _, body, _ := w.get("api.localhost", "/"); body != "still" || w.Addr() != before {
		t.Errorf("a failed Configure changed things: %q at %s", body, w.Addr())
	}
}

func TestConfigureTouchesOnlyWhatDiffers(t *testing.T) {
	var keys []string
	st := declare(t, service("api"))
	dir := st.Dir
	w := begin(t, st, Options{Listen: func(key string) (net.Listener, error) {
		keys = append(keys, key)
		return net.Listen("tcp", "127.0.0.1:0")
	}})
	started, goOn := make(chan struct{}), make(chan struct{})
	w.put("api-1", slow(t, started, goOn), registry.Ready)
	front := w.Addr()
	answer := make(chan string)
	go func() {
		_, body, _ := w.get("api.localhost", "/")
		answer <- body
	}()
	within(t, "the request", started)

	opened, pages := len(keys), w.AdminURL()
	st = declare(t, service("api"), service("job", func(s *stack.Service) { s.Kind = stack.KindJob }), service("web", needs("api", "job", "gone")))
	st.Dir = dir
	if err := w.Configure(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	edge, ok := w.Edge("web", "api")
	if want := filepath.Join(st.Dir, "edge", "web", "api"); !ok || len(keys) != opened+1 || keys[opened] != want {
		t.Errorf("opened %v, want only %s", keys[opened:], want)
	}
	st.Services[0].Routes = []stack.Route{{Path: "/new", To: "api"}}
	if err := w.Configure(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if again, _ := w.Edge("web", "api"); again != edge || w.Addr() != front || w.AdminURL() != pages || len(keys) != opened+1 {
		t.Errorf("edge %s became %s, front %s became %s, pages %s became %s", edge, again, front, w.Addr(), pages, w.AdminURL())
	}
	close(goOn)
	if body := within(t, "the answer", answer); body != "slow" {
		t.Errorf("got %q", body)
	}

	// The front door goes off, and the edge turns raw.
	st = &stack.Stack{Dir: st.Dir, Services: []stack.Service{service("api", speaks(stack.TCP)), service("web", needs("api"))}}
	if err := w.Configure(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if w.Addr() != "" || len(w.Routes()) != 1 || w.Routes()[0].URL != "" {
		t.Errorf("front at %q with %v", w.Addr(), w.Routes())
	}
	if c, err := net.Dial("tcp", front); err == nil {
		_ = c.Close()
		t.Error("the front door is still open")
	}
	w.put("api-1", answerer(t, "raw"), registry.Ready)
	edge, _ = w.Edge("web", "api")
	if got, err := ask(edge, "x"); got != "raw:x" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTheFrontDoorMovesOnItsPort(t *testing.T) {
	w := begin(t, declare(t, service("api")), Options{})
	w.put("api-1", says(t, "api"), registry.Ready)
	_, port, _ := strings.Cut(w.Addr(), ":")
	for _, listen := range []string{"127.0.0.1:" + port, ":" + port, "localhost:" + port} {
		st := declare(t, service("api"))
		st.Gateway.Listen = listen
		if err := w.Configure(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		if _, body, _ := w.get("api.localhost", "/"); body != "api" || w.Addr() != "127.0.0.1:"+port {
			t.Errorf("listen %s: %q at %s", listen, body, w.Addr())
		}
	}
}

func TestWhatCameBeforeRunIsServed(t *testing.T) {
	g := New(registry.New(), Options{})
	if err := g.Configure(t.Context(), declare(t)); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- g.Run(ctx) }()
	if b, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 404") {
		t.Errorf("%q, %v", b, err)
	}
	cancel()
	if err := within(t, "Run", done); err != nil {
		t.Error(err)
	}
	if err := g.Configure(t.Context(), declare(t)); !errors.Is(err, errEnded) {
		t.Errorf("Configure after Run = %v", err)
	}
	if err := g.Run(t.Context()); err == nil {
		t.Error("a second Run")
	}
}
